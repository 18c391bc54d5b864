"""Writes docs/reference from the comments in a freshly migrated database (`make docs`): a page of functions for each
room of sql/, the errors, and tables of views, tables, settings, jobs, metrics and state machines. And the picture of an
assignment's life in sql/README.md.

The comment of a public function is a paragraph, then a line for each parameter and result column ("p_limit: the most
rows."), the codes that it raises ("Raises: OR101, 55P03.") and a statement that runs ("Example: select …;").

`python docs/generate.py --check` writes nothing and exits 1 when a page is stale.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from orchestrator import errors, templates
from orchestrator.http import problems
from orchestrator.install import migrate
from orchestrator.lab.server import temporary_server

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference"
MARK = "<!-- Written by `make docs` from the comments in the database: edit those. -->\n"
MAP = templates.SQL_ROOT / "README.md"
BEGIN = "<!-- drawn by `make docs` from assignment_transition: do not edit up to the end of the picture -->\n"
END = "<!-- end of the picture -->\n"

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True)
class Argument:
    """A parameter, or a column of the result."""

    name: str
    type: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Function:
    """A public function, as the catalog and its comment describe it."""

    name: str
    room: str
    text: str
    parameters: Sequence[Argument]
    columns: Sequence[Argument]
    returns: str | None
    raises: Sequence[str]
    example: str
    roles: Sequence[str]


def functions(connection: Connection) -> list[Function]:
    """Every public function, sorted by name; ValueError for a comment that is not made as this file's head says."""
    return [_function(row) for row in connection.execute((DOCS / "functions.sql").read_bytes())]


def _function(row: dict[str, Any]) -> Function:
    text, *lines = row["comment"].split("\n")
    meanings = dict(line.partition(": ")[::2] for line in lines)
    if len(meanings) < len(lines) or "" in meanings.values():
        raise ValueError(f"the comment of {row['name']} has a line that is not like 'p_name: meaning.'")
    example, raises = meanings.pop("Example", ""), meanings.pop("Raises", "").removesuffix(".")
    parameters: list[Argument] = []
    columns: list[Argument] = []
    for argument in row["arguments"] or ():
        kind = parameters if argument["is_parameter"] else columns
        meaning = meanings.pop(argument["name"], "")
        kind.append(Argument(argument["name"], argument["type"], argument["default"], meaning))
    if meanings:
        raise ValueError(f"{row['name']} has no {', '.join(meanings)}")
    [path] = templates.SQL_ROOT.glob(f"*/{row['name']}.sql")
    return Function(
        name=row["name"],
        room=path.parent.name,
        text=text,
        parameters=parameters,
        columns=columns,
        returns=row["returns"],
        raises=raises.split(", ") if raises else (),
        example=example,
        roles=row["roles"],
    )


def page_of_functions(room: str, found: Iterable[Function]) -> str:
    """The page of one room."""
    title = f"# Functions: {room.replace('_', ' ')}\n\n{MARK}"
    way = f"[All functions](README.md) · the room [sql/{room}](../../../sql/{room})\n"
    return "\n".join([title, way, *(_section(function) for function in found)])


def _section(function: Function) -> str:
    heads = [
        f"{argument.name} {argument.type}" + (f" default {_plain(argument.default)}" if argument.default else "")
        for argument in function.parameters
    ]
    signature = f"orchestrator.{function.name}({', '.join(heads)})"
    if len(signature) > 110:
        signature = f"orchestrator.{function.name}(\n    " + ",\n    ".join(heads) + "\n)"
    parts = [f"## {function.name}\n", _escaped(function.text) + "\n", f"```\n{signature}\n```\n"]
    if function.parameters:
        rows = [
            (f"`{a.name}`", a.type, f"`{_plain(a.default)}`" if a.default else "", _escaped(a.meaning))
            for a in function.parameters
        ]
        parts.append(_table(("parameter", "type", "default", "meaning"), rows))
    if function.columns:
        columns = [(f"`{a.name}`", a.type, _escaped(a.meaning)) for a in function.columns]
        parts.append(_table(("result", "type", "meaning"), columns))
    elif function.returns:
        parts.append(f"Returns {function.returns}.\n")
    facts = [f"For {', '.join(function.roles)}."]
    if function.raises:
        facts.append(f"Errors: {', '.join(f'[{code}](../errors.md#{code.lower()})' for code in function.raises)}.")
    path = f"sql/{function.room}/{function.name}.sql"
    facts.append(f"File: [{path}](../../../{path})")
    parts += [" ".join(facts) + "\n", f"```sql\n{function.example}\n```\n"]
    return "\n".join(parts)


def index_of_functions(found: Iterable[Function]) -> str:
    """Every function with its first sentence, alphabetically."""
    rows = [
        (
            f"[`{f.name}`]({f.room}.md#{f.name})",
            ", ".join(f.roles),
            _escaped(re.split(r"(?<=[.:]) (?=[A-Z])", f.text)[0]),
        )
        for f in found
    ]
    way = "One page for each room of [the SQL](../../../sql/README.md). A login may call what one of its roles may.\n"
    return "\n".join(["# Functions\n", MARK, way, _table(("function", "for", "does"), rows)])


def page_of_errors(connection: Connection, found: Sequence[Function]) -> str:
    """Every code with its cause, what to do, and what Python, HTTP and the command line make of it."""
    parts = [
        "# Errors\n",
        MARK,
        "Each refusal has a code, a message, a JSON detail and a hint. `OR1xx`: the call is wrong. `OR3xx`: an old\n"
        "epoch or incarnation. `OR4xx`: not allowed as things are. `OR9xx`: a bug. `55P03` is PostgreSQL's own.\n",
    ]
    for row in connection.execute((DOCS / "errors.sql").read_bytes()):
        code = row["code"]
        kind = errors.class_of(code)
        lines = dict(line.partition(": ")[::2] for line in row["comment"].split("\n"))
        raised_by = [f"[{f.name}](functions/{f.room}.md#{f.name})" for f in found if code in f.raises]
        status = int(problems.from_error(kind(row["title"], code=code)).status)
        parts.append(
            f"## {code}\n\n**{row['title']}.** {_escaped(lines['Cause'])}\n\n"
            f"- What to do: {_escaped(lines['Remedy'])}\n"
            f"- Python `{kind.__name__}` (`{kind.__bases__[0].__name__}`), "
            f"HTTP status {status}, exit status {kind.exit_code}.\n"
            f"- Raised by {', '.join(raised_by) or 'no public function as its answer'}.\n"
        )
        messages = [
            (_escaped(re.sub(" $", " …", m["message"])), _escaped(m["hint"] or "depends on the case"))
            for m in row["raised"] or ()
        ]
        if messages:
            parts.append(_table(("message", "hint"), messages))
    return "\n".join(parts)


def pages_of_tables(connection: Connection) -> dict[str, str]:
    """File name → page, of what is one table: the statements of tables.sql, each titled by its first column."""
    pages: dict[str, str] = {}
    for statement in (DOCS / "tables.sql").read_text().split(";\n"):
        if not statement.strip():
            continue
        cursor = connection.execute(statement.encode())
        assert cursor.description is not None
        title, *columns = (column.name for column in cursor.description)
        rows = [[_cell(row[column]) for column in columns] for row in cursor]
        name = "state_machines" if title.startswith("State machine") else title.lower()
        heading = f"# {title}\n\n{MARK}\n" if name not in pages else f"\n# {title}\n\n"
        pages[name] = pages.get(name, "") + heading + _table(columns, rows)
    return {f"{name}.md": page for name, page in pages.items()}


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _escaped(text: str) -> str:
    """As Markdown shows it unchanged."""
    return text.replace("<", "&lt;").replace("*", "\\*")


def _plain(default: str | None) -> str:
    """A default without the casts that the catalog adds."""
    return re.sub(r"::[a-z ]+(\[\])?", "", default or "").lower()


def map_with_picture(connection: Connection) -> str:
    """The map with a diagram in it: one arrow for all events that lead from one state of an assignment to another."""
    before, begin, rest = MAP.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{MAP} has no place for the picture")
    steps = connection.execute((DOCS / "picture.sql").read_bytes()).fetchall()
    arrows = [f"    {_state(step['from_status'])} --> {step['to_status']} : {step['events']}\n" for step in steps]
    return "".join([before, begin, "```mermaid\nstateDiagram-v2\n", *arrows, "```\n", end, after])


def _state(name: str) -> str:
    return "[*]" if name == "unknown" else name


def pages(connection: Connection) -> dict[Path, str]:
    """Every page that is generated, and the map."""
    found = functions(connection)
    by_room = groupby(sorted(found, key=lambda f: (f.room, f.name)), key=lambda f: f.room)
    made = {f"functions/{room}.md": page_of_functions(room, of_room) for room, of_room in by_room}
    made["functions/README.md"] = index_of_functions(found)
    made["errors.md"] = page_of_errors(connection, found)
    made |= pages_of_tables(connection)
    return {REFERENCE / name: page for name, page in made.items()} | {MAP: map_with_picture(connection)}


def main() -> int:
    """Returns the exit status."""
    with temporary_server() as server:
        migrate.migrate(server.dsn())
        with psycopg.connect(server.dsn(), row_factory=dict_row) as connection:
            made = pages(connection)
    left_over = [path for path in REFERENCE.rglob("*.md") if path not in made and MARK in path.read_text()]
    stale = [path for path, page in made.items() if not path.exists() or path.read_text() != page]
    if "--check" in sys.argv:
        for path in (*stale, *left_over):
            print(f"{path} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale or left_over else 0
    for path in left_over:
        path.unlink()
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
