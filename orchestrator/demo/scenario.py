"""The demo: a real fleet on real audio, and what is done to it while people watch.

Nothing here is scripted output. The acts are done to real processes; whether an act is over is asked of the ledger and
of the orchestrator's views; the report is read from the ledger at the end.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.database import db
from orchestrator.database.embedded import Embedded
from orchestrator.demo.display import Display
from orchestrator.lab import report
from orchestrator.lab.fleet import Fleet
from orchestrator.lab.processes import LOOK_EVERY, Process, Processes, ScenarioFailed, interrupted_once
from orchestrator.lab.server import running_server, temporary_directory

DRIVERS = 2
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
    with (
        temporary_directory("orchestrator-demo-", keep=_say_kept(display) if keep else None) as directory,
        interrupted_once(),
        display,
        running_server(directory / "pg") as server,
        Processes(directory) as processes,
    ):
        return Scenario(display, server, processes, seconds=seconds, stations=stations, workers=workers).run()


def _say_kept(display: Display) -> Callable[[Path], None]:
    return lambda directory: display.say(f"kept {directory}")


class Scenario:
    """The acts, one after the other: what the report and its JSON call the phases of a run."""

    def __init__(
        self, display: Display, server: Embedded, processes: Processes, *, seconds: float, stations: int, workers: int
    ) -> None:
        self._display = display
        self._server = server
        self._processes = processes
        self._fleet = Fleet(server, processes, stations=stations, on_look=display.show)
        self._seconds = seconds
        # With one worker gone the others have room for everything, and some to spare.
        self._max_streams = min(1000, -(-stations * 3 // (2 * max(1, workers - 1))))
        self._first_workers = workers
        self._workers = 0
        self._began = 0.0
        self._server_cpu_seconds = 0.0

    def run(self) -> Outcome:
        """All acts, then the report."""
        self._display.say("a PostgreSQL of its own starts; the orchestrator and the ledger are installed into it")
        address = self._fleet.set_up()
        self._display.say(f"{self._fleet.stations} stations broadcast at {address}/station/1.wav and so on")
        failure = None
        try:
            self._start()
            self._listen()
            self._kill()
            newcomer = self._join()
            self._freeze(newcomer)
            self._drain(newcomer)
            self._restart()
        except ScenarioFailed as error:
            failure = error.message
        return self._end(failure)

    # -- Acts -------------------------------------------------------------------

    def _start(self) -> None:
        self._begin("start", f"{self._first_workers} workers and {DRIVERS} drivers")
        for number in range(1, DRIVERS + 1):
            self._fleet.start_driver(f"driver-{number}")
        self._victim, *_ = [self._start_worker() for _ in range(self._first_workers)]
        self._fleet.wait_for("all stations are heard", lambda snapshot: snapshot.all_heard and snapshot.settled)

    def _listen(self) -> None:
        self._begin("listen", "nothing happens")
        self._fleet.wait_until_all_heard_since(time.time())

    def _kill(self) -> None:
        victim = self._victim
        self._begin("kill", f"kill -9 of {victim.name}")
        victim.kill()
        self._fleet.wait_until_all_heard_since(time.time())

    def _join(self) -> Process:
        self._begin("join", "a new worker")
        newcomer = self._start_worker()
        self._fleet.wait_until_share_of(newcomer)
        return newcomer

    def _freeze(self, frozen: Process) -> None:
        """The zombie: replaced while it hung, it wakes up with sound in its buffers and writes on."""
        self._begin("freeze", f"{frozen.name} hangs, an operator has it replaced, it wakes up")
        frozen.freeze()
        time.sleep(HANGING)
        # Its session lives on, so by itself it would be given up after heartbeat_timeout, which is 5 minutes.
        db.call(self._fleet.orchestrator(), "remove_instance", instance_id=frozen.name, reason="it hangs")
        db.call(self._fleet.orchestrator(), "readmit_instance", instance_id=frozen.name)
        self._fleet.wait_until_all_heard_since(time.time())
        self._display.say(f"{frozen.name} wakes up and writes what it has in its buffers")
        frozen.wake()
        self._fleet.wait_for("the fence refuses its writes", lambda snapshot: snapshot.writes_refused > 0)
        self._fleet.wait_until_share_of(frozen)

    def _drain(self, leaver: Process) -> None:
        self._begin("drain", f"{leaver.name} gets SIGTERM, hands over and leaves")
        leaver.terminate()
        self._fleet.wait_for(f"{leaver.name} has left", lambda _: not leaver.alive)
        if leaver.popen.returncode:
            raise ScenarioFailed(f"{leaver.name} ended with status {leaver.popen.returncode}: {leaver.last_words()}")
        self._fleet.wait_until_all_heard_since(time.time())

    def _restart(self) -> None:
        self._begin("restart", "PostgreSQL crashes and comes back")
        self._server_cpu_seconds = self._measure_server()
        self._server.restart(immediate=True)
        self._fleet.wait_until_all_heard_since(time.time())

    def _end(self, failure: str | None) -> Outcome:
        if failure is None:
            self._rest_until("end")
        self._begin("end", "")
        ended = time.time()
        with suppress(ScenarioFailed):
            self._fleet.wait_for(
                "the last second is written", lambda snapshot: snapshot.last_complete_second >= int(ended) - 1, 5
            )
        self._fleet.keep_record()
        return Outcome(report.read(self._fleet.ledger()), self._cpu_percent(ended), failure)

    # -- Time -------------------------------------------------------------------

    def _begin(self, act: str, description: str) -> None:
        self._rest_until(act)
        if act not in ("start", "listen", "end"):
            self._fleet.wait_until_up_to_date()
        if act != "end":
            self._display.say(f"{act}: {description}")
        self._fleet.begin_act(act, description)

    def _rest_until(self, act: str) -> None:
        """Leave the fleet alone until the time of the next act."""
        self._began = self._began or time.monotonic()
        at = self._began + BEGINS[act] * self._seconds
        while time.monotonic() < at:
            self._fleet.look()
            time.sleep(LOOK_EVERY)

    # -- Helpers ----------------------------------------------------------------

    def _start_worker(self) -> Process:
        self._workers += 1
        return self._fleet.start_worker(f"worker-{self._workers}", self._max_streams)

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
