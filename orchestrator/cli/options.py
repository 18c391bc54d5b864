"""Options that every command has, and what happens to an error on its way to the terminal.

A command looks like this:

    @click.command()
    @options.common
    def status(target: options.Target) -> None:
        with target.connect("status") as conn:
            output.rows(db.view(conn, "instances"), as_json=target.json)
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from orchestrator import db
from orchestrator.cli import output
from orchestrator.errors import OrchestratorError
from orchestrator.names import DEFAULT_SCHEMA


@dataclass(frozen=True)
class Target:
    """Which fleet a command addresses, and how it is to answer."""

    dsn: str | None
    schema: str
    json: bool

    def connect(self, application_name: str) -> db.Connection:
        return db.connect(self.dsn, schema=self.schema, application_name=application_name)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --dsn, --schema and --json as its first argument `target`, and clean errors."""

    @click.option(
        "--dsn", metavar="DSN", help="Where the database is. Also ORCHESTRATOR_DSN, or libpq's PG* variables."
    )
    @_schema_option
    @click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
    @functools.wraps(command)
    def with_target(*args: Any, dsn: str | None, schema: str, as_json: bool, **kwargs: Any) -> Any:
        with clean_errors(as_json=as_json):
            return command(Target(dsn, schema, as_json), *args, **kwargs)

    return with_target


def schema_only(command: Callable[..., Any]) -> Callable[..., Any]:
    """For a command that prints text and needs no database: --schema, and clean errors."""

    @_schema_option
    @functools.wraps(command)
    def with_schema(*args: Any, **kwargs: Any) -> Any:
        with clean_errors(as_json=False):
            return command(*args, **kwargs)

    return with_schema


@contextmanager
def clean_errors(*, as_json: bool) -> Iterator[None]:
    """Message, hint and exit status instead of a traceback."""
    try:
        yield
    except OrchestratorError as error:
        output.error(error, as_json=as_json)
        sys.exit(error.exit_code)


def _schema_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--schema",
        metavar="NAME",
        default=lambda: os.environ.get("ORCHESTRATOR_SCHEMA", DEFAULT_SCHEMA),
        show_default=DEFAULT_SCHEMA,
        help="Which fleet of the database. Also ORCHESTRATOR_SCHEMA.",
    )(command)
