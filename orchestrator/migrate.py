"""First slice of the migration runner."""

from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import db, templates
from orchestrator.names import DEFAULT_SCHEMA


@dataclass(frozen=True)
class Report:
    migrations: list[str] = field(default_factory=list)
    repeatables: list[str] = field(default_factory=list)


def manifest(sql_root: Path) -> list[str]:
    path = sql_root / "manifest"
    if not path.exists():
        return []
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def migrate(
    dsn: str | None = None,
    schema: str = DEFAULT_SCHEMA,
    *,
    sql_root: Path = templates.SQL_ROOT,
    migrations_root: Path = templates.MIGRATIONS_ROOT,
) -> Report:
    with db.connect(dsn, schema=schema, application_name="migrate") as conn, db.translated_errors(), conn.transaction():
        names = conn.names
        conn.execute(templates.render("runner/roles.sql", names, root=sql_root))
        conn.execute(templates.render("runner/schemas.sql", names, root=sql_root))
        migrations = sorted(path.name for path in migrations_root.glob("[0-9]*.sql"))
        for name in migrations:
            conn.execute(templates.render(name, names, root=migrations_root))
        repeatables = manifest(sql_root)
        for name in repeatables:
            conn.execute(templates.render(name, names, root=sql_root))
    return Report(migrations, repeatables)
