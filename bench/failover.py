"""What losses, departures, joins, restarts and crashes do to 850 streams, ours beside kazoo's SetPartitioner.

And, for ours, what they do to real audio: seconds lost and written twice.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from bench.part import Figures, Goal, run_alone
from bench.run_log import Writer, analyse, owners, read
from orchestrator import db
from orchestrator.demo import ledger
from orchestrator.demo.processes import Process, Processes
from orchestrator.embedded import Embedded
from orchestrator.migrate import migrate

TITLE = "Failover and hand-over"
STREAMS, WORKERS, MAX_STREAMS = 850, 8, 150
PATIENCE = 120.0
ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")
EVENTS = ("kill", "drain", "join", "rolling restart", "coordinator crash")
AUDIO_FAULTS = ("drain", "worker-kill", "rolling-suspend", "crash")  # the suite lets one join for each that is gone
QUICK_AUDIO_FAULTS = ("drain",)
# Shorter than its own 10 s and 30 s, so that it notices and settles sooner; other values were not searched.
PEERS = {"kazoo, default function": "round robin", "kazoo, rendezvous": "rendezvous"}
SESSION_TIMEOUT, TIME_BOUNDARY, TICK_TIME = 4.0, 1.0, 1000


class Side(Protocol):
    """One solution: how its coordinator and its workers are started, and asked to end."""

    settle: float  # seconds without a change after which it is at rest

    def start_worker(self, name: str, log: Path) -> Process: ...
    def leave(self, worker: Process, *, for_good: bool) -> None: ...
    def crash_coordinator(self) -> None: ...


class Ours:
    """PostgreSQL, one driver, default settings."""

    settle = 4.0

    def __init__(self, directory: Path, processes: Processes, stack: ExitStack, streams: int) -> None:
        self._processes = processes
        self._server = Embedded(directory / "pg")
        stack.callback(self._server.stop)
        self._server.start()
        with closing(db.connect(self._server.dsn(), application_name="bench")) as conn:
            ledger.create_database(conn, "failover")
        self._dsn = self._server.dsn("failover")
        migrate(self._dsn)
        with closing(db.connect(self._dsn, application_name="bench")) as conn:
            for number in range(1, streams + 1):
                db.call(conn, "add_stream", url=f"http://radio.invalid/{number}", name=f"Radio {number}")
        processes.start_command("driver", "run", "--dsn", self._dsn, "--name", "driver")

    def start_worker(self, name: str, log: Path) -> Process:
        return self._processes.start_module(name, "bench.shim_worker", self._dsn, name, str(MAX_STREAMS), str(log))

    def leave(self, worker: Process, *, for_good: bool) -> None:
        worker.may_end = True
        worker.popen.send_signal(signal.SIGTERM if for_good else signal.SIGUSR1)

    def crash_coordinator(self) -> None:
        self._server.stop(immediate=True)
        self._server.start()


class Kazoo:
    """A ZooKeeper of its own with its durability as it comes (forceSync), on loopback."""

    settle = TIME_BOUNDARY + SESSION_TIMEOUT

    def __init__(self, directory: Path, processes: Processes, stack: ExitStack, streams: int, function: str) -> None:
        self._processes, self._streams, self._function = processes, streams, function
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._hosts = f"127.0.0.1:{port}"
        self._log = directory / "zookeeper.log"
        self._config = directory / "zoo.cfg"
        self._config.write_text(
            f"tickTime={TICK_TIME}\ndataDir={directory / 'zookeeper'}\nclientPort={port}\n"
            "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
        )
        self._server = self._start()
        stack.callback(self._end)

    def _start(self) -> subprocess.Popen[bytes]:
        classes = f"/etc/zookeeper/conf:{ZOOKEEPER}"
        main = "org.apache.zookeeper.server.ZooKeeperServerMain"
        with self._log.open("a") as output:
            return subprocess.Popen(
                [
                    "java",
                    "-cp",
                    classes,
                    "-Dzookeeper.root.logger=INFO,CONSOLE",
                    main,
                    str(self._config),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_worker(self, name: str, log: Path) -> Process:
        arguments = (self._hosts, name, str(self._streams), str(log), str(SESSION_TIMEOUT), str(TIME_BOUNDARY))
        return self._processes.start_module(name, "bench.kazoo_worker", *arguments, self._function)

    def leave(self, worker: Process, *, for_good: bool) -> None:
        worker.terminate()

    def crash_coordinator(self) -> None:
        self._end()
        self._server = self._start()

    def _end(self) -> None:
        self._server.kill()
        self._server.wait()


class Scenario:
    """The same events for any side, each from a settled whole."""

    def __init__(self, side: Side, log: Path, streams: int, say: Callable[[str], None]) -> None:
        self._side, self._log, self._streams, self._say = side, log, streams, say
        self._workers = {
            name: side.start_worker(name, log) for name in (f"w{number}" for number in range(1, WORKERS + 1))
        }
        self._wait_until_whole()

    def run(self, events: tuple[str, ...]) -> dict[str, Any]:
        """Each event's figures, by its name."""
        do = {
            "kill": self._kill,
            "drain": self._drain,
            "join": self._join,
            "rolling restart": self._restart_all,
            "coordinator crash": self._crash,
        }
        found = {}
        for event in events:
            began = time.monotonic()
            least = do[event]()
            ended = self._wait_until_whole()
            found[event] = analyse(read(self._log.read_text().splitlines()), began, ended, least)
            shown = {key: value for key, value in found[event].items() if not isinstance(value, list)}
            self._say(f"{event}: {shown}")
        return found

    def _kill(self) -> Callable[[Mapping[str, list[str]]], int]:
        name = next(iter(self._workers))
        self._workers.pop(name).kill()
        Writer(self._log, name).note("killed", "all")
        return lambda before: sum(name in who for who in before.values())

    def _drain(self) -> Callable[[Mapping[str, list[str]]], int]:
        name = next(iter(self._workers))
        worker = self._workers.pop(name)
        self._side.leave(worker, for_good=True)
        worker.popen.wait(PATIENCE)
        return lambda before: sum(name in who for who in before.values())

    def _join(self) -> Callable[[Mapping[str, list[str]]], int]:
        self._workers["newcomer"] = self._side.start_worker("newcomer", self._log)
        return lambda before: len(before) // len(self._workers)

    def _restart_all(self) -> Callable[[Mapping[str, list[str]]], int]:
        for name, worker in list(self._workers.items()):
            self._side.leave(worker, for_good=False)
            worker.popen.wait(PATIENCE)
            self._workers[name] = self._side.start_worker(name, self._log)
            self._wait_until_whole()
        return lambda before: 0

    def _crash(self) -> Callable[[Mapping[str, list[str]]], int]:
        self._side.crash_coordinator()
        time.sleep(10)  # whoever notices late is to be seen, too
        return lambda before: 0

    def _wait_until_whole(self) -> float:
        """Every stream is run by one, every worker runs some, and nothing has changed for a while."""
        deadline = time.monotonic() + PATIENCE
        while (now := time.monotonic()) < deadline:
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            if lines and now - float(lines[-1].split()[0]) > self._side.settle:
                who = owners(read(lines), now)
                running = [names for names in who.values() if len(names) == 1]
                if len(running) == self._streams and {name for (name,) in running} == set(self._workers):
                    return now
            time.sleep(0.25)
        self._say(f"not whole after {PATIENCE:.0f} s")
        return now


def measure(quick: bool) -> dict[str, Any]:
    """Ours, and the peer where ZooKeeper is installed. Quick: fewer streams, a kill alone."""
    streams, events = (80, EVENTS[:1]) if quick else (STREAMS, EVENTS)
    say = _say
    peer = {"session_timeout": SESSION_TIMEOUT, "time_boundary": TIME_BOUNDARY, "tick_time_ms": TICK_TIME}
    figures: dict[str, Any] = {
        "streams": streams,
        "workers": WORKERS,
        "sides": {},
        "versions": {"kazoo": version("kazoo")},
        "peer_settings": peer,
        "missing": None,
    }
    sides: dict[str, Callable[..., Side]] = {"ours": Ours}
    if ZOOKEEPER.exists() and shutil.which("java"):
        figures["versions"] |= _peer_versions()
        for name, function in PEERS.items():
            sides[name] = partial(Kazoo, function=function)
    else:
        figures["missing"] = "ZooKeeper is not installed (Debian: zookeeperd), so the peer was not measured"
    for name, make in sides.items():
        say(name)
        with tempfile.TemporaryDirectory(prefix="failover-") as given, ExitStack() as stack:
            directory = Path(given)
            directory.chmod(0o755)
            processes = Processes(directory)
            # the coordinator ends after its workers
            side_stack = stack.enter_context(ExitStack())
            stack.enter_context(processes)
            side = make(directory, processes, side_stack, streams)
            figures["sides"][name] = Scenario(side, directory / "runs", streams, say).run(events)
    return figures | {"audio": audio(quick)}


def audio(quick: bool) -> list[dict[str, Any]]:
    """Seconds of real audio, from the ledger of the chaos suite."""
    from tests.chaos.faults import FAULTS
    from tests.chaos.suite import run

    names = QUICK_AUDIO_FAULTS if quick else AUDIO_FAULTS
    result = run([FAULTS[name] for name in names], seed=1, quick=quick)
    for failure in result.failures:
        _say(failure)
    keys = ("fault", "times", "lost", "twice", "moves", "least_moves", "heard_again_after")
    return [{key: getattr(row, key) for key in keys} for row in result.rows]


def _peer_versions() -> dict[str, str]:
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    return {
        "zookeeper": next(
            (jar.stem.removeprefix("zookeeper-") for jar in ZOOKEEPER.parent.glob("zookeeper-[0-9]*.jar")), "?"
        ),
        "java": java.splitlines()[0],
    }


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def goals(figures: Figures) -> list[Goal]:
    """What is promised for ours."""
    found = []
    ours = figures["sides"]["ours"]
    if kill := ours.get("kill"):
        is_reached = kill["is_whole"] and kill["whole_after"] <= 60
        found.append(
            Goal("kill -9 of a worker, whole again", "within 60 s", f"{kill['whole_after']:.1f} s", is_reached)
        )
    needless, twice = (sum(event[key] for event in ours.values()) for key in ("needless", "twice"))
    found.append(Goal("streams moved needlessly, all events", "0", str(needless), needless == 0))
    found.append(Goal("streams run by two at once, all events", "0", str(twice), twice == 0))
    if crash := ours.get("coordinator crash"):
        cut = crash["interrupted"]
        found.append(Goal("streams interrupted by a database crash", "0", str(cut), cut == 0))
    rows = {row["fault"]: row for row in figures["audio"]}
    if drain := rows.get("drain"):
        found.append(Goal("audio lost by a drain", "0 s", f"{drain['lost']} s", drain["lost"] == 0))
    heard_twice = sum(row["twice"] for row in rows.values())
    found.append(Goal("audio written twice, all events", "0 s", f"{heard_twice} s", heard_twice == 0))
    return found


def plots(figures: Figures) -> dict[str, Figure]:
    """The longest gap of a stream, by event and side."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    events = list(figures["sides"]["ours"])
    width = 0.8 / len(figures["sides"])
    for number, (side, found) in enumerate(figures["sides"].items()):
        places = [index + number * width for index in range(len(events))]
        axes.bar(places, [found[event]["gap_max"] for event in events], width, label=side)
    axes.set_xticks([index + 0.4 - width / 2 for index in range(len(events))], events)
    axes.set_ylabel("longest gap of a stream, seconds")
    axes.legend()
    return {"failover-gaps": figure}


if __name__ == "__main__":
    run_alone(sys.modules[__name__])  # type: ignore[arg-type]  # a module is what Part describes
