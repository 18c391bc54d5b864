"""A worker of the peer: it runs what kazoo's SetPartitioner gives it, and logs it.

python -m bench.kazoo_worker HOSTS ID STREAMS LOG SESSION_TIMEOUT TIME_BOUNDARY FUNCTION
"""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from bench.run_log import Writer


def rendezvous(identifier: str, members: list[str], streams: list[str]) -> list[str]:
    """The streams whose highest hash is that of this member: only the streams of who comes or goes move."""

    def weight(member: str, stream: str) -> bytes:
        return hashlib.blake2b(f"{member} {stream}".encode(), digest_size=8).digest()

    return [stream for stream in streams if max(members, key=lambda member: weight(member, stream)) == identifier]


def main(
    hosts: str, name: str, streams: str, log: str, session_timeout: str, time_boundary: str, function: str
) -> None:
    """Take part until SIGTERM."""
    leaving, changed = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    writer = Writer(Path(log), name)
    client = KazooClient(hosts, timeout=float(session_timeout), connection_retry={"max_tries": -1, "max_delay": 1})
    client.start()

    def make() -> Any:
        return client.SetPartitioner(
            "/radio",
            [str(number) for number in range(1, int(streams) + 1)],
            partition_func=rendezvous if function == "rendezvous" else None,
            identifier=name,
            time_boundary=float(time_boundary),
            state_change_event=changed,
        )

    running: list[str] = []
    partitioner = make()
    while not leaving.is_set():
        changed.wait(0.2)
        changed.clear()
        if partitioner.acquired and not running:
            running = list(partitioner)
            writer.note("+", *running)
        elif not partitioner.acquired and running:  # its contract: nothing is held but in this state
            writer.note("-", *running)
            running = []
        if partitioner.release and client.connected:  # else it could release nothing, and would fail
            partitioner.release_set()
        elif partitioner.failed and client.connected:
            with suppress(KazooException, KazooTimeoutError):  # gone again meanwhile
                client.restart()  # a session that went on would leave its old place in the party beside the new one
                partitioner = make()
    writer.note("-", *running)
    partitioner.finish()
    client.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
