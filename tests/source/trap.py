"""A server that asks each client for its password in clear, and keeps what it hears."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ADDRESS = "127.0.0.2"
_ENCRYPTION = {80877103, 80877104}
_ASK_FOR_PASSWORD = b"R" + struct.pack("!ii", 8, 3)


@dataclass
class Trap:
    port: int
    passwords: list[str] = field(default_factory=list)
    """What clients have sent; an empty text: a client that has none."""


@contextmanager
def trap() -> Iterator[Trap]:
    """Listens on one address of this host only, at a port that no other address has."""
    with socket.create_server((ADDRESS, 0)) as listener:
        caught = Trap(listener.getsockname()[1])
        threading.Thread(target=_serve, args=(listener, caught), daemon=True).start()
        yield caught
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, caught: Trap) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client, suppress(OSError, struct.error):
            client.settimeout(10)
            while struct.unpack("!i", _message(client)[:4])[0] in _ENCRYPTION:
                client.sendall(b"N")
            client.sendall(_ASK_FOR_PASSWORD)
            caught.passwords.append("")  # it came, whatever it has
            if client.recv(1) == b"p":
                caught.passwords[-1] = _message(client).rstrip(b"\0").decode()


def _message(client: socket.socket) -> bytes:
    [length] = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
    return client.recv(length - 4, socket.MSG_WAITALL)
