"""A PgBouncer in transaction mode, Debian's, before any server."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg.conninfo import make_conninfo


def pgbouncer() -> str | None:
    """Where the program is, if it is installed."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class Pooler:
    """One PgBouncer over all databases of a server, on a port of its own that it keeps over restarts."""

    def __init__(
        self, server_host: str, server_port: str, user: str, password: str | None = None, *, pool_size: int = 2
    ) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="orch-bouncer-", dir="/tmp"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host, self.port = free.getsockname()
        self.log = self._directory / "log"
        # It refuses to run as root, and only the server's own user may reach an embedded server's socket.
        self._runs_as = (
            pwd.getpwuid(Path(server_host).stat().st_uid) if server_host.startswith("/") else pwd.getpwnam("nobody")
        )
        (self._directory / "users.txt").write_text(f'"{user}" "{password or ""}"\n')
        (self._directory / "pgbouncer.ini").write_text(
            f"""
            [databases]
            * = host={server_host} port={server_port} user={user}
            [pgbouncer]
            listen_addr = {self.host}
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = trust
            auth_file = {self._directory}/users.txt
            pool_mode = transaction
            default_pool_size = {pool_size}
            """.replace("\n            ", "\n")
        )
        for path in (self._directory, *self._directory.iterdir()):
            os.chown(path, self._runs_as.pw_uid, self._runs_as.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it; returns when it answers."""
        program = pgbouncer()
        if program is None:
            raise RuntimeError("pgbouncer is not installed")
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [program, str(self._directory / "pgbouncer.ini")],
                stdout=log,
                stderr=log,
                user=self._runs_as.pw_uid if os.geteuid() == 0 else None,
            )
        while self._process.poll() is None:
            with socket.socket() as attempt:
                if attempt.connect_ex((self.host, self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError("pgbouncer did not start")

    def stop(self) -> None:
        """End it at once, in the middle of its work."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Stop it and put its files away."""
        self.stop()
        shutil.rmtree(self._directory)

    def restart(self) -> None:
        """Every connection is lost, and new ones are possible again."""
        self.stop()
        self.start()

    def dsn(self, direct: str) -> str:
        """The way to the same database through the pooler."""
        return make_conninfo(direct, host=self.host, port=self.port)
