"""Lists of stations in files: M3U, PLS, CSV and JSON.

A file is read whole or not at all: every problem in it is found and reported with its line, and nothing is imported
until there are none.

The parsers are our own because those on the shelf forget the line numbers: m3u8 and configparser return entries, and
an operator with a broken list of 800 stations needs to know where to look.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from orchestrator.sources.entry import BadPlaylist, Entry, Problem, Unreadable
from orchestrator.sources.players import parse_m3u, parse_pls
from orchestrator.sources.records import parse_csv, parse_json

Format = Literal["m3u", "pls", "csv", "json"]

_FORMAT_BY_ENDING: Mapping[str, Format] = {
    ".m3u": "m3u",
    ".m3u8": "m3u",
    ".pls": "pls",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
}


Check = Callable[[Sequence[Entry]], Mapping[int, str]]
"""What keeps entries from being stations: their places in the sequence, from 0, and why. The database knows."""


def parse(
    content: bytes,
    filename: str,
    *,
    format_name: Format | None = None,
    encoding: str | None = None,
    check: Check | None = None,
) -> list[Entry]:
    """The stations of a list. The format follows from the file's name, or else its beginning, unless it is given.
    Without a check all that the file names are taken for stations.

    Text is UTF-8 (with or without BOM) or UTF-16 with BOM. M3U and PLS that are not are read as Latin-1, as players
    do; .m3u8, CSV and JSON that are not are refused, unless an encoding is given.

    Raises:
        BadPlaylist: with all problems found.
    """
    list_format = format_name or _format_of(filename, content)
    if list_format is None:
        raise BadPlaylist(filename, [Problem(1, "neither M3U, PLS, CSV nor JSON by its name or its beginning")])
    may_be_latin = list_format in ("m3u", "pls") and not filename.lower().endswith(".m3u8")
    problems: list[Problem] = []
    try:
        text = _decode(content, encoding, may_be_latin=may_be_latin)
        entries = list(_PARSERS[list_format](text, problems))
        if check is not None:
            refused = check(entries)
            problems += [_problem(entries[place], why) for place, why in refused.items()]
            entries = [entry for place, entry in enumerate(entries) if place not in refused]
    except Unreadable as error:
        raise BadPlaylist(filename, [*problems, error.problem]) from error
    problems += _duplicates(entries)
    if not entries and not problems:
        problems.append(Problem(1, "no streams in the file"))
    if problems:
        raise BadPlaylist(filename, problems)
    return entries


def _format_of(filename: str, content: bytes) -> Format | None:
    for ending, list_format in _FORMAT_BY_ENDING.items():
        if filename.lower().endswith(ending):
            return list_format
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    if start.startswith((b"#extm3u", b"http://", b"https://")):
        return "m3u"
    if start.startswith(b"[playlist]"):
        return "pls"
    if start.startswith((b"[", b"{")):
        return "json"
    return None


def _decode(content: bytes, encoding: str | None, *, may_be_latin: bool) -> str:
    if encoding is None:
        encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if may_be_latin and encoding == "utf-8-sig":
            text = content.decode("latin-1")
        else:
            bad = content[error.start : error.start + 1].hex()
            raise Unreadable(
                content.count(b"\n", 0, error.start) + 1,
                f"byte 0x{bad} is not {encoding.removesuffix('-sig')}; save the file as UTF-8, or give its encoding",
            ) from error
    if "\0" in text:
        raise Unreadable(text.count("\n", 0, text.index("\0")) + 1, "a zero byte: this is not a text file")
    return text


def _problem(entry: Entry, why: str) -> Problem:
    given = f"{entry.url[:200]!r}: " if entry.url else ""
    return Problem(entry.line, f"{entry.prefix}{given}{why}")


def _duplicates(entries: list[Entry]) -> list[Problem]:
    problems: list[Problem] = []
    urls: dict[str, Entry] = {}
    ids: dict[str, Entry] = {}
    for entry in entries:
        if (first := urls.setdefault(entry.url, entry)) is not entry:
            problems.append(Problem(entry.line, f"{entry.prefix}the same url as {first.place}"))
        elif (first := ids.setdefault(entry.external_id, entry)) is not entry:
            problems.append(Problem(entry.line, f"{entry.prefix}the same id ({entry.external_id}) as {first.place}"))
    return problems


_PARSERS: Mapping[Format, Callable[[str, list[Problem]], Iterator[Entry]]] = {
    "m3u": parse_m3u,
    "pls": parse_pls,
    "csv": parse_csv,
    "json": parse_json,
}
