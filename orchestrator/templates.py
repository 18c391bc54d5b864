"""The SQL files, wherever this program is installed, as jinja2 templates over the names of a fleet."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.names import Names

_PACKAGE = Path(__file__).parent
_INSTALLED = (_PACKAGE / "_sql").is_dir()

SQL_ROOT = _PACKAGE / "_sql" if _INSTALLED else _PACKAGE.parent / "sql"
MIGRATIONS_ROOT = _PACKAGE / "_migrations" if _INSTALLED else _PACKAGE.parent / "migrations"


def render(path: str, names: Names, *, root: Path = SQL_ROOT, **variables: object) -> str:
    """The text of one SQL file for one fleet. An unknown name in it is an error."""
    environment = Environment(
        loader=FileSystemLoader(root), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    return environment.get_template(path).render(**names.as_dict(), **variables)
