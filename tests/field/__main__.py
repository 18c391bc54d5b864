"""One client as a process: python -m tests.field --kind R --url http://127.0.0.1:8000 --id fingerv7-001 …"""

from __future__ import annotations

import argparse
import asyncio
import os
from functools import partial
from pathlib import Path

from tests.field.hearing import Table
from tests.field.hosts import (
    FirstRealHost,
    Host,
    OldHost,
    PlainHost,
    PlainServerHost,
    PlainWorkerHost,
    RealHost,
    Setup,
)
from tests.field.resilient import Identity
from tests.field.template import Template
from tests.field.wire import Notes, Pace, Wire

WAITS = "FIELD_CLIENT_WAITS"

KINDS: dict[str, type[Host]] = {
    "P": PlainHost,
    "R": RealHost,
    "RO": FirstRealHost,
    "O": OldHost,
    "S": PlainServerHost,
    "W": PlainWorkerHost,
    "T": Template,
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--url", required=True, help="of the orchestrator; may hold a key as its password")
    parser.add_argument("--id", required=True)
    parser.add_argument("--max", type=int, default=60)
    parser.add_argument("--ip", default="127.0.0.1", help="the address that it names")
    parser.add_argument("--port", type=int, default=8000, help="the port that it names")
    parser.add_argument("--source", help="the loopback address that it calls from")
    parser.add_argument("--dsn", help="where the table of stations is")
    parser.add_argument("--table", type=Path, help="a file with the table instead: [[index, url], …]")
    parser.add_argument("--factor", type=float, default=1.0, help="so much faster than real time")
    parser.add_argument("--notes", type=Path, required=True, help="its notes, without the suffix")
    parser.add_argument("--directory", type=Path, default=Path(), help="where its file is")
    return parser.parse_args()


async def main(given: argparse.Namespace) -> None:
    pace, notes = Pace(given.factor), Notes(given.notes)
    headers = {"User-Agent": f"FingerV7-Client/{given.id}"} if given.kind == "T" else {}
    if given.kind == "T" and (key := os.environ.get("ORCHESTRATOR_API_KEY")):
        headers["Authorization"] = f"Bearer {key}"  # the others have theirs in the address
    setup = Setup(
        me=Identity(given.id, given.max, given.ip, given.port),
        pace=pace,
        notes=notes,
        wire=Wire(given.url, pace, notes, source=given.source, headers=headers),
        read_table=partial(Table.load, given.table) if given.table else partial(Table.read, given.dsn),
        production=given.dsn,
        directory=given.directory,
    )
    await KINDS[given.kind](setup).run()


def wait_for_the_start(notes: Path) -> None:
    """Those that are to start together wait for a line, each ready to begin; their next programs do not."""
    if os.environ.pop(WAITS, None):
        Notes(notes).heard("ready")
        while os.read(0, 1) != b"\n":
            pass


if __name__ == "__main__":
    given = options()
    wait_for_the_start(given.notes)
    asyncio.run(main(given))
