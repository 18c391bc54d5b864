"""Every way in which a database is not what this program would make of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from orchestrator import templates
from orchestrator.database import db
from orchestrator.install.history import Applied, History, make_plan, read_history
from orchestrator.install.program import Program, load
from orchestrator.install.session import execute, reading
from orchestrator.names import DEFAULT_SCHEMA, Names


@dataclass(frozen=True)
class Status:
    schema: str
    server_version: int
    installed: bool
    program_version: int
    database_version: int
    applied: Sequence[Applied]
    pending: Sequence[str]
    changed: Sequence[str]


FindingKind = Literal["pending", "edited", "altered", "missing", "left over", "newer"]


@dataclass(frozen=True)
class Finding:
    """One way in which a database is not what the program would make of it."""

    kind: FindingKind
    what: str
    hint: str


def status(
    dsn: str | None = None,
    schema: str = DEFAULT_SCHEMA,
    *,
    sql_root: Path = templates.SQL_ROOT,
    migrations_root: Path = templates.MIGRATIONS_ROOT,
) -> Status:
    """What is installed, and what is pending."""
    program = load(Names.for_schema(schema), sql_root, migrations_root)
    with reading(dsn, program) as (conn, facts):
        history = read_history(conn, program) if facts.installed else History()
    plan = make_plan(program, history)
    return Status(
        schema=schema,
        server_version=facts.server_version,
        installed=facts.installed,
        program_version=program.newest_version,
        database_version=plan.newest_applied,
        applied=history.migrations,
        pending=[migration.file.path for migration in plan.pending],
        changed=[*plan.changed, *plan.removed],
    )


def check(
    dsn: str | None = None,
    schema: str = DEFAULT_SCHEMA,
    *,
    sql_root: Path = templates.SQL_ROOT,
    migrations_root: Path = templates.MIGRATIONS_ROOT,
) -> list[Finding]:
    """Every way in which the database is not what this program would make of it. Changes nothing."""
    program = load(Names.for_schema(schema), sql_root, migrations_root)
    with reading(dsn, program) as (conn, facts):
        if not facts.installed:
            return [Finding("pending", f"schema {schema} is not installed", "run: orchestrator db migrate")]
        history = read_history(conn, program)
        differences = execute(conn, program.runner_file("drift.sql")).fetchall()
    return [*_findings_in_history(program, history), *_findings_in_catalog(program, differences)]


def _findings_in_history(program: Program, history: History) -> Iterator[Finding]:
    plan = make_plan(program, history)
    for migration in plan.pending:
        yield Finding("pending", migration.file.path, "run: orchestrator db migrate")
    for path in plan.changed:
        yield Finding("pending", path, "run: orchestrator db migrate")
    for path in plan.removed:
        yield Finding("pending", f"{path} is no longer in the manifest", "run: orchestrator db migrate")
    if plan.on_another_server:
        yield Finding(
            "pending", "the server has another major version than at the last migration", "run: orchestrator db migrate"
        )
    for applied in plan.edited:
        yield Finding(
            "edited", applied.name, "restore the file of the release; put the change into a migration of its own"
        )
    for applied in plan.unknown:
        if applied.version > program.newest_version:
            yield Finding("newer", applied.name, "use the newer release of the program")
        else:
            yield Finding("missing", f"the file of migration {applied.name}", "restore it from the release")


_CATALOG_HINTS: dict[str, str] = {
    "altered": "put it back by hand, as the migrations made it",
    "missing": "restore it from a backup or by hand, as the migrations made it",
    "left over": "drop it, or move it to a schema of its own",
}


def _findings_in_catalog(program: Program, differences: Sequence[db.Row]) -> Iterator[Finding]:
    for difference in differences:
        kind = cast(FindingKind, difference["finding"])
        repeatable = difference["kind"] in ("function", "view", "trigger", "schema")
        hint = "run: orchestrator db migrate --repair" if repeatable and kind != "left over" else _CATALOG_HINTS[kind]
        yield Finding(kind, f"{difference['kind']} {difference['identity']}", hint)
