"""The demo: a real fleet on real audio, and what is done to it in front of the audience.

Nothing here is scripted output. The acts are done to real processes; whether an act is over is asked of the ledger and
of the orchestrator's views; the report is read from the ledger at the end.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from json import dumps
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from psycopg.types.json import Jsonb

from orchestrator import db
from orchestrator.demo import ledger, report
from orchestrator.demo.display import Display, Instance, Picture
from orchestrator.demo.processes import Process, Processes
from orchestrator.embedded import Embedded
from orchestrator.errors import OrchestratorError
from orchestrator.migrate import migrate

DATABASE = "orchestrator"
DRIVERS = 2
LOOK_EVERY = 0.25
# An act that has not reached its end after so many seconds has failed: twice what requirement R1.2 allows.
PATIENCE = 90.0
# How long a worker hangs before the operator has had enough.
HANGING = 2.0
# When each act begins at the earliest, as a part of all seconds.
BEGINS = {
    "start": 0.0,
    "listen": 0.0,
    "kill": 0.15,
    "join": 0.38,
    "freeze": 0.5,
    "drain": 0.77,
    "restart": 0.88,
    "end": 1.0,
}


class DemoFailed(OrchestratorError):
    """The demo could not go on."""


@dataclass(frozen=True)
class Outcome:
    """The report, what it took of one core in percent, and why the demo broke off when it did."""

    report: report.Report
    cpu_percent: dict[str, float]
    failure: str | None

    @property
    def ok(self) -> bool:
        return self.failure is None and self.report.ok


def run(display: Display, *, seconds: float, stations: int, workers: int, keep: bool) -> Outcome:
    """Run the demo to its end, or raise what broke it before there was a report. Leaves nothing behind."""
    directory = Path(tempfile.mkdtemp(prefix="orchestrator-demo-"))
    directory.chmod(0o755)  # the server runs as a user of its own
    try:
        with _interrupted_once(), ExitStack() as stack:
            stack.enter_context(display)
            server = Embedded(directory / "pg")
            stack.callback(server.stop)  # also when it is interrupted while it starts
            server.start()
            processes = stack.enter_context(Processes(directory))
            return Show(display, server, processes, seconds=seconds, stations=stations, workers=workers).perform()
    finally:
        if keep:
            display.say(f"kept {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


class Show:
    """The stage, and the acts on it."""

    def __init__(
        self, display: Display, server: Embedded, processes: Processes, *, seconds: float, stations: int, workers: int
    ) -> None:
        self._display = display
        self._server = server
        self._processes = processes
        self._seconds = seconds
        self._stations = stations
        self._dsn = server.dsn(DATABASE)
        self._ledger_dsn = server.dsn(ledger.DATABASE)
        # With one worker gone the others have room for everything, and some to spare.
        self._max_streams = min(1000, -(-stations * 3 // (2 * max(1, workers - 1))))
        self._first_workers = workers
        self._workers = 0
        self._leaving: set[str] = set()
        self._connections: dict[str, db.Connection] = {}
        self._began = 0.0
        self._server_cpu_seconds = 0.0

    def perform(self) -> Outcome:
        """All acts, then the report."""
        self._set_the_stage()
        failure = None
        try:
            self._start()
            self._listen()
            self._kill()
            newcomer = self._join()
            self._freeze(newcomer)
            self._drain(newcomer)
            self._restart()
        except DemoFailed as error:
            failure = error.message
        return self._end(failure)

    # -- Acts -------------------------------------------------------------------

    def _set_the_stage(self) -> None:
        self._display.say("a PostgreSQL of its own starts; the orchestrator and the ledger are installed into it")
        with self._connect("postgres") as conn:
            ledger.create_database(conn, ledger.DATABASE)
            ledger.create_database(conn, DATABASE)
        migrate(self._dsn)
        ledger.install(self._ledger_dsn)
        radio = self._processes.start_module(
            "station server", "orchestrator.demo.stations", "--stations", str(self._stations)
        )
        address = f"http://127.0.0.1:{self._port_of(radio)}"
        self._display.say(f"{self._stations} stations broadcast at {address}/station/1.wav and so on")
        db.call(self._ledger(), "open_stations", stations=self._stations, address=address)
        db.call(
            self._orchestrator(),
            "add_source",
            source=ledger.DATABASE,
            conninfo=self._ledger_dsn,
            table_name="public.streams",
        )

    def _start(self) -> None:
        self._begin("start", f"{self._first_workers} workers and {DRIVERS} drivers")
        for number in range(1, DRIVERS + 1):
            self._processes.start_command(f"driver-{number}", "run", "--dsn", self._dsn, "--name", f"driver-{number}")
        self._victim, *_ = [self._start_worker() for _ in range(self._first_workers)]
        self._wait_until("all stations are heard", lambda picture: picture.all_heard and picture.settled)

    def _listen(self) -> None:
        self._begin("listen", "nothing happens")
        self._wait_until_all_heard_since(time.time())

    def _kill(self) -> None:
        victim = self._victim
        self._begin("kill", f"kill -9 of {victim.name}")
        self._leaving.add(victim.name)
        victim.kill()
        self._wait_until_all_heard_since(time.time())

    def _join(self) -> Process:
        self._begin("join", "a new worker")
        newcomer = self._start_worker()
        self._wait_until_share_of(newcomer)
        return newcomer

    def _freeze(self, frozen: Process) -> None:
        """The zombie: replaced while it hung, it wakes up with sound in its buffers and writes on."""
        self._begin("freeze", f"{frozen.name} hangs, an operator has it replaced, it wakes up")
        frozen.freeze()
        time.sleep(HANGING)
        # Its session lives on, so by itself it would be given up after heartbeat_timeout, which is 5 minutes.
        db.call(self._orchestrator(), "remove_instance", instance_id=frozen.name, reason="it hangs")
        db.call(self._orchestrator(), "readmit_instance", instance_id=frozen.name)
        self._wait_until_all_heard_since(time.time())
        self._display.say(f"{frozen.name} wakes up and writes what it has in its buffers")
        frozen.wake()
        self._wait_until("the fence refuses its writes", lambda picture: picture.writes_refused > 0)
        self._wait_until_share_of(frozen)

    def _drain(self, leaver: Process) -> None:
        self._begin("drain", f"{leaver.name} gets SIGTERM, hands over and leaves")
        self._leaving.add(leaver.name)
        leaver.terminate()
        self._wait_until(f"{leaver.name} has left", lambda _: not leaver.alive)
        if leaver.popen.returncode:
            raise DemoFailed(f"{leaver.name} ended with status {leaver.popen.returncode}: {leaver.last_words()}")
        self._wait_until_all_heard_since(time.time())

    def _restart(self) -> None:
        self._begin("restart", "PostgreSQL crashes and comes back")
        self._server_cpu_seconds = self._measure_server()
        self._server.restart(immediate=True)
        self._wait_until_all_heard_since(time.time())

    def _end(self, failure: str | None) -> Outcome:
        if failure is None:
            self._rest_until("end")
        self._begin("end", "")
        ended = time.time()
        with suppress(DemoFailed):
            self._wait_until(
                "the last second is written", lambda picture: picture.last_complete_second >= int(ended) - 1, 5
            )
        self._keep_record()
        return Outcome(report.read(self._ledger()), self._cpu_percent(ended), failure)

    # -- Waiting ----------------------------------------------------------------

    def _begin(self, act: str, description: str) -> None:
        self._rest_until(act)
        if act not in ("start", "listen", "end"):
            # Nothing older than what the report counts to this act may still be in the hands of a worker.
            self._wait_until(
                "the ledger is up to date", lambda picture: picture.last_complete_second >= time.time() - 3
            )
        if act != "end":
            self._display.say(f"{act}: {description}")
        self._retrying(lambda: db.call(self._ledger(), "begin_act", act=act, description=description))

    def _rest_until(self, act: str) -> None:
        """Let the show go on undisturbed until the time of the next act."""
        self._began = self._began or time.monotonic()
        at = self._began + BEGINS[act] * self._seconds
        while time.monotonic() < at:
            self._look()
            time.sleep(LOOK_EVERY)

    def _wait_until_all_heard_since(self, moment: float) -> None:
        """Wait for a second that began after that moment and was heard from every station."""
        self._wait_until(
            "all stations are heard", lambda picture: picture.last_complete_second > moment and picture.settled
        )

    def _wait_until_share_of(self, worker: Process) -> None:
        """Wait until a worker has its part of the streams, and all are heard."""
        self._wait_until(
            f"{worker.name} has its share", lambda picture: picture.settled and picture.streams_of(worker.name) > 0
        )
        self._wait_until_all_heard_since(time.time())

    def _wait_until(self, what: str, condition: Callable[[Picture], bool], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while True:
            picture = self._look()
            if picture is not None and condition(picture):
                return
            if time.monotonic() > deadline:
                raise DemoFailed(f"after {patience:.0f} s it was still not so that {what}")
            time.sleep(LOOK_EVERY)

    def _look(self) -> Picture | None:
        """How it is now; None while the database is away."""
        for process in self._processes.all:
            if not process.alive and process.name not in self._leaving:
                raise DemoFailed(f"{process.name} ended by itself: {process.last_words()}")
        try:
            picture = self._picture()
        except OrchestratorError as error:
            if not error.retryable:
                raise
            picture = None
        self._display.show(picture)
        return picture

    def _picture(self) -> Picture:
        (watch,) = db.call(self._ledger(), "watch")
        return Picture(
            instances=[
                Instance(row["instance_id"], row["status"], row["assigned_streams"], row["max_streams"])
                for row in db.view(self._orchestrator(), "instances", order_by=["instance_id"])
            ],
            heard_by={row["instance_id"]: row["stations_heard"] for row in db.call(self._ledger(), "watch_listeners")},
            settled=len(db.view(self._orchestrator(), "assignments", where={"state": "running"})) == self._stations,
            stations=watch["stations"],
            stations_heard=watch["stations_heard"],
            last_complete_second=watch["last_complete_second"] or 0,
            seconds_written=watch["seconds_written"],
            writes_refused=watch["writes_refused"],
        )

    # -- Helpers ----------------------------------------------------------------

    def _start_worker(self) -> Process:
        self._workers += 1
        name = f"worker-{self._workers}"
        return self._processes.start_module(
            name,
            "orchestrator.demo.worker",
            *("--dsn", self._dsn, "--ledger", self._ledger_dsn),
            *("--instance-id", name, "--max-streams", str(self._max_streams)),
        )

    def _port_of(self, radio: Process) -> int:
        deadline = time.monotonic() + 20
        while not (said := radio.log.read_text()).endswith("\n"):
            if not radio.alive or time.monotonic() > deadline:
                raise DemoFailed(f"the station server did not start: {said}")
            time.sleep(0.05)
        return int(said)

    def _keep_record(self) -> None:
        as_json = partial(Jsonb, dumps=partial(dumps, default=str))
        orchestrator = self._orchestrator()
        db.call(
            self._ledger(),
            "keep_record",
            movements=as_json(db.view(orchestrator, "movements")),
            decisions=as_json(db.view(orchestrator, "decisions")),
        )

    def _cpu_percent(self, ended: float) -> dict[str, float]:
        """What each kind of process used of one core, over the whole demo."""
        self._processes.measure()
        used: dict[str, float] = defaultdict(float, {"PostgreSQL": self._server_cpu_seconds + self._measure_server()})
        for process in self._processes.all:
            used[process.name.rstrip("-0123456789")] += process.cpu_seconds
        elapsed = ended - psutil.Process(self._processes.all[0].popen.pid).create_time()
        return {kind: round(100 * seconds / elapsed, 1) for kind, seconds in used.items()}

    def _measure_server(self) -> float:
        """CPU seconds of the server since it was started."""
        postmaster = psutil.Process(self._server.pid)
        times = [process.cpu_times() for process in (postmaster, *postmaster.children())]
        return sum(t.user + t.system for t in times) + times[0].children_user + times[0].children_system

    def _retrying(self, work: Callable[[], Any]) -> None:
        db.retrying(attempts=10)(work)

    def _ledger(self) -> db.Connection:
        return self._connection(ledger.DATABASE)

    def _orchestrator(self) -> db.Connection:
        return self._connection(DATABASE)

    def _connection(self, database: str) -> db.Connection:
        conn = self._connections.get(database)
        if conn is None or conn.closed:
            conn = self._connections[database] = self._connect(database)
        return conn

    def _connect(self, database: str) -> db.Connection:
        if database == ledger.DATABASE:
            return ledger.connect(self._ledger_dsn, "show")
        return db.connect(self._server.dsn(database), application_name="demo show")


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does; a second one does not disturb the putting away."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
