"""PostgreSQL servers that are gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.database.embedded import Embedded


@contextmanager
def temporary_directory(
    prefix: str = "orchestrator-", *, within: Path | None = None, keep: Callable[[Path], object] | None = None
) -> Iterator[Path]:
    """A directory that the server can enter, which runs as a user of its own. It stays when there is a `keep`, which
    is told its name at the end."""
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        if keep:
            keep(directory)
        else:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running_server(
    data_directory: Path, *, settings: Mapping[str, str] | None = None, programs: Path | None = None
) -> Iterator[Embedded]:
    """The embedded server in this directory. It is also stopped when it is interrupted while it starts."""
    server = Embedded(data_directory, settings=settings, programs=programs)
    try:
        yield server.start()
    finally:
        server.stop()


@contextmanager
def temporary_server(
    prefix: str = "orchestrator-",
    *,
    within: Path | None = None,
    settings: Mapping[str, str] | None = None,
    programs: Path | None = None,
) -> Iterator[Embedded]:
    """A server in a directory of its own."""
    with (
        temporary_directory(prefix, within=within) as directory,
        running_server(directory / "pg", settings=settings, programs=programs) as server,
    ):
        yield server


def fast_directory() -> Path:
    """In memory where there is room: a database is a thousand small files, which on a busy disk take seconds."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * 1024**3
    return memory if roomy else Path(tempfile.gettempdir())
