"""A command on a terminal of its own: what it shows there, and what it does on Ctrl-C."""

import codecs
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

PROGRAMS = Path(sys.executable).parent
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")


class Terminal:
    """What a process has written to its terminal, in `shown`, and the process."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self.shown = ""
        self._fd = fd
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a character

    @property
    def text(self) -> str:
        """Without colours and movements of the cursor."""
        return _ANSI.sub("", self.shown).replace("\r", "")

    def read_until(self, wanted: str, seconds: float = 30.0) -> str:
        """What was shown since the last call, up to and with `wanted`; an assertion fails when it does not come."""
        start, end = len(self.text), time.monotonic() + seconds
        while wanted not in self.text[start:]:
            assert time.monotonic() < end, f"{wanted!r} did not come: {self.text[-2000:]}"
            assert self._read(), f"it ended without {wanted!r}: {self.text[-2000:]}"
        return self.text[start:]

    def end(self, seconds: float = 60.0) -> int:
        """Read to the end; the exit status."""
        end = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < end, f"it does not end: {self.text[-2000:]}"
        return self.process.wait(30)

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def _read(self) -> bool:
        if not select.select([self._fd], [], [], 0.2)[0]:
            return True
        try:
            more = os.read(self._fd, 65536)
        except OSError:  # the process has ended
            more = b""
        self.shown += self._decoder.decode(more)
        return bool(more)


@contextmanager
def terminal(
    *arguments: object,
    width: int = 80,
    height: int = 50,
    program: str = "orchestrator",
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Terminal]:
    """Run a program on a terminal; `more` is put into its environment."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (height, width))
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")},
        "TERM": "xterm-256color",
        **more,
    }
    command = [str(PROGRAMS / program), *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
