"""The demo's processes: started each in a session of its own, and ended when the demo ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

import orchestrator

PATIENCE = 5.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "ORCHESTRATOR_STATE")


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
        """SIGSTOP: it does nothing more, and nobody can tell from outside that it is not dead."""
        self.popen.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: it goes on where it was, and does not know that time has passed."""
        self.popen.send_signal(signal.SIGCONT)

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Processes:
    """All children of the demo. Leaving the context ends those that still run."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.all: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The first SIGTERM asks a worker to hand over; there is nobody left, so the second one tells it not to wait.
        for _ in range(2):
            for process in self.all:
                process.terminate()
                process.wake()
            time.sleep(0.3)
        for process in self.all:
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(PATIENCE)
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

    def _start(self, name: str, command: Sequence[str]) -> Process:
        log = self._logs / f"{name}.log"
        with log.open("a") as output:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the demo, which ends its children in order
            )
        process = Process(name, popen, log)
        self.all.append(process)
        return process


def _environment() -> dict[str, str]:
    """What the children may know: not the operator's settings or databases, which belong to another fleet."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT}
    return kept | {"PYTHONPATH": str(Path(orchestrator.__file__).parent.parent), "PYTHONUNBUFFERED": "1"}
