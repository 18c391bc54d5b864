"""The lists that players read: M3U and PLS."""

import re
from collections.abc import Iterator

from orchestrator.sources.entry import NEWLINE, Entry, Problem, Unreadable

_ATTRIBUTE = re.compile(r'([\w-]+)=(?:"([^"]*)"|([^\s,"]+))')

_EXTINF = re.compile(rf"#EXTINF:\s*-?[\d.]*(?P<attributes>(?:\s+{_ATTRIBUTE.pattern})*)\s*(?:,(?P<title>.*))?")

_PLS_ENTRY = re.compile(r"(file|title|length)(\d+)", re.IGNORECASE)


def parse_m3u(text: str, problems: list[Problem]) -> Iterator[Entry]:
    title: str | None = None
    attributes: dict[str, str] = {}
    announced: int | None = None  # the line of an #EXTINF whose url has not come yet
    for number, line in enumerate(map(str.strip, NEWLINE.split(text)), start=1):
        if line.startswith("#EXT-X-"):
            raise Unreadable(number, "an HLS playlist of one stream, not a list: import its own url instead")
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
            kept = {key: value for key, value in attributes.items() if value}
            yield Entry(number, line, external_id=line, name=title, metadata=kept)
            title, attributes = None, {}
    if announced is not None:
        problems.append(Problem(announced, "#EXTINF without a url after it"))


def parse_pls(text: str, problems: list[Problem]) -> Iterator[Entry]:
    found: dict[str, dict[int, tuple[int, str]]] = {"file": {}, "title": {}, "length": {}}
    promised: tuple[int, str] | None = None
    in_playlist = False
    for number, line in enumerate(map(str.strip, NEWLINE.split(text)), start=1):
        if not line or line.startswith((";", "#")):
            continue
        if line.startswith("["):
            in_playlist = line.lower() == "[playlist]"
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not in_playlist:
            raise Unreadable(number, "[playlist] is expected before the first entry")
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
        _, title = found["title"].get(place, (0, ""))
        yield Entry(number, url, external_id=url, name=title or None)
