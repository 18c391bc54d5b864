"""Installs and upgrades a fleet's schemas: numbered migrations for tables, repeatable files for everything else.

A migration runs once and is never edited afterwards. Repeatable files hold the present text of functions, views,
triggers, data and grants; when one of them changes, all of them are applied again, in the order of `sql/manifest`.
Each run is one transaction. docs/internals/decisions/0001-migration-runner.md says why it is like this.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import progress, templates
from orchestrator.database import db
from orchestrator.database.retry import Round, is_contention
from orchestrator.errors import Cancelled, Contention, OrchestratorError, OutOfResources
from orchestrator.install.history import History, Plan, make_plan, read_history, require_applicable
from orchestrator.install.program import Program, change, load, opening
from orchestrator.install.session import execute, is_concurrent_change, read_transaction, require_roles, require_server
from orchestrator.names import DEFAULT_SCHEMA, Names

_NO_LIMIT = db.Timeouts(statement_timeout=0, transaction_timeout=0)


class MigrationBlocked(Contention):
    """Another session held a lock for as long as the runner was willing to try."""


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

    Waits for a lock so shortly that no session queues behind it for long, and tries again for `patience` seconds.
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


def _migrate_once(conn: db.Connection, program: Program, *, repair: bool, tell: progress.Tell) -> Plan:
    """One attempt. All or nothing; nothing to do takes no lock at all."""
    with read_transaction(conn, program) as facts:
        require_server(facts)
        plan = make_plan(program, read_history(conn, program) if facts.installed and facts.is_owner else History())
    if facts.installed and facts.is_owner:
        require_applicable(program, plan)
        if plan.is_empty and not repair:
            return plan
    require_roles(program, facts)
    with conn.transaction():
        for file in opening(program):
            execute(conn, file)
        # Another process may have migrated while this one waited for the lock.
        plan = make_plan(program, read_history(conn, program))
        require_applicable(program, plan)
        if plan.is_empty and not repair:
            return plan
        files = list(change(program, plan.pending))
        for done, file in enumerate(files):
            tell(done, len(files))
            execute(conn, file)
    return plan


def _is_contention(error: BaseException) -> bool:
    """Others were in the way: their locks, or their changes of the same rows of the catalog."""
    if isinstance(error, Cancelled | OutOfResources):
        return False  # ended by an administrator, or by what the server lacks
    return is_contention(error) or (isinstance(error, OrchestratorError) and is_concurrent_change(error))


def _blocked(conn: db.Connection, program: Program, error: OrchestratorError, patience: float) -> MigrationBlocked:
    blockers: list[db.Row] = []
    if not conn.closed:
        blockers = execute(conn, program.runner_file("blockers.sql")).fetchall()
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
