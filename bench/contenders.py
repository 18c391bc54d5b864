"""The solutions that are compared, each with its coordinator and its workers: ours, and kazoo's SetPartitioner."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import psutil

from orchestrator.database import db
from orchestrator.database.embedded import Embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab import ledger
from orchestrator.lab.processes import Process, Processes
from orchestrator.lab.waiting import wait_until

MAX_STREAMS = 150
PATIENCE = 60.0
ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")


class Contender(Protocol):
    """One solution: how its coordinator and its workers are started, and asked to end."""

    startup: float  # seconds that the coordinator takes from being started to answering

    def start_worker(self, name: str, log: Path) -> Process: ...
    def leave(self, worker: Process, *, for_good: bool) -> None: ...
    def kill_coordinator(self) -> None: ...
    def start_coordinator(self) -> None: ...


@dataclass(frozen=True)
class Settings:
    """What is set of all that may be; the defaults are those of each solution, and the ticks Debian's."""

    kazoo: bool
    values: Mapping[str, str] = field(default_factory=dict)
    session_timeout: float = 10.0
    time_boundary: float = 30.0
    tick_time: int = 2000  # milliseconds
    function: str = "round robin"

    @property
    def shown(self) -> str:
        """For readers, who can set the same."""
        if self.kazoo:
            return (
                f"session timeout {self.session_timeout:g} s, time_boundary {self.time_boundary:g} s, "
                f"tickTime {self.tick_time} ms, {self.function}"
            )
        return ", ".join(f"{name} {value}" for name, value in self.values.items()) or "default settings"

    def start(self, directory: Path, processes: Processes, stack: ExitStack, streams: int) -> Contender:
        """The contender with its coordinator running, which ends with the stack."""
        return (Kazoo if self.kazoo else Ours)(directory, processes, stack, streams, self)


class Ours:
    """PostgreSQL and one driver."""

    def __init__(
        self, directory: Path, processes: Processes, stack: ExitStack, streams: int, settings: Settings
    ) -> None:
        self._processes = processes
        self._server = Embedded(directory / "pg")
        stack.callback(self._server.stop)
        self._server.start()
        self._server.stop()
        began = time.monotonic()
        self._server.start()
        self.startup = time.monotonic() - began
        with closing(db.connect(self._server.dsn(), application_name="bench")) as conn:
            ledger.create_database(conn, "failover")
        self._dsn = self._server.dsn("failover")
        migrate(self._dsn)
        with closing(db.connect(self._dsn, application_name="bench")) as conn:
            for name, value in settings.values.items():
                db.call(conn, "set_setting", name=name, value=value)
            for number in range(1, streams + 1):
                db.call(conn, "add_stream", url=f"http://radio.invalid/{number}", name=f"Radio {number}")
        processes.start_command("driver", "run", "--dsn", self._dsn, "--name", "driver")

    def start_worker(self, name: str, log: Path) -> Process:
        return self._processes.start_module(name, "bench.shim_worker", self._dsn, name, str(MAX_STREAMS), str(log))

    def leave(self, worker: Process, *, for_good: bool) -> None:
        worker.may_end = True
        worker.popen.send_signal(signal.SIGTERM if for_good else signal.SIGUSR1)

    def kill_coordinator(self) -> None:
        """kill -9 of the postmaster; its children notice and end."""
        postmaster = psutil.Process(self._server.pid)
        processes = [postmaster, *postmaster.children()]
        postmaster.kill()
        _, alive = psutil.wait_procs(processes, PATIENCE)
        if alive:
            raise TimeoutError(f"{len(alive)} processes of PostgreSQL have outlived their postmaster")

    def start_coordinator(self) -> None:
        self._server.start()


class Kazoo:
    """A ZooKeeper of its own with its durability as it comes (forceSync), on loopback."""

    def __init__(
        self, directory: Path, processes: Processes, stack: ExitStack, streams: int, settings: Settings
    ) -> None:
        self._processes, self._streams, self._settings = processes, streams, settings
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._log = directory / "zookeeper.log"
        self._config = directory / "zoo.cfg"
        self._config.write_text(
            f"tickTime={settings.tick_time}\ndataDir={directory / 'zookeeper'}\nclientPort={self._port}\n"
            "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
        )
        began = time.monotonic()
        stack.callback(self.kill_coordinator)
        self.start_coordinator()
        self.startup = time.monotonic() - began

    def start_worker(self, name: str, log: Path) -> Process:
        settings = self._settings
        return self._processes.start_module(
            name,
            "bench.kazoo_worker",
            *(f"127.0.0.1:{self._port}", name, str(self._streams), str(log)),
            *(str(settings.session_timeout), str(settings.time_boundary), settings.function),
        )

    def leave(self, worker: Process, *, for_good: bool) -> None:
        worker.terminate()

    def kill_coordinator(self) -> None:
        """kill -9."""
        self._server.kill()
        self._server.wait()

    def start_coordinator(self) -> None:
        """Start it, and wait until it answers."""
        command = (
            *("java", "-cp", f"/etc/zookeeper/conf:{ZOOKEEPER}", "-Dzookeeper.root.logger=INFO,CONSOLE"),
            *("org.apache.zookeeper.server.ZooKeeperServerMain", str(self._config)),
        )
        with self._log.open("a") as output:
            self._server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        wait_until(self._answers, seconds=PATIENCE, what=f"ZooKeeper answers, see {self._log}", every=0.02)

    def _answers(self) -> bool:
        assert self._server.poll() is None, self._log.read_text()[-500:]
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as asked:
            asked.sendall(b"srvr")
            return b"Mode: standalone" in asked.recv(65536)
        return False


def zookeeper_is_installed() -> bool:
    return ZOOKEEPER.exists() and shutil.which("java") is not None


def peer_versions() -> Mapping[str, str]:
    """Of everything that a figure of the peer depends on."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    jars: Sequence[Path] = sorted(ZOOKEEPER.parent.glob("zookeeper-[0-9]*.jar"))
    return {
        "kazoo": version("kazoo"),
        "zookeeper": jars[-1].stem.removeprefix("zookeeper-") if jars else "?",
        "java": java.splitlines()[0],
    }
