"""Installs and upgrades a fleet's schemas: numbered migrations for tables, repeatable files for everything else.

A migration runs once and is never edited afterwards. Repeatable files hold the present text of functions, views,
triggers, data and grants; when one of them changes, all of them are applied again, in the order of `sql/manifest`.
Each run is one transaction. docs/internals/decisions/0001-migration-runner.md says why it is like this.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast

import jinja2
import psycopg
from psycopg import sql

from orchestrator import progress, templates
from orchestrator.database import db
from orchestrator.database.retry import Round, is_contention, is_retryable
from orchestrator.errors import (
    Cancelled,
    Contention,
    OrchestratorError,
    OutOfResources,
    from_database,
)
from orchestrator.names import DEFAULT_SCHEMA, Names

OLDEST_SERVER = 150000

_MIGRATION_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_NO_LIMIT = db.Timeouts(statement_timeout=0, transaction_timeout=0)
# Two programs that touch the same row of the catalog at once: "tuple concurrently updated" has no code of its own.
_INTERNAL_ERROR = "XX000"


class MigrationError(OrchestratorError):
    """The database cannot be migrated as it is."""

    code = "55000"  # object_not_in_prerequisite_state


class Drift(MigrationError):
    """What was applied is not what this program carries."""

    exit_code = 4


class MigrationBlocked(Contention):
    """Somebody held a lock for as long as the runner was willing to try."""


@dataclass(frozen=True)
class File:
    """A SQL file as it is sent to the server."""

    path: str
    text: str
    checksum: str


@dataclass(frozen=True)
class Migration:
    version: int
    file: File


@dataclass(frozen=True)
class Applied:
    """A migration that the database has seen."""

    version: int
    name: str
    checksum: str
    applied_at: datetime
    applied_by: str


@dataclass(frozen=True)
class Program:
    """What this program carries: all SQL of one fleet."""

    names: Names
    sql_root: Path
    migrations: Sequence[Migration]
    repeatables: Sequence[File]

    @property
    def newest_version(self) -> int:
        return max((migration.version for migration in self.migrations), default=0)

    def runner_file(self, path: str, **variables: object) -> File:
        return _file(f"runner/{path}", self.names, self.sql_root, **variables)


@dataclass(frozen=True)
class History:
    """What the database says was applied to it."""

    migrations: Sequence[Applied] = ()
    repeatables: tuple[tuple[str, str], ...] = ()
    on_another_server: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be done to a database so that it is what the program carries."""

    pending: Sequence[Migration]
    changed: Sequence[str]
    removed: Sequence[str]
    edited: Sequence[Applied]
    unknown: Sequence[Applied]
    newest_applied: int
    on_another_server: bool

    @property
    def is_empty(self) -> bool:
        return not (self.pending or self.changed or self.removed or self.on_another_server)


@dataclass(frozen=True)
class Report:
    """What a migration did."""

    schema: str
    migrations: Sequence[str]
    repeatables: Sequence[str]
    seconds: float
    attempts: int

    @property
    def nothing_to_do(self) -> bool:
        return not (self.migrations or self.repeatables)


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


@dataclass(frozen=True)
class _Facts:
    server_version: int
    database_name: str
    login: str
    installed: bool
    missing_roles: list[str]
    may_create_roles: bool
    is_owner: bool


def migrate(
    dsn: str | None = None,
    schema: str = DEFAULT_SCHEMA,
    *,
    repair: bool = False,
    patience: float = 60.0,
    tell: progress.Tell = progress.to_nobody,
    sql_root: Path = templates.SQL_ROOT,
    migrations_root: Path = templates.MIGRATIONS_ROOT,
) -> Report:
    """Bring a database up to this program, in one transaction.

    Waits for a lock so shortly that nobody queues behind it for long, and tries again for `patience` seconds.
    With `repair`, the repeatable files are applied even when none of them changed. `tell` hears of each file.

    Raises:
        MigrationError: the server is too old, the database is newer than the program, or roles are missing.
        Drift: a migration was edited after it had been applied here.
        MigrationBlocked: others held locks for all the time.
    """
    program = load(Names.for_schema(schema), sql_root, migrations_root)
    started = time.monotonic()
    attempts = 0

    def once() -> Plan:
        nonlocal attempts
        attempts += 1
        return _migrate_once(conn, program, repair=repair, tell=tell)

    with db.connect(dsn, schema=schema, application_name="migrate", timeouts=_NO_LIMIT) as conn:
        try:
            plan = Round(within=patience, first_wait=0.25, longest_wait=8, worth=_is_contention).run(once)
        except OrchestratorError as error:
            if not _is_contention(error):
                raise
            raise _blocked(conn, program, error, patience) from error
    return Report(
        schema=schema,
        migrations=[migration.file.path for migration in plan.pending],
        repeatables=[] if plan.is_empty and not repair else [file.path for file in program.repeatables],
        seconds=round(time.monotonic() - started, 3),
        attempts=attempts,
    )


def status(
    dsn: str | None = None,
    schema: str = DEFAULT_SCHEMA,
    *,
    sql_root: Path = templates.SQL_ROOT,
    migrations_root: Path = templates.MIGRATIONS_ROOT,
) -> Status:
    """What is installed, and what is pending."""
    program = load(Names.for_schema(schema), sql_root, migrations_root)
    with _reading(dsn, program) as (conn, facts):
        history = _history(conn, program) if facts.installed else History()
    plan = _plan(program, history)
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
    with _reading(dsn, program) as (conn, facts):
        if not facts.installed:
            return [Finding("pending", f"schema {schema} is not installed", "run: orchestrator db migrate")]
        history = _history(conn, program)
        differences = _execute(conn, program.runner_file("drift.sql")).fetchall()
    return [*_findings_in_history(program, history), *_findings_in_catalog(program, differences)]


def render(
    schema: str = DEFAULT_SCHEMA,
    *,
    sql_root: Path = templates.SQL_ROOT,
    migrations_root: Path = templates.MIGRATIONS_ROOT,
) -> str:
    """A script with which psql alone does what `migrate` does: installs, upgrades, and may be run again."""
    program = load(Names.for_schema(schema), sql_root, migrations_root)
    return "\n".join(_script(program))


def render_fence(fence: str = "orchestrator_fence", *, sql_root: Path = templates.SQL_ROOT) -> str:
    """The fence for a database of results."""
    return templates.render("fence/fence.sql", Names.for_schema(), root=sql_root, fence=fence)


def roles(schema: str = DEFAULT_SCHEMA, *, login: str | None = None, sql_root: Path = templates.SQL_ROOT) -> str:
    """The SQL that makes a fleet's roles, for somebody who may; with `login`, for that login to migrate as."""
    names = Names.for_schema(schema)
    if login is None:
        return templates.render("runner/roles.sql", names, root=sql_root)
    quoted = sql.Identifier(login).as_string(None)
    return templates.render("runner/roles_for.sql", names, root=sql_root, quoted_login=quoted)


def load(names: Names, sql_root: Path, migrations_root: Path) -> Program:
    """Read and render all SQL files.

    Raises:
        MigrationError: two migrations have one number, a name is not NNNN_name.sql, or the manifest names no file.
    """
    migrations: dict[int, Migration] = {}
    for path in sorted(migrations_root.glob("*.sql")):
        match = _MIGRATION_NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not the name of a migration", hint="call it NNNN_what_it_does.sql")
        version = int(match[1])
        if version in migrations:
            raise MigrationError(
                f"{path.name} and {migrations[version].file.path} have the same number", hint="renumber the later one"
            )
        migrations[version] = Migration(version, _file(path.name, names, migrations_root))
    return Program(
        names=names,
        sql_root=sql_root,
        migrations=list(migrations.values()),
        repeatables=[_file(path, names, sql_root) for path in _manifest(sql_root)],
    )


def _manifest(sql_root: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (sql_root / "manifest").read_text().splitlines())
    paths = [line for line in lines if line]
    for path in paths:
        if not (sql_root / path).is_file():
            raise MigrationError(f"the manifest names {path}, which does not exist", hint="correct sql/manifest")
    return paths


def _file(path: str, names: Names, root: Path, **variables: object) -> File:
    try:
        text = templates.render(path, names, root=root, **variables)
    except jinja2.TemplateError as error:
        raise MigrationError(f"{path}: {error.message}", hint="correct the file") from error
    return File(path, text, sha256(text.encode()).hexdigest())


def _migrate_once(conn: db.Connection, program: Program, *, repair: bool, tell: progress.Tell) -> Plan:
    """One attempt. All or nothing; nothing to do takes no lock at all."""
    with _read_transaction(conn, program) as facts:
        _require_server(facts)
        plan = _plan(program, _history(conn, program) if facts.installed and facts.is_owner else History())
    if facts.installed and facts.is_owner:
        _require_applicable(program, plan)
        if plan.is_empty and not repair:
            return plan
    _require_roles(program, facts)
    with conn.transaction():
        for file in _opening(program):
            _execute(conn, file)
        # Somebody else may have migrated while this one waited for the lock.
        plan = _plan(program, _history(conn, program))
        _require_applicable(program, plan)
        if plan.is_empty and not repair:
            return plan
        files = list(_change(program, plan.pending))
        for done, file in enumerate(files):
            tell(done, len(files))
            _execute(conn, file)
    return plan


def _opening(program: Program) -> Iterator[File]:
    """From the lock to where the history can be read."""
    for path in ("transaction.sql", "lock.sql", "roles.sql", "schemas.sql", "history.sql"):
        yield program.runner_file(path)


def _change(program: Program, pending: Sequence[Migration]) -> Iterator[File]:
    yield program.runner_file("note_differences.sql")
    # Before the migrations: a column cannot change its type under a view.
    yield program.runner_file("drop_repeatables.sql")
    for migration in pending:
        yield migration.file
        yield _migration_record(program, migration)
    for file in program.repeatables:
        yield file
        yield program.runner_file(
            "record_repeatable.sql", quoted_path=_quoted(file.path), quoted_checksum=_quoted(file.checksum)
        )
    yield program.runner_file("record_objects.sql")


def _migration_record(program: Program, migration: Migration) -> File:
    return program.runner_file(
        "record_migration.sql",
        version=migration.version,
        quoted_name=_quoted(migration.file.path.removesuffix(".sql")),
        quoted_checksum=_quoted(migration.file.checksum),
    )


def _script(program: Program) -> Iterator[str]:
    names = program.names
    yield f"-- Installs or upgrades the fleet {names.api}. For psql; needs nothing else:"
    yield "--     psql -X -v ON_ERROR_STOP=1 -f this-file"
    yield "-- Run it as a superuser, or as a login that may set the role of the owner."
    yield "\\set ON_ERROR_STOP on\nbegin;"
    for file in _opening(program):
        yield _section(file)
    yield _section(program.runner_file("guard.sql", newest_version=program.newest_version))
    records = {migration.file: _migration_record(program, migration) for migration in program.migrations}
    for file in _change(program, program.migrations):
        if file in records.values():
            continue
        if file not in records:
            yield _section(file)
            continue
        migration = next(migration for migration in program.migrations if migration.file is file)
        yield program.runner_file("is_pending.sql", version=migration.version).text.rstrip() + " \\gset"
        yield f"\\if :is_pending\n{_section(file)}\n{records[file].text.rstrip()}\n\\endif"
    yield "commit;\n"


def _section(file: File) -> str:
    text = file.text.rstrip()
    return f"\n-- ---- {file.path} ----\n{text}" + ("" if text.endswith(";") else ";")


def _quoted(text: str) -> str:
    return sql.Literal(text).as_string(None)


def _plan(program: Program, history: History) -> Plan:
    applied = {migration.version: migration for migration in history.migrations}
    carried = {migration.version: migration for migration in program.migrations}
    repeatables = dict(history.repeatables)
    return Plan(
        pending=[migration for migration in program.migrations if migration.version not in applied],
        changed=[file.path for file in program.repeatables if repeatables.get(file.path) != file.checksum],
        removed=sorted(repeatables.keys() - {file.path for file in program.repeatables}),
        edited=[
            migration
            for migration in history.migrations
            if migration.version in carried and carried[migration.version].file.checksum != migration.checksum
        ],
        unknown=[migration for migration in history.migrations if migration.version not in carried],
        newest_applied=max(applied, default=0),
        on_another_server=history.on_another_server,
    )


def _require_server(facts: _Facts) -> None:
    if facts.server_version < OLDEST_SERVER:
        raise MigrationError(
            f"the server is PostgreSQL {_release(facts.server_version)}; 15 is the oldest that works",
            hint="upgrade the server; 15 to 18 are supported",
        )


def _require_roles(program: Program, facts: _Facts) -> None:
    by_hand = (
        f"let somebody who may run: orchestrator db roles --schema {program.names.api} --login {facts.login} | psql"
    )
    if facts.missing_roles and not facts.may_create_roles:
        raise MigrationError(
            f"{facts.login} may not create the roles {', '.join(facts.missing_roles)}",
            detail={"missing_roles": facts.missing_roles, "login": facts.login},
            hint=by_hand,
        )
    if not facts.missing_roles and not facts.is_owner and not facts.may_create_roles:
        raise MigrationError(
            f"{facts.login} may not act as {program.names.owner}, which owns the fleet",
            detail={"owner": program.names.owner, "login": facts.login},
            hint=by_hand,
        )


def _require_applicable(program: Program, plan: Plan) -> None:
    """Refuse to touch a database whose history is not the beginning of this program's."""
    newer = [applied for applied in plan.unknown if applied.version > program.newest_version]
    if newer:
        raise MigrationError(
            f"the database has migration {newer[-1].name}, which this program does not know; "
            f"its own newest is {program.newest_version:04}",
            detail={"newer": [applied.name for applied in newer]},
            hint="use the newer release of the program",
        )
    if plan.edited:
        raise Drift(
            f"migration {plan.edited[0].name} was edited after it had been applied here",
            detail={"edited": [applied.name for applied in plan.edited]},
            hint="restore the file; put the change into a new migration",
        )
    late = [migration for migration in plan.pending if migration.version < plan.newest_applied]
    if late:
        raise MigrationError(
            f"{late[0].file.path.removesuffix('.sql')} comes too late", hint="renumber it after those that are applied"
        )


def _findings_in_history(program: Program, history: History) -> Iterator[Finding]:
    plan = _plan(program, history)
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


@contextmanager
def _reading(dsn: str | None, program: Program) -> Iterator[tuple[db.Connection, _Facts]]:
    """A transaction that may read the history; refused when the login may not."""
    with (
        db.connect(dsn, schema=program.names.api, application_name="migrate") as conn,
        _read_transaction(conn, program) as facts,
    ):
        _require_server(facts)
        if facts.installed and not facts.is_owner:
            raise MigrationError(
                f"{facts.login} may not read the history of migrations",
                hint=f"use a superuser, or a login that is a member of {program.names.owner}",
            )
        yield conn, facts


@contextmanager
def _read_transaction(conn: db.Connection, program: Program) -> Iterator[_Facts]:
    with conn.transaction():
        _execute(conn, program.runner_file("transaction.sql"))
        row = _execute(conn, program.runner_file("facts.sql")).fetchone()
        assert row is not None
        facts = _Facts(**row)
        if facts.is_owner:
            conn.execute(sql.SQL("set local role {}").format(sql.Identifier(program.names.owner)))
        yield facts


def _history(conn: db.Connection, program: Program) -> History:
    migrations = _execute(conn, program.runner_file("applied_migrations.sql")).fetchall()
    repeatables = _execute(conn, program.runner_file("applied_repeatables.sql")).fetchall()
    other = _execute(conn, program.runner_file("other_server.sql")).fetchone()
    return History(
        migrations=[Applied(**row) for row in migrations],
        repeatables=tuple((row["path"], row["checksum"]) for row in repeatables),
        on_another_server=bool(other and other["is_another"]),
    )


def _execute(conn: db.Connection, file: File) -> psycopg.Cursor[db.Row]:
    """Send a whole file at once; an error says in which line of it."""
    try:
        return conn.execute(cast(Any, file.text))
    except psycopg.Error as raised:
        error = from_database(raised)
        if is_retryable(error) or raised.sqlstate == _INTERNAL_ERROR:
            raise error from raised
        position = raised.diag.statement_position
        line = file.text.count("\n", 0, int(position)) + 1 if position else None
        place = f"{file.path}:{line}" if line else file.path
        raise MigrationError(
            f"{place}: {error.message}", code=error.code, detail=error.detail, hint=error.hint
        ) from raised


def _is_contention(error: BaseException) -> bool:
    """Others were in the way: their locks, or their changes of the same rows of the catalog."""
    if isinstance(error, Cancelled | OutOfResources):
        return False  # ended by somebody, or by what the server lacks
    return is_contention(error) or (isinstance(error, OrchestratorError) and error.code == _INTERNAL_ERROR)


def _blocked(conn: db.Connection, program: Program, error: OrchestratorError, patience: float) -> MigrationBlocked:
    blockers: list[db.Row] = []
    if not conn.closed:
        blockers = _execute(conn, program.runner_file("blockers.sql")).fetchall()
    described = "; ".join(
        f"pid {row['pid']} ({row['login']}, {row['program'] or 'unnamed'}, {row['state']}, since {row['since']})"
        for row in blockers
    )
    return MigrationBlocked(
        f"others held locks for {patience:.0f} s; nothing was changed",
        code=error.code,
        detail={"blockers": [dict(row) for row in blockers]},
        hint=f"end the long transactions, then try again{': ' + described if described else ''}",
    )


def _release(server_version: int) -> str:
    return f"{server_version // 10000}.{server_version % 10000}"
