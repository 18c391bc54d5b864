"""Lists of records with named values: CSV and JSON."""

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.sources.entry import NEWLINE, Entry, Problem, Unreadable

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

_IDS = ("external_id", "index", "id")
"""Where a record has several, the first is its id; the others go into the metadata."""

YES = frozenset({"", "true", "t", "yes", "y", "sim", "s", "on", "1", "active", "ativo", "ativa"})

NO = frozenset({"false", "f", "no", "n", "nao", "não", "off", "0", "inactive", "inativo", "inativa", "disabled"})


def parse_csv(text: str, problems: list[Problem]) -> Iterator[Entry]:
    header_line = NEWLINE.split(text, maxsplit=1)[0]
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
        raise Unreadable(number, f"not CSV: {error}") from error


def _csv_header(record: list[str]) -> list[str]:
    header = [name.strip() for name in record]
    if "url" not in (FIELDS.get(name.lower()) for name in header):
        raise Unreadable(1, "the first line must name the columns, one of them url")
    for name in header:
        if header.count(name) > 1:
            raise Unreadable(1, f"two columns are called {name or '(nothing)'!r}")
    return header


def parse_json(text: str, problems: list[Problem]) -> Iterator[Entry]:
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
        raise Unreadable(_line_of(text, at), 'a list is expected: [{"url": …}, …], or {"streams": […]}')
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
        raise Unreadable(error.lineno, f"not JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(_line_of(text, start), f"not JSON: {error}") from error


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
    given = {name.lower() for name, value in record.items() if value not in (None, "")}
    id_name = next((name for name in _IDS if name in given), None)
    for name, value in record.items():
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            continue
        key = FIELDS.get(name.lower())
        if key == "external_id" and name.lower() != id_name:
            metadata[name] = value
        elif key is not None:
            known.setdefault(key, value)
        elif name.lower() == "metadata" and isinstance(value, dict):
            metadata |= value
        else:
            metadata[name] = value
    url = str(known.get("url", ""))
    found = [
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
    here = [Problem(line, f"{prefix}{problem}") for problem in found]
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
