"""Processes of a fleet: started each in a session of its own, and ended when the run ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import psutil

import orchestrator
from orchestrator.database.retry import is_retryable
from orchestrator.errors import OrchestratorError
from orchestrator.lab.waiting import wait_until

LOOK_EVERY = 0.25
# What has not happened after so many seconds will not happen: more than requirement R1.2 allows.
PATIENCE = 90.0
# How long a process may take to end.
_ENDING = 5.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "ORCHESTRATOR_STATE")


class ScenarioFailed(OrchestratorError):
    """What was to happen did not."""


@dataclass
class Process:
    """One child, with its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    cpu_seconds: float = 0.0
    may_end: bool = False  # it was told to; when another one ends, something is wrong

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def measure(self) -> None:
        """Remember how much CPU it has used until now."""
        with suppress(psutil.Error):
            times = psutil.Process(self.popen.pid).cpu_times()
            self.cpu_seconds = times.user + times.system

    def kill(self) -> None:
        """SIGKILL: it gets no chance to say goodbye."""
        self.may_end = True
        self.measure()
        self.popen.kill()
        self.popen.wait()

    def terminate(self) -> None:
        """SIGTERM: ask it to leave."""
        self.may_end = True
        self.measure()
        if self.alive:
            self.popen.send_signal(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: it does nothing more, and looks dead from outside."""
        self.popen.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: it goes on where it was, and does not know that time has passed."""
        self.popen.send_signal(signal.SIGCONT)

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Processes:
    """All children of a run. Leaving the context ends those that still run."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.all: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The first SIGTERM asks a worker to hand over; no other is left, so the second tells it not to wait.
        for _ in range(2):
            for process in self.all:
                process.terminate()
                process.wake()
            time.sleep(0.3)
        for process in self.all:
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(_ENDING)
            if process.alive:
                process.kill()

    def start_module(self, name: str, module: str, *arguments: str) -> Process:
        """Start `python -m module`."""
        return self._start(name, [sys.executable, "-m", module, *arguments])

    def start_command(self, name: str, *arguments: str) -> Process:
        """Start an `orchestrator` command."""
        return self._start(name, [sys.executable, "-c", "from orchestrator.cli import main; main()", *arguments])

    def measure(self) -> None:
        """Remember how much CPU each has used until now."""
        for process in self.all:
            process.measure()

    def check(self) -> None:
        """Raise ScenarioFailed when a process has ended that was not told to."""
        for process in self.all:
            if not process.alive and not process.may_end:
                raise ScenarioFailed(f"{process.name} ended by itself: {process.last_words()}")

    def wait_until(self, what: str, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Look until it is so; a database that is away is no answer. `patience` in seconds.

        Raises:
            ScenarioFailed: it never was, or a process ended by itself.
        """

        def is_so() -> bool:
            self.check()
            try:
                return condition()
            except OrchestratorError as error:
                if not is_retryable(error):
                    raise
                return False

        try:
            wait_until(is_so, seconds=patience, what=what, every=LOOK_EVERY)
        except TimeoutError as error:
            raise ScenarioFailed(str(error)) from None

    def _start(self, name: str, command: Sequence[str]) -> Process:
        log = self._logs / f"{name}.log"
        with log.open("a") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the parent, which ends its children in order
            )
        process = Process(name, popen, log)
        self.all.append(process)
        return process


def _environment() -> dict[str, str]:
    """What the children may know: not the operator's settings or databases, which belong to another fleet."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT}
    return kept | {"PYTHONPATH": str(Path(orchestrator.__file__).parent.parent), "PYTHONUNBUFFERED": "1"}


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does; a second one does not disturb the putting away."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
