"""A pooler, and a fleet to be a worker in."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.embedded import Embedded
from orchestrator.migrate import migrate
from orchestrator.names import Names
from tests.shim.support import Fleet, Pooler
from tests.support import Database, Server


@pytest.fixture
def fleet(database: Database, names: Names) -> Iterator[Fleet]:
    """A fleet whose jobs run whenever the test drives, and that settles at once."""
    fleet = Fleet(database.dsn, names)
    fleet.configure("settle_window", "0 seconds")
    yield fleet
    fleet.close()


@pytest.fixture
def breakable_server(names: Names) -> Iterator[Embedded]:
    """A server of the test's own, migrated, that it may stop and start."""
    directory = Path(tempfile.mkdtemp(prefix="orch-shim-", dir="/tmp"))
    directory.chmod(0o755)
    with Embedded(directory / "pg", settings={"fsync": "off"}) as server:
        migrate(server.dsn(), names.api)
        yield server
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def breakable_fleet(breakable_server: Embedded, names: Names) -> Iterator[Fleet]:
    """A fleet on a server that the test may stop and start."""
    fleet = Fleet(breakable_server.dsn(), names)
    fleet.configure("settle_window", "0 seconds")
    yield fleet
    fleet.close()


@pytest.fixture
def pooler(server: Server) -> Iterator[Pooler]:
    """A PgBouncer in transaction mode before the server."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    # It refuses to run as root, and only the server's own user may reach an embedded server's socket.
    user = pwd.getpwuid(Path(server.host).stat().st_uid) if server.host.startswith("/") else pwd.getpwnam("nobody")
    directory = Path(tempfile.mkdtemp(prefix="orch-bouncer-", dir="/tmp"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (directory / "users.txt").write_text(f'"{server.user}" "{server.password or ""}"\n')
    (directory / "pgbouncer.ini").write_text(
        f"""
        [databases]
        * = host={server.host} port={server.port} user={server.user}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = trust
        auth_file = {directory}/users.txt
        pool_mode = transaction
        default_pool_size = 2
        """.replace("\n        ", "\n")
    )
    for path in (directory, *directory.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [program, str(directory / "pgbouncer.ini")],
            stdout=log,
            stderr=log,
            user=user.pw_uid if os.geteuid() == 0 else None,
        )
    try:
        _wait_for(port, process)
        yield Pooler("127.0.0.1", port, directory / "log")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("pgbouncer did not start")
