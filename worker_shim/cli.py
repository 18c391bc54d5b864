"""`worker-shim run`: a program per stream, for workers that are not written in Python."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from orchestrator import process_list
from orchestrator.logs import log
from orchestrator.logs.log_file import ROTATIONS, LogFileInUse, Rotation
from worker_shim.arguments import A_YEAR
from worker_shim.connection import Refused
from worker_shim.handlers import program
from worker_shim.many import run_workers
from worker_shim.worker import Worker

CATEGORIES: dict[str, log.Category] = {
    "assignments": "STREAM",
    "beats": "INSTANCE",
    "calls": "DATABASE",
    "connection": "DATABASE",
    "context": "STREAM",
    "departure": "INSTANCE",
    "handlers": "STREAM",
    "host_streams": "STREAM",
    "isolation": "INSTANCE",
    "many": "INSTANCE",
    "protocol": "INSTANCE",
    "resilient_worker_client": "INSTANCE",
    "retry": "DATABASE",
    "supervisor": "STREAM",
    "worker": "INSTANCE",
}
"""Under which the lines of each module are found in a log."""


class Seconds(click.FloatRange):
    """A time that passes: Python also reads "inf" and "nan"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not seconds <= A_YEAR:
            self.fail(f"{value!r} is no number of seconds within a year.", param, ctx)
        return seconds


class OneName(click.types.StringParamType):
    """A text; in a variable of the environment it is one, too, where click would split it at spaces."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [rv]


def categorize(record: logging.LogRecord) -> log.Category:
    """The category of a line; lines that are not the shim's own are a handler's."""
    return CATEGORIES.get(record.module, "ERROR") if record.name == "worker_shim" else "STREAM"


@contextlib.contextmanager
def exit_when_refused() -> Iterator[None]:
    """Say why the orchestrator refuses this worker, or why its log cannot be written, and exit with status 1."""
    try:
        yield
    except (Refused, LogFileInUse) as error:
        click.echo(f"worker-shim: {error}", err=True)
        if error.detail:
            click.echo(f"detail: {error.detail}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Put a program into the fleet."""
    process_list.hide_password()


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete options, as in: eval "$(worker-shim completion bash)"."""
    shell_class = get_completion_class(shell)
    assert shell_class is not None
    click.echo(shell_class(main, {}, "worker-shim", "_WORKER_SHIM_COMPLETE").source())


@main.command()
@click.option(
    "--instance-id",
    "instance_ids",
    required=True,
    multiple=True,
    type=OneName(),
    envvar=["INSTANCE_ID", "SERVER_ID"],
    help="Name of this worker. Repeated: several workers in one process, over one connection.",
)
@click.option("--max-streams", required=True, envvar="MAX_STREAMS", type=click.IntRange(1, 1000), help="Most at once.")
@click.option(
    "--exec",
    "command",
    required=True,
    help="Program to run per stream; {url} {stream_id} {epoch} {name} are filled in. No shell is involved. "
    "Its environment holds the same as STREAM_URL and so on, which the process list does not show.",
)
@click.option("--dsn", envvar="ORCHESTRATOR_DSN", default="", help="The orchestrator's database; else libpq's PG*.")
@click.option("--schema", envvar="ORCHESTRATOR_SCHEMA", default="orchestrator", show_default=True)
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    default=["audio_fingerprinting"],
    show_default=True,
    help="May be repeated.",
)
@click.option("--version", help="Version of the program, shown to operators.")
@click.option("--location", envvar="LOCATION", help="Region of this worker.")
@click.option("--host", envvar="WORKER_HOST", help="Name of its machine; a container does not know it by itself.")
@click.option(
    "--on-exit",
    type=click.Choice(["drain", "suspend", "leave"]),
    default="drain",
    show_default=True,
    help="What SIGTERM does: hand over first; keep the streams for a restart; go at once.",
)
@click.option(
    "--on-isolation",
    type=click.Choice(["continue", "stop"]),
    default="continue",
    show_default=True,
    help="While the database is away: go on, or stop before the lease is over.",
)
@click.option("--lease", type=Seconds(min=1), help="Seconds of silence before this worker counts as lost.")
@click.option("--drain-timeout", type=Seconds(min=0), default=60, show_default=True, help="Seconds.")
@click.option("--suspend-for", type=Seconds(min=1), default=120, show_default=True, help="Seconds.")
@click.option(
    "--stop-timeout",
    type=Seconds(min=0),
    default=10,
    show_default=True,
    help="Seconds from SIGTERM to SIGKILL.",
)
@click.option(
    "--progress-from-output",
    is_flag=True,
    help="What a program writes to its standard output is progress; one that is silent for long counts as stalled.",
)
@click.option("--network-timeout", type=Seconds(min=1), default=30, show_default=True, help="Seconds.")
@click.option("--listen/--no-listen", default=True, show_default=True, help="For notifications; else beats ask.")
@click.option(
    "--poll-interval",
    type=Seconds(min=0.1),
    default=2,
    show_default=True,
    help="Seconds between beats with --no-listen, and behind a pooler.",
)
@click.option("--wait-for-id", type=Seconds(min=0), default=0, show_default=True, help="Seconds.")
@click.option(
    "--log-level",
    envvar="LOG_LEVEL",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False),
    default="INFO",
    show_default=True,
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Log to this file, which is this process's own, instead of standard error.",
)
@click.option(
    "--log-rotation",
    envvar="LOG_ROTATION",
    type=click.Choice(ROTATIONS),
    default="size",
    show_default=True,
    help="A new log file at 100 MB, or each day; 7 are kept.",
)
def run(
    command: str,
    instance_ids: tuple[str, ...],
    log_level: str,
    log_file: Path | None,
    log_rotation: Rotation,
    progress_from_output: bool,
    **options: Any,
) -> None:
    """Run a program for each stream that this worker is given, until SIGTERM.

    The log is lines of key=value, or JSON with LOG_FORMAT=json.
    """
    try:
        with exit_when_refused():
            log.set_up(name="worker_shim", level=log_level, file=log_file, rotation=log_rotation, categorize=categorize)
            stops = options["on_isolation"] == "stop"
            handler = program(command, options["stop_timeout"], progress_from_output, killed_with_worker=stops)
            run_workers([Worker(instance_id=each, handler=handler, **options) for each in instance_ids])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.BadParameter(f"cannot be written: {error.strerror}", param_hint="--log-file") from error
