"""Who a process is, for the database to tell two under one name apart."""

from __future__ import annotations

import os
import socket
import uuid


class Identity:
    """Made when it is asked for: a Worker that was made before a fork is another one in each of its processes.

    The process is what may register again under its id; a restarted program is another one.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._process = ""

    def as_metadata(self) -> dict[str, str | int]:
        """What a registration tells of the process that sends it."""
        if self._pid != os.getpid():
            self._pid, self._process = os.getpid(), str(uuid.uuid4())
        return {"host": socket.gethostname(), "pid": self._pid, "process": self._process}
