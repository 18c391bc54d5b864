"""What people see while the demo runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self, TextIO

import click
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.lab.fleet import Snapshot

# A plain line at least so often, and whenever something happens.
QUIET_SECONDS = 5.0
# The bar of an instance that hears as many streams as it may.
BAR = 40


class Display(Protocol):
    """Where the demo shows itself."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def say(self, text: str) -> None:
        """Something happened."""

    def show(self, snapshot: Snapshot | None) -> None:
        """This is how it is now; None while the database is away."""


class Plain:
    """Lines with the seconds since the beginning."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._last = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.flush()

    def say(self, text: str) -> None:
        click.echo(f"{time.monotonic() - self._began:6.1f} s  {text}", file=self._stream)

    def show(self, snapshot: Snapshot | None) -> None:
        line = self._line(snapshot)
        last, at = self._last
        if line != last or time.monotonic() - at > QUIET_SECONDS:
            self._last = (line, time.monotonic())
            self.say(f"  {line}")

    @staticmethod
    def _line(snapshot: Snapshot | None) -> str:
        if snapshot is None:
            return "the database is away"
        heard = ", ".join(f"{name} {count}" for name, count in sorted(snapshot.heard_by.items()))
        return f"heard {snapshot.stations_heard} of {snapshot.stations}" + (f" ({heard})" if heard else "")


class Lively:
    """A table that is redrawn in place, below what has happened."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._began = time.monotonic()
        self._act = ""

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def say(self, text: str) -> None:
        self._act = text
        self._console.print(Text(f"{time.monotonic() - self._began:6.1f} s  {text}"))

    def show(self, snapshot: Snapshot | None) -> None:
        self._live.update(self._away() if snapshot is None else self._table(snapshot), refresh=True)

    @staticmethod
    def _away() -> Text:
        return Text("the database is away; the workers listen on", style="yellow")

    @staticmethod
    def _table(snapshot: Snapshot) -> Group:
        table = Table("instance", "status", "streams", "heard", "", box=box.SIMPLE_HEAD)
        for instance in snapshot.instances:
            heard = snapshot.heard_by.get(instance.instance_id, 0)
            table.add_row(
                instance.instance_id,
                instance.status,
                f"{instance.streams} of {instance.max_streams}",
                str(heard),
                Text("█" * round(BAR * heard / instance.max_streams), style="green"),
                style="" if instance.status == "active" else "dim",
            )
        style = "bold green" if snapshot.all_heard else "bold red"
        return Group(
            table,
            Text(f"heard {snapshot.stations_heard} of {snapshot.stations} stations", style=style),
            Text(
                f"{snapshot.seconds_written} seconds of audio in the ledger, {snapshot.writes_refused} writes refused",
                style="dim",
            ),
        )


def choose(*, as_json: bool) -> Display:
    """The live table on a terminal; plain lines elsewhere, and on standard error when the answer is JSON."""
    if as_json:
        return Plain(sys.stderr)
    return Lively() if sys.stdout.isatty() else Plain(sys.stdout)
