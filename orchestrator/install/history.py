"""What the database says was applied to it, and what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.database import db
from orchestrator.install.program import Migration, MigrationError, Program
from orchestrator.install.session import execute


class Drift(MigrationError):
    """What was applied is not what this program carries."""

    exit_code = 4


@dataclass(frozen=True)
class Applied:
    """A migration that the database has seen."""

    version: int
    name: str
    checksum: str
    applied_at: datetime
    applied_by: str


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


def make_plan(program: Program, history: History) -> Plan:
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


def require_applicable(program: Program, plan: Plan) -> None:
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


def read_history(conn: db.Connection, program: Program) -> History:
    migrations = execute(conn, program.runner_file("applied_migrations.sql")).fetchall()
    repeatables = execute(conn, program.runner_file("applied_repeatables.sql")).fetchall()
    other = execute(conn, program.runner_file("other_server.sql")).fetchone()
    return History(
        migrations=[Applied(**row) for row in migrations],
        repeatables=tuple((row["path"], row["checksum"]) for row in repeatables),
        on_another_server=bool(other and other["is_another"]),
    )
