"""A script with which psql alone installs and upgrades; the SQL of the roles and of the fence."""

from collections.abc import Iterator
from pathlib import Path

from psycopg import sql

from orchestrator import templates
from orchestrator.install.program import File, Program, change, load, migration_record, opening
from orchestrator.names import DEFAULT_SCHEMA, Names


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
    """The SQL that makes a fleet's roles, for a login that may; with `login`, for that login to migrate as."""
    names = Names.for_schema(schema)
    if login is None:
        return templates.render("runner/roles.sql", names, root=sql_root)
    quoted = sql.Identifier(login).as_string(None)
    return templates.render("runner/roles_for.sql", names, root=sql_root, quoted_login=quoted)


def _script(program: Program) -> Iterator[str]:
    names = program.names
    yield f"-- Installs or upgrades the fleet {names.api}. For psql; needs nothing else:"
    yield "--     psql -X -v ON_ERROR_STOP=1 -f this-file"
    yield "-- Run it as a superuser, or as a login that may set the role of the owner."
    yield "\\set ON_ERROR_STOP on\nbegin;"
    for file in opening(program):
        yield _section(file)
    yield _section(program.runner_file("guard.sql", newest_version=program.newest_version))
    records = {migration.file: migration_record(program, migration) for migration in program.migrations}
    for file in change(program, program.migrations):
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
