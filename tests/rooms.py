"""Where the SQL of a fleet stands: the rooms of `sql/`, their files, and the file of each function and view.

Tests ask here instead of naming paths, so that a file can move without a test that goes silently empty.
"""

import re
from functools import cache
from pathlib import Path

from orchestrator import templates

NOT_OF_THE_FLEET = {"runner", "fence", "demo"}
"""What the migration runner, a database of results and the demo bring: no part of the fleet's schemas."""

_MADE = re.compile(r"^create or replace (function|view) \{\{ (api|private) \}\}\.(\w+)", re.MULTILINE)


@cache
def fleet_files() -> tuple[Path, ...]:
    """Every repeatable file of the fleet, sorted by path."""
    files = sorted(templates.SQL_ROOT.rglob("*.sql"))
    return tuple(path for path in files if path.relative_to(templates.SQL_ROOT).parts[0] not in NOT_OF_THE_FLEET)


@cache
def _made() -> dict[tuple[str, str, str], Path]:
    """(function or view, api or private, name) → the file that makes it."""
    found: dict[tuple[str, str, str], Path] = {}
    for path in fleet_files():
        for kind, schema, name in _MADE.findall(path.read_text()):
            assert (kind, schema, name) not in found, f"{name} is made in {path} and in {found[kind, schema, name]}"
            found[kind, schema, name] = path
    return found


def _names(kind: str, schema: str) -> list[str]:
    names = sorted(name for made, where, name in _made() if (made, where) == (kind, schema))
    assert names, f"no {kind} of {schema} in {templates.SQL_ROOT}"
    return names


def public_functions() -> list[str]:
    """The names of all public functions, sorted."""
    return _names("function", "api")


def private_functions() -> list[str]:
    """The names of all private functions, sorted."""
    return _names("function", "private")


def public_views() -> list[str]:
    """The names of all public views, sorted."""
    return _names("view", "api")


def sql_file_of(name: str) -> Path:
    """The file that makes this function or view. A public one is found before a private one of the same name."""
    for kind in ("function", "view"):
        for schema in ("api", "private"):
            if path := _made().get((kind, schema, name)):
                return path
    raise LookupError(f"no file of {templates.SQL_ROOT} makes {name}")


def path_of(path: Path) -> str:
    """As the manifest names it: relative to `sql/`."""
    return path.relative_to(templates.SQL_ROOT).as_posix()


def room_of(path: Path) -> str:
    """The folder at the top of `sql/` that holds a file; "" for a file that stands in none."""
    parts = path.relative_to(templates.SQL_ROOT).parts
    return parts[0] if len(parts) > 1 else ""


_HEAD = re.compile(r"^create or replace (function|view) \{\{ (?:api|private) \}\}\.(\w+)", re.MULTILINE)
_CALL = re.compile(r"\{\{ (?:api|private) \}\}\.(\w+)\(")
_NAMING = re.compile(r"^(?:comment on [^']*'(?:[^']|'')*'|(?:revoke|grant) [^;]*);", re.MULTILINE)


def _code(text: str) -> str:
    """Without comments, and without what only names a function: hints, comments on objects, grants."""
    text = re.sub(r"--( [^\n]*)?$", "", text, flags=re.MULTILINE)
    return re.sub(r"'[^']*'", "''", _NAMING.sub("", text))


@cache
def calls() -> dict[str, set[str]]:
    """Each function and view of the fleet → the functions that it calls itself. A trigger's or a job's call is none."""
    found: dict[str, set[str]] = {}
    for path in fleet_files():
        text = path.read_text()
        heads = list(_HEAD.finditer(text))
        for number, head in enumerate(heads):
            end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
            # one by one: a quote in a regular expression of one body must not hide the next function
            # a function and a view may have one name
            found.setdefault(head[2], set()).update(_CALL.findall(_code(text[head.end() : end])))
    return {name: (called & found.keys()) - {name} for name, called in found.items()}


@cache
def reached(name: str) -> frozenset[str]:
    """All functions that a function or view calls, itself or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = calls()[waiting.pop()] - found
        found |= new
        waiting += new
    return frozenset(found)
