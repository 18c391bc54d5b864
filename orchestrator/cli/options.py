"""Options that every command has, what is refused before anything is asked, and what happens to an error.

A command looks like this:

    @click.command()
    @options.watchable
    def health(target: options.Target) -> None:
        answer.look(target, lambda conn: db.call(conn, "health"), show)
"""

import functools
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from orchestrator import names
from orchestrator.cli import output
from orchestrator.database import db
from orchestrator.errors import BadArgument, OrchestratorError
from orchestrator.logs import log
from orchestrator.logs.log_file import ROTATIONS, Rotation
from orchestrator.names import DEFAULT_SCHEMA


class Number(click.FloatRange):
    """A number that is one: Python also reads "inf" and "nan"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


ID = click.IntRange(1, 2**63 - 1)
"""What the database numbers: streams, plans, alerts."""


@dataclass(frozen=True)
class SourceId:
    """A stream by its id in its source; without a source, the only one that has this id."""

    source: str | None
    external_id: str


class StreamType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """Our id of a stream, or SOURCE:ID, the id that its source has for it. The source may be left out."""

    name = "stream"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | SourceId:
        if isinstance(value, int | SourceId):
            return value
        source, colon, external_id = str(value).partition(":")
        if not colon:
            return ID.convert(value, param, ctx)
        if not external_id:
            self.fail(f"{value!r} names no id: SOURCE:ID, or :ID", param, ctx)
        return SourceId(source or None, external_id)


STREAM = StreamType()

INTEGER = click.IntRange(-(2**31), 2**31 - 1)
"""Any integer that the database can read; whether it will do is for it to say."""

COUNT = click.IntRange(1, 1_000_000)
"""At most so many rows."""

EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Target:
    """Which fleet a command addresses, and how it is to answer. `watch`: again and again, every so many seconds."""

    dsn: str | None
    schema: str
    json: bool
    watch: float | None = None

    def connect(
        self, application_name: str | None = None, *, timeouts: db.Timeouts = db.STANDARD_TIMEOUTS
    ) -> db.Connection:
        """Connect, under the command's own name for those who look at sessions."""
        return db.connect(
            self.dsn, schema=self.schema, application_name=application_name or command_name(), timeouts=timeouts
        )


def command_name() -> str:
    """Such as "instance drain"."""
    ctx: click.Context | None = click.get_current_context()
    words: list[str] = []
    while ctx is not None and (ctx.parent is not None or not words):
        words.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(words)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --dsn, --schema and --json as its first argument `target`, and clean errors."""

    @click.option(
        "--dsn",
        metavar="DSN",
        callback=_readable_dsn,
        help="Where the database is. Also ORCHESTRATOR_DSN, or libpq's PG* variables.",
    )
    @_schema_option
    @click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
    @functools.wraps(command)
    def with_target(*args: Any, dsn: str | None, schema: str, as_json: bool, **kwargs: Any) -> Any:
        _refuse_what_no_database_can_read()
        with clean_errors(as_json=as_json):
            return command(Target(dsn, schema, as_json, kwargs.pop("watch", None)), *args, **kwargs)

    return with_target


def watchable(command: Callable[..., Any]) -> Callable[..., Any]:
    """`common` for a command that only looks, and at what changes by itself: --watch too."""
    return click.option(
        "--watch",
        metavar="[SECONDS]",
        is_flag=False,
        flag_value=str(EVERY_SECONDS),
        type=Number(min=0.1, max=86400),
        help=f"Again and again until Ctrl-C, every {EVERY_SECONDS:g} seconds unless said otherwise.",
    )(common(command))


def log_to(file: Path | None, rotation: Rotation, *, as_json: bool) -> None:
    """Where a program that stays says what it does."""
    try:
        log.set_up(file=file, as_json=as_json or None, rotation=rotation)
    except OSError as error:
        raise click.BadParameter(f"cannot be written: {error.strerror}", param_hint="--log-file") from error


def schema_only(command: Callable[..., Any]) -> Callable[..., Any]:
    """For a command that prints text and needs no database: --schema, and clean errors."""

    @_schema_option
    @functools.wraps(command)
    def with_schema(*args: Any, **kwargs: Any) -> Any:
        _refuse_what_no_database_can_read()
        with clean_errors(as_json=False):
            return command(*args, **kwargs)

    return with_schema


def logs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that runs for long --log-file and --log-rotation as `log_file` and `log_rotation`."""
    for option in (
        click.option(
            "--log-rotation",
            envvar="LOG_ROTATION",
            type=click.Choice(ROTATIONS),
            default="size",
            show_default=True,
            help="A new log file at 100 MB, or each day; 7 are kept. Also LOG_ROTATION.",
        ),
        click.option(
            "--log-file",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Log to this file, which is this process's own, instead of standard error.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def clean_errors(*, as_json: bool) -> Iterator[None]:
    """Message, hint and exit status instead of a traceback."""
    try:
        yield
    except OrchestratorError as error:
        output.error(error, as_json=as_json)
        sys.exit(error.exit_code)


def _refuse_what_no_database_can_read() -> None:
    """Bytes that are no text, and what is empty, are wrong usage, with the name of what is wrong."""
    ctx = click.get_current_context()
    for param in ctx.command.params:
        given = ctx.params.get(param.name or "")
        for value in given if isinstance(given, tuple) else [given]:
            if not isinstance(value, str):
                continue
            if not value:
                raise click.BadParameter("it is empty", ctx, param)
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise click.BadParameter(f"{value!r} is not text in UTF-8", ctx, param)


def _readable_dsn(ctx: click.Context, _param: click.Parameter, given: str | None) -> str | None:
    if given and not ctx.resilient_parsing:
        try:
            db.complete_dsn(given, application_name="")
        except BadArgument as error:
            raise click.BadParameter(f"{error.message}; {error.hint}") from None
    return given


def _usable_schema(ctx: click.Context, _param: click.Parameter, given: str) -> str:
    if not ctx.resilient_parsing:
        try:
            names.Names.for_schema(given)
        except BadArgument as error:
            raise click.BadParameter(f"{error.message}; {error.hint}") from None
    return given


def _schema_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--schema",
        metavar="NAME",
        default=lambda: os.environ.get("ORCHESTRATOR_SCHEMA") or DEFAULT_SCHEMA,
        show_default=DEFAULT_SCHEMA,
        callback=_usable_schema,
        help="Which fleet of the database. Also ORCHESTRATOR_SCHEMA.",
    )(command)
