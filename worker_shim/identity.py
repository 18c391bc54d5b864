"""Who a process is, for the database to tell two under one name apart, and on which machine."""

from __future__ import annotations

import os
import re
import socket
import uuid
from pathlib import Path

HOST = "WORKER_HOST"
"""The variable with the name of the machine, for where the program does not see it."""

CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
CONTAINER_VARIABLES = ("container", "KUBERNETES_SERVICE_HOST")
CONTAINER_GROUPS = re.compile(r"docker|kubepods|containerd|libpod|crio|lxc|garden", re.IGNORECASE)
CONTAINER_MOUNTS = re.compile(r" /etc/(hostname|hosts) ")
"""No runtime leaves its containers the machine's own."""


class Identity:
    """Made when it is asked for: a Worker that was made before a fork is another one in each of its processes.

    The process is what may register again under its id; a restarted program is another one.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._process = ""

    def as_metadata(self) -> dict[str, str | int | None]:
        """What a registration tells of the process that sends it."""
        if self._pid != os.getpid():
            self._pid, self._process = os.getpid(), str(uuid.uuid4())
        return {**machine(), "pid": self._pid, "process": self._process}


def machine() -> dict[str, str | None]:
    """The name of the machine as host: None in a container, whose own name says nothing of what it shares."""
    name = os.environ.get(HOST, "").strip()
    if name:
        return {"host": name}
    own = socket.gethostname()
    return {"host": None, "container": own} if in_container() else {"host": own}


def in_container() -> bool:
    """Whether there is any sign of it: a machine that is taken for a container is only not known by its name."""
    return (
        any(Path(path).exists() for path in CONTAINER_FILES)
        or any(os.environ.get(name) for name in CONTAINER_VARIABLES)
        or bool(CONTAINER_GROUPS.search(_read("/proc/self/cgroup")))
        or bool(CONTAINER_MOUNTS.search(_read("/proc/self/mountinfo")))
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
