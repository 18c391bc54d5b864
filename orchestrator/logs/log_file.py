"""A log file that is rotated by its size or by the day, for one process.

Two processes that rotate one file lose each other's lines, so the second is refused (a lock beside the file, which ends
with its process). When a program such as logrotate moves or removes the file, the next line begins a new one.
"""

import fcntl
import logging
import os
from contextlib import suppress
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler
from pathlib import Path
from typing import IO, Any, Literal, get_args

from orchestrator.errors import OrchestratorError

Rotation = Literal["size", "day"]
ROTATIONS: tuple[Rotation, ...] = get_args(Rotation)

LARGEST_FILE = 100 * 1024 * 1024
KEPT_FILES = 7
"""With the one that is written: 700 MB, or a week."""


class LogFileInUse(OrchestratorError):
    """Another process writes it."""

    code: str | None = "OR101"


def log_file(
    path: Path, rotation: Rotation, *, largest_file: int = LARGEST_FILE, kept_files: int = KEPT_FILES
) -> logging.Handler:
    """A handler that writes this file.

    Raises:
        LogFileInUse: another process writes it.
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    if rotation == "day":
        return _ByDay(lock, path, when="midnight", backupCount=kept_files - 1, encoding="utf-8")
    return _BySize(lock, path, maxBytes=largest_file, backupCount=kept_files - 1, encoding="utf-8")


def _lock(path: Path) -> IO[str]:
    lock = path.with_name(f"{path.name}.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise LogFileInUse(
            "another process writes this log file",
            detail={"file": str(path)},
            hint="give each process a --log-file of its own",
        ) from None
    return lock


class _OwnFile:
    """What both kinds of rotation have in common."""

    baseFilename: str
    stream: Any

    def __init__(self, lock: IO[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = lock

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is not None and self._was_moved():
            self.stream.close()
            self.stream = None  # opened again by the next write
        super().emit(record)  # type: ignore[misc]  # of the handler beside this class

    def _was_moved(self) -> bool:
        try:
            return not os.path.samestat(Path(self.baseFilename).stat(), os.fstat(self.stream.fileno()))
        except FileNotFoundError:
            return True

    def doRollover(self) -> None:
        # a file that grows too long is better than lines that are lost
        with suppress(OSError):
            super().doRollover()  # type: ignore[misc]

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        self._lock.close()


class _BySize(_OwnFile, RotatingFileHandler):
    pass


class _ByDay(_OwnFile, TimedRotatingFileHandler):
    pass
