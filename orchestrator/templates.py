"""The SQL files, wherever this program is installed, as jinja2 templates over the names of a fleet."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.names import Names

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = Path(__file__).parent
_INSTALLED = (_PACKAGE / "_sql").is_dir()

SQL_ROOT = _PACKAGE / "_sql" if _INSTALLED else _PACKAGE.parent / "sql"
MIGRATIONS_ROOT = _PACKAGE / "_migrations" if _INSTALLED else _PACKAGE.parent / "migrations"


def render(path: str, names: Names, *, root: Path = SQL_ROOT, **variables: object) -> str:
    """The text of one SQL file for one fleet. An unknown name in it is an error."""
    return _environment(root).get_template(path).render(**names.as_dict(), **variables)


def read(path: str) -> str:
    """The text of one SQL file that names nothing of a fleet."""
    return (SQL_ROOT / path).read_text()


@cache
def _environment(root: Path) -> Environment:
    """It keeps what it has compiled, and compiles a file that has changed again."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # most commands render nothing

    return Environment(
        loader=FileSystemLoader(root), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
