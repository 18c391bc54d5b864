"""Clients that send bytes as they like, and what a server holds in memory for them."""

import contextlib
import re
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from tests.http.processes import HttpServer

MIB = 1024 * 1024


def memory_of(server: HttpServer) -> float:
    """The most that the server's process has had in memory until now, in MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [most] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(most) / 1024


def connection_to(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def answer_to(server: HttpServer, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """What is answered to bytes that are sent until the server takes no more of them; and how many it took."""
    sent = 0
    with connection_to(server) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
        return _received(connection), sent


def _received(connection: socket.socket) -> bytes:
    received = b""
    connection.settimeout(60)
    started = time.monotonic()
    with contextlib.suppress(ConnectionError, TimeoutError):
        while (part := connection.recv(65536)) and time.monotonic() < started + 60:
            received += part
    return received


def status_of(answer: bytes) -> int | None:
    """The status of an answer; None: the connection was ended without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None
