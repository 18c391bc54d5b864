"""Lists of stations in files: M3U, PLS, CSV and JSON.

A file is read whole or not at all: every problem in it is found and reported with its line, and nothing is imported
until there are none.

The parsers are our own because those on the shelf forget the line numbers: m3u8 and configparser return entries, and
an operator with a broken list of 800 stations needs to know where to look.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from orchestrator.errors import UnusableSource

Format = Literal["m3u", "pls", "csv", "json"]

_FORMAT_BY_ENDING: Mapping[str, Format] = {
    ".m3u": "m3u",
    ".m3u8": "m3u",
    ".pls": "pls",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
}

FIELDS: Mapping[str, str] = {
    "external_id": "external_id",
    "id": "external_id",
    "index": "external_id",
    "name": "name",
    "nome": "name",
    "title": "name",
    "url": "url",
    "active": "active",
    "ativo": "active",
    "status": "status",
    "region": "region",
    "regiao": "region",
}
"""What a CSV column or JSON key is, by its name in lower case; any other goes into the metadata."""

YES = frozenset({"", "true", "t", "yes", "y", "sim", "s", "on", "1", "active", "ativo", "ativa"})
NO = frozenset({"false", "f", "no", "n", "nao", "não", "off", "0", "inactive", "inativo", "inativa", "disabled"})

_NEWLINE = re.compile(r"\r\n|\n|\r")
_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'([\w-]+)=(?:"([^"]*)"|([^\s,"]+))')
_EXTINF = re.compile(rf"#EXTINF:\s*-?[\d.]*(?P<attributes>(?:\s+{_ATTRIBUTE.pattern})*)\s*(?:,(?P<title>.*))?")
_PLS_ENTRY = re.compile(r"(file|title|length)(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One station, and the line (the first is 1) where it stands."""

    line: int
    url: str
    external_id: str
    name: str | None = None
    active: bool = True
    region: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    item: int | None = None
    """Its place in a JSON list, which may be all on one line; the first is 1."""

    @property
    def place(self) -> str:
        return f"line {self.line}" if self.item is None else f"line {self.line}, item {self.item}"


@dataclass(frozen=True)
class Problem:
    line: int
    text: str


class BadPlaylist(UnusableSource):
    """A list that cannot be imported; `problems` has a line for each reason."""

    def __init__(self, filename: str, problems: list[Problem]) -> None:
        self.filename = filename
        self.problems = sorted(problems, key=lambda problem: problem.line)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"{count} in {filename}; nothing was imported",
            detail={"file": filename, "problems": [vars(problem) for problem in self.problems]},
            hint="repair these lines and import the file again",
        )


def parse(
    content: bytes, filename: str, *, format_name: Format | None = None, encoding: str | None = None
) -> list[Entry]:
    """The stations of a list. The format follows from the file's name, or else its beginning, unless it is given.

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
    except _Unreadable as error:
        raise BadPlaylist(filename, [*problems, error.problem]) from error
    problems += _duplicates(entries)
    if not entries and not problems:
        problems.append(Problem(1, "no streams in the file"))
    if problems:
        raise BadPlaylist(filename, problems)
    return entries


class _Unreadable(Exception):
    """A problem after which the rest of the file means nothing."""

    def __init__(self, line: int, text: str) -> None:
        self.problem = Problem(line, text)


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
            raise _Unreadable(
                content.count(b"\n", 0, error.start) + 1,
                f"byte 0x{bad} is not {encoding.removesuffix('-sig')}; save the file as UTF-8, or give its encoding",
            ) from error
    if "\0" in text:
        raise _Unreadable(text.count("\n", 0, text.index("\0")) + 1, "a zero byte: this is not a text file")
    return text


def _parse_m3u(text: str, problems: list[Problem]) -> Iterator[Entry]:
    title: str | None = None
    attributes: dict[str, str] = {}
    announced: int | None = None  # the line of an #EXTINF whose url has not come yet
    for number, line in enumerate(map(str.strip, _NEWLINE.split(text)), start=1):
        if line.startswith("#EXT-X-"):
            raise _Unreadable(number, "an HLS playlist of one stream, not a list: import its own url instead")
        if line.startswith("#EXTINF:"):
            if announced is not None:
                problems.append(Problem(announced, "#EXTINF without a url after it"))
            announced = number
            if (match := _EXTINF.fullmatch(line)) is None:
                problems.append(Problem(number, '#EXTINF cannot be read: #EXTINF:-1 key="value",Name is expected'))
                title, attributes = None, {}
                continue
            attributes = {key: quoted or bare for key, quoted, bare in _ATTRIBUTE.findall(match["attributes"])}
            title = (match["title"] or "").strip() or attributes.get("tvg-name")
        elif line and not line.startswith("#"):
            announced = None
            if problem := url_problem(line):
                problems.append(Problem(number, problem))
            else:
                kept = {key: value for key, value in attributes.items() if value}
                yield Entry(number, line, external_id=line, name=title, metadata=kept)
            title, attributes = None, {}
    if announced is not None:
        problems.append(Problem(announced, "#EXTINF without a url after it"))


def _parse_pls(text: str, problems: list[Problem]) -> Iterator[Entry]:
    found: dict[str, dict[int, tuple[int, str]]] = {"file": {}, "title": {}, "length": {}}
    promised: tuple[int, str] | None = None
    in_playlist = False
    for number, line in enumerate(map(str.strip, _NEWLINE.split(text)), start=1):
        if not line or line.startswith((";", "#")):
            continue
        if line.startswith("["):
            in_playlist = line.lower() == "[playlist]"
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not in_playlist:
            raise _Unreadable(number, "[playlist] is expected before the first entry")
        if not equals:
            problems.append(Problem(number, "neither a section nor key=value"))
        elif match := _PLS_ENTRY.fullmatch(key):
            kind, place = match[1].lower(), int(match[2])
            if place in found[kind]:
                problems.append(Problem(number, f"{key} was already given on line {found[kind][place][0]}"))
            else:
                found[kind][place] = (number, value)
        elif key.lower() == "numberofentries":
            promised = (number, value)
    for place, (number, _) in found["title"].items():
        if place not in found["file"]:
            problems.append(Problem(number, f"Title{place} without a File{place}"))
    if promised is not None and promised[1] != str(len(found["file"])):
        problems.append(
            Problem(
                promised[0], f"NumberOfEntries is {promised[1]}, but {len(found['file'])} are there: was it cut off?"
            )
        )
    for place, (number, url) in sorted(found["file"].items()):
        if problem := url_problem(url):
            problems.append(Problem(number, problem))
        else:
            _, title = found["title"].get(place, (0, ""))
            yield Entry(number, url, external_id=url, name=title or None)


def _parse_csv(text: str, problems: list[Problem]) -> Iterator[Entry]:
    header_line = _NEWLINE.split(text, maxsplit=1)[0]
    delimiter = max(",;\t|", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    number = 1  # where the record begins; one may go over several lines
    try:
        for record in reader:
            if not header:
                header = _csv_header(record)
            elif record and any(value.strip() for value in record):
                if len(record) != len(header):
                    problems.append(Problem(number, f"{len(record)} fields, but the first line names {len(header)}"))
                elif entry := _entry(number, dict(zip(header, record, strict=True)), problems):
                    yield entry
            number = reader.line_num + 1
    except csv.Error as error:
        raise _Unreadable(number, f"not CSV: {error}") from error


def _csv_header(record: list[str]) -> list[str]:
    header = [name.strip() for name in record]
    if "url" not in (FIELDS.get(name.lower()) for name in header):
        raise _Unreadable(1, "the first line must name the columns, one of them url")
    for name in header:
        if header.count(name) > 1:
            raise _Unreadable(1, f"two columns are called {name or '(nothing)'!r}")
    return header


def _parse_json(text: str, problems: list[Problem]) -> Iterator[Entry]:
    for place, (number, item) in enumerate(_json_items(text), start=1):
        if isinstance(item, str):
            item = {"url": item}
        if not isinstance(item, dict):
            problems.append(Problem(number, f"item {place}: an object with a url, or a url, is expected"))
        elif entry := _entry(number, item, problems, item=place):
            yield entry


def _json_items(text: str) -> Iterator[tuple[int, Any]]:
    """The items of a JSON list, or of {"streams": […]}, each with the line where it begins."""
    decoder = json.JSONDecoder(parse_constant=finite_number, parse_float=finite_number)
    at = _skip_space(text, 0)
    if wrapped := re.compile(r'\{\s*"streams"\s*:\s*(?=\[)').match(text, at):
        at = wrapped.end()
    if text[at : at + 1] != "[":
        raise _Unreadable(_line_of(text, at), 'a list is expected: [{"url": …}, …], or {"streams": […]}')
    start = at
    try:
        # The whole text first: a list that is cut off must not begin to be one.
        json.loads(text, parse_constant=finite_number, parse_float=finite_number)
        at = _skip_space(text, at + 1)
        while text[at] != "]":
            item, end = decoder.raw_decode(text, at)
            yield _line_of(text, at), item
            at = _skip_space(text, end)
            if text[at] == ",":
                at = _skip_space(text, at + 1)
    except json.JSONDecodeError as error:
        raise _Unreadable(error.lineno, f"not JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise _Unreadable(_line_of(text, start), f"not JSON: {error}") from error


def finite_number(written: str) -> float:
    """For json.loads: NaN and Infinity are no JSON."""
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(f"{written} is not a finite number")
    return value


def _skip_space(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _entry(line: int, record: Mapping[str, Any], problems: list[Problem], *, item: int | None = None) -> Entry | None:
    """A record with named values, as CSV and JSON have them."""
    known: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            continue
        key = FIELDS.get(name.lower())
        if key is not None:
            known.setdefault(key, value)
        elif name.lower() == "metadata" and isinstance(value, dict):
            metadata |= value
        else:
            metadata[name] = value
    url = str(known.get("url", ""))
    found = [url_problem(url)]
    found += [
        f"{key} must be text, not {type(known[key]).__name__}"
        for key in ("external_id", "name", "region")
        if isinstance(known.get(key), list | dict | bool | float)
    ]
    words = [str(known[key]).lower() for key in ("active", "status") if key in known]
    if "active" in known and str(known["active"]).lower() not in YES | NO:
        found.append(f"active is {known['active']!r}; yes or no is expected")
    if not can_be_stored(record):
        found.append("a zero character or half a surrogate pair, which a database cannot keep")
    prefix = f"item {item}: " if item else ""
    here = [Problem(line, f"{prefix}{problem}") for problem in found if problem]
    problems += here
    if here:
        return None
    return Entry(
        line,
        url,
        external_id=str(known.get("external_id", url)),
        name=str(known["name"]) if "name" in known else None,
        active=not any(word in NO for word in words),
        region=str(known["region"]) if "region" in known else None,
        metadata=metadata,
        item=item,
    )


def _texts(value: Any) -> Iterator[str]:
    """All the text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _texts(part)


def can_be_stored(value: Any) -> bool:
    """Whether a database can keep all the text in a JSON value."""
    return all(map(_can_be_stored, _texts(value)))


def _can_be_stored(text: str) -> bool:
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def url_problem(url: str) -> str | None:
    """Why a url cannot be that of a stream."""
    if not url:
        return "no url"
    if not _URL.fullmatch(url):
        return f"{url[:200]!r} is not an http or https url"
    try:
        parts = urlsplit(url)
        _ = parts.port  # is checked when it is read
    except ValueError as error:
        return f"{url[:200]!r} is not a url: {error}"
    return None if parts.hostname else f"{url[:200]!r} names no host"


def _duplicates(entries: list[Entry]) -> list[Problem]:
    problems: list[Problem] = []
    urls: dict[str, Entry] = {}
    ids: dict[str, Entry] = {}
    for entry in entries:
        prefix = f"item {entry.item}: " if entry.item else ""
        if (first := urls.setdefault(entry.url, entry)) is not entry:
            problems.append(Problem(entry.line, f"{prefix}the same url as {first.place}"))
        elif (first := ids.setdefault(entry.external_id, entry)) is not entry:
            problems.append(Problem(entry.line, f"{prefix}the same id ({entry.external_id}) as {first.place}"))
    return problems


_PARSERS: Mapping[Format, Callable[[str, list[Problem]], Iterator[Entry]]] = {
    "m3u": _parse_m3u,
    "pls": _parse_pls,
    "csv": _parse_csv,
    "json": _parse_json,
}
