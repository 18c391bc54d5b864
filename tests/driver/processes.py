"""Drivers as the processes that they are, and their log lines as objects."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.lab.waiting import wait_until

__all__ = ["DriverProcess", "wait_until"]

ORCHESTRATOR = Path(sys.executable).with_name("orchestrator")

# What the tests' own environment must not tell a driver.
_INHERITED = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PG", "POSTGRES_", "ORCHESTRATOR_", "LOG_", "HEARTBEAT_"))
}

Line = dict[str, Any]


class DriverProcess:
    def __init__(self, dsn: str, schema: str, log: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [str(ORCHESTRATOR), "run", "--dsn", dsn, "--schema", schema, "--name", log.stem, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**_INHERITED, **(environment or {})},
            )

    def lines(self, **like: Any) -> list[Line]:
        """The log lines so far that have these keys with these values."""
        return [line for line in self._all_lines() if like.items() <= line.items()]

    def _all_lines(self) -> Iterator[Line]:
        for text in self.log.read_text().splitlines(keepends=True):
            # What is no JSON is an error's text, or a line that is just being written.
            if text.startswith("{") and text.endswith("}\n"):
                yield json.loads(text)

    def wait_for_line(self, *, seconds: float = 60.0, **like: Any) -> Line:
        """The first such line, as soon as it is written."""

        def found() -> list[Line]:
            assert self.process.poll() is None or self.lines(**like), f"the driver ended:\n{self.log.read_text()}"
            return self.lines(**like)

        try:
            return wait_until(found, seconds=seconds, what=f"a line like {like}")[0]
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()}") from None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
