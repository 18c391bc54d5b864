"""--watch: a page that is read again and again, and stays on the screen while the database is away."""

import io
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import click

from orchestrator.cli import output
from orchestrator.database import db
from orchestrator.database.retry import Round, is_retryable
from orchestrator.errors import OrchestratorError
from orchestrator.redact import one_line

Page = TypeVar("Page")

TIMEOUTS = db.Timeouts(statement_timeout=10, transaction_timeout=10, network_timeout=5)
"""A page that takes longer is no live one; a person waits for it."""

_TICK = 4  # times a second, on a terminal: how old the picture is


def watch(
    connect: Callable[[], db.Connection],
    read: Callable[[db.Connection], Page],
    show: Callable[[Page], None],
    *,
    title: str,
    every: float,
    as_json: bool,
) -> None:
    """Show a page every so many seconds until Ctrl-C.

    What may pass (a lost connection, a server that starts, a lock) keeps the last picture, marked as old, and it goes
    on by itself: a round of three tries (R5.1), again and again. Anything else ends it as it would end the command.
    """
    reader = _Reader(connect, read)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the screen has to be put back
    interrupt = _Interrupt()
    try:
        if as_json:
            _print_each(reader, lambda page: output.as_json_text(page, one_line=True), every, interrupt, as_json=True)
        elif not output.is_terminal() or not _watch_on_terminal(reader, show, title, every, interrupt):
            _print_each(reader, _and_an_empty_line(show), every, interrupt, as_json=False)
    except KeyboardInterrupt:
        pass  # which is how it ends
    finally:
        reader.close()


class _Interrupt:
    """Whether Ctrl-C was pressed, which interrupts what runs as ever. Where that goes unheard (Python ignores what is
    raised while it tidies up), the watch ends with its next page. A shell that starts this in the background would have
    SIGINT ignored.

    A plain flag: the handler runs between any two steps of this thread, so a lock that it took (as an Event does) might
    be one that the thread holds already."""

    came = False

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt


def _and_an_empty_line(show: Callable[[Page], None]) -> Callable[[Page], None]:
    def show_page(page: Page) -> None:
        show(page)
        click.echo()

    return show_page


class _Reader:
    """Reads pages over one connection, which is made anew when it is lost."""

    def __init__(self, connect: Callable[[], db.Connection], read: Callable[[db.Connection], Any]) -> None:
        self._connect = connect
        self._read = read
        self._conn: db.Connection | None = None

    def page(self) -> Any:
        return Round().run(self._once)

    def _once(self) -> Any:
        if self._conn is None or self._conn.closed:
            self._conn = self._connect()
        return self._read(self._conn)

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()


def _print_each(
    reader: _Reader, show: Callable[[Any], object], every: float, interrupt: _Interrupt, *, as_json: bool
) -> None:
    """For a pipe: page after page; an error is told on standard error in between."""
    while not interrupt.came:
        try:
            page = reader.page()
        except OrchestratorError as error:
            if not is_retryable(error):
                raise
            output.error(error, as_json=as_json, one_line=True)
        else:
            show(page)
        sys.stdout.flush()
        time.sleep(every)


@dataclass
class _Screen:
    """What is on the screen: the last picture, when it was taken, and since when none could be taken."""

    title: str
    every: float
    picture: str = ""
    taken_at: float | None = None
    away_since: float | None = None
    why: str = ""

    def heading(self) -> tuple[str, str]:
        """One line, and its style."""
        now = time.time()
        taken = "" if self.taken_at is None else f"refreshed {_clock(self.taken_at)}"
        if self.away_since is not None:
            old = f"this picture is {now - self.taken_at:.0f} s old" if self.taken_at else "no picture yet"
            return f"STALE: the database has been away since {_clock(self.away_since)}, {old}: {self.why}", "bold red"
        if self.taken_at is not None and now - self.taken_at > 2 * self.every + 2:
            return f"{self.title}  {taken}, no answer for {now - self.taken_at:.0f} s", "yellow"
        return f"{self.title}  every {self.every:g} s  {taken or 'connecting'}", "dim"


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _watch_on_terminal(
    reader: _Reader, show: Callable[[Any], None], title: str, every: float, interrupt: _Interrupt
) -> bool:
    """Redraw in place; False where rich is not installed. The last picture stays on the screen afterwards."""
    try:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.segment import SegmentLines
        from rich.text import Text
    except ImportError:
        return False
    screen = _Screen(title, every)
    console = Console(file=sys.stdout)  # which is another while a page is drawn

    def drawn(room: int | None = None) -> Group:
        """With room for so many lines; what does not fit is said."""
        text, style = screen.heading()
        heading = Text(text, style=style, no_wrap=True, overflow="ellipsis")
        lines = console.render_lines(Text.from_ansi(screen.picture), pad=False)
        if room is None or len(lines) <= room - 1:
            return Group(heading, SegmentLines(lines, new_lines=True))
        more = Text(f"… {len(lines) - room + 2} lines more", style="dim")
        return Group(heading, SegmentLines(lines[: room - 2], new_lines=True), more)

    with suppress(KeyboardInterrupt), Live(
        get_renderable=lambda: drawn(console.height), console=console, screen=True, refresh_per_second=_TICK,
        redirect_stdout=False, redirect_stderr=False,
    ) as live:  # fmt: skip
        while not interrupt.came:
            _take(reader, show, screen)
            live.refresh()
            time.sleep(every)
    console.print(drawn())
    return True


def _take(reader: _Reader, show: Callable[[Any], None], screen: _Screen) -> None:
    try:
        page = reader.page()
    except OrchestratorError as error:
        if not is_retryable(error):
            raise
        screen.away_since = screen.away_since or time.time()
        screen.why = one_line(" ".join(error.message.split()))
        return
    with redirect_stdout(_Canvas()) as canvas:
        show(page)
    screen.picture, screen.taken_at, screen.away_since = canvas.getvalue(), time.time(), None


class _Canvas(io.StringIO):
    """What is drawn here goes to a terminal in the end, colours and all."""

    def isatty(self) -> bool:
        return True
