"""What this program carries: the SQL of one fleet, and the order in which it is sent."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from psycopg import sql

from orchestrator import templates
from orchestrator.errors import OrchestratorError
from orchestrator.names import Names

_MIGRATION_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


class MigrationError(OrchestratorError):
    """The database cannot be migrated as it is."""

    code = "55000"  # object_not_in_prerequisite_state


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
    import jinja2  # a driver loads this module, and renders nothing

    try:
        text = templates.render(path, names, root=root, **variables)
    except jinja2.TemplateError as error:
        raise MigrationError(f"{path}: {error.message}", hint="correct the file") from error
    return File(path, text, sha256(text.encode()).hexdigest())


def opening(program: Program) -> Iterator[File]:
    """From the lock to where the history can be read."""
    for path in ("transaction.sql", "lock.sql", "roles.sql", "schemas.sql", "history.sql"):
        yield program.runner_file(path)


def change(program: Program, pending: Sequence[Migration]) -> Iterator[File]:
    yield program.runner_file("lock_tables.sql")
    yield program.runner_file("note_differences.sql")
    # Before the migrations: a column cannot change its type under a view.
    yield program.runner_file("drop_repeatables.sql")
    for migration in pending:
        yield migration.file
        yield migration_record(program, migration)
    for file in program.repeatables:
        yield file
        yield program.runner_file(
            "record_repeatable.sql", quoted_path=quoted(file.path), quoted_checksum=quoted(file.checksum)
        )
    yield program.runner_file("record_objects.sql")


def migration_record(program: Program, migration: Migration) -> File:
    return program.runner_file(
        "record_migration.sql",
        version=migration.version,
        quoted_name=quoted(migration.file.path.removesuffix(".sql")),
        quoted_checksum=quoted(migration.file.checksum),
    )


def quoted(text: str) -> str:
    return sql.Literal(text).as_string(None)
