"""What is done to the workers and the coordinator of a contender, each time from a settled whole, and its outcome."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from bench.contenders import Contender, Settings
from bench.run_log import Writer, analyse, owners, read
from orchestrator.lab.processes import Process, Processes
from orchestrator.lab.server import temporary_directory

# Nothing has changed for so long: the fleet is at rest.
SETTLE = 3.0
PATIENCE = 120.0
# A process that hangs is noticed after heartbeat_timeout, 300 s by default.
LONGEST_SILENCE = 400.0
# From the coordinator's end to its answering again: longer than any session timeout and grace here.
OUTAGE = 12.0
# And so long after it, so that a late notice is seen, too.
AFTERMATH = 12.0


class Event(NamedTuple):
    """What was done: when (a rolling restart is several), which worker died, and the least moves that it takes."""

    moments: Sequence[float]
    least_moves: Callable[[Mapping[str, list[str]]], int]
    victim: str | None = None
    outage: float | None = None


class Scenario:
    """A fleet of so many workers, and what can be done to it."""

    def __init__(self, name: str, contender: Contender, log: Path, *, streams: int, workers: int) -> None:
        self._name, self._contender, self._log, self._streams = name, contender, log, streams
        self._workers: dict[str, Process] = {}
        for number in range(1, workers + 1):
            self._start(f"w{number}")
        self._wait_until_whole()
        self._say("every stream runs")

    def run(self, events: Sequence[str]) -> dict[str, Any]:
        """Each event's figures, by its name."""
        do: Mapping[str, Callable[[], Event]] = {
            "kill": self._kill,
            "join": self._join,
            "drain": self._drain,
            "rolling restart": self._restart_all,
            "coordinator crash": self._crash,
            "hang": self._hang,
        }
        found = {}
        for name in events:
            event = do[name]()
            ended = self._wait_until_whole(LONGEST_SILENCE if name == "hang" else PATIENCE)
            runs = read(self._log.read_text().splitlines())
            figures = analyse(runs, event.moments, ended, event.least_moves, event.victim)
            found[name] = figures | {"outage": event.outage}
            self._say(f"{name}: { {key: value for key, value in found[name].items() if not isinstance(value, list)} }")
        return found

    def _kill(self) -> Event:
        """kill -9 of a worker."""
        name = next(iter(self._workers))
        now = time.monotonic()
        self._workers.pop(name).kill()
        return self._died(name, now)

    def _hang(self) -> Event:
        """SIGSTOP of a worker: it is there, its connections are open, and it does nothing any more."""
        name = next(iter(self._workers))
        now = time.monotonic()
        self._workers.pop(name).freeze()  # and what is frozen is killed when all is over
        return self._died(name, now)

    def _died(self, name: str, now: float) -> Event:
        Writer(self._log, name).note("killed", "all")
        return Event([now], lambda before: sum(name in who for who in before.values()), victim=name)

    def _drain(self) -> Event:
        """A worker is asked to leave for good."""
        name = next(iter(self._workers))
        now = time.monotonic()
        worker = self._workers.pop(name)
        self._contender.leave(worker, for_good=True)
        worker.popen.wait(PATIENCE)
        return Event([now], lambda before: sum(name in who for who in before.values()))

    def _join(self) -> Event:
        """One more worker."""
        now = time.monotonic()
        self._start("newcomer")
        return Event([now], lambda before: len(before) // len(self._workers))

    def _restart_all(self) -> Event:
        """Each worker is restarted under its name, the next one when the fleet is at rest."""
        moments = []
        for name, worker in list(self._workers.items()):
            moments.append(time.monotonic())
            self._contender.leave(worker, for_good=False)
            worker.popen.wait(PATIENCE)
            self._start(name)
            self._wait_until_whole()
        return Event(moments, lambda before: 0)

    def _crash(self) -> Event:
        """kill -9 of the coordinator, which answers again after OUTAGE."""
        now = time.monotonic()
        self._contender.kill_coordinator()
        time.sleep(max(0.0, now + OUTAGE - self._contender.startup - time.monotonic()))
        self._contender.start_coordinator()
        outage = time.monotonic() - now
        time.sleep(AFTERMATH)
        return Event([now], lambda before: 0, outage=outage)

    def _start(self, name: str) -> None:
        self._workers[name] = self._contender.start_worker(name, self._log)

    def _wait_until_whole(self, patience: float = PATIENCE) -> float:
        """Every stream is run by one, every worker runs some, and nothing has changed for a while."""
        deadline = time.monotonic() + patience
        while (now := time.monotonic()) < deadline:
            lines = self._log.read_text().splitlines() if self._log.exists() else []
            if lines and now - float(lines[-1].split()[0]) > SETTLE:
                who = owners(read(lines), now)
                running = [names for names in who.values() if len(names) == 1]
                if len(running) == self._streams and {name for (name,) in running} == set(self._workers):
                    return now
            time.sleep(0.25)
        self._say(f"not whole after {patience:.0f} s")
        return now

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {self._name}: {text}", file=sys.stderr, flush=True)


def measure(name: str, settings: Settings, events: Sequence[str], streams: int, workers: int) -> dict[str, Any]:
    """The figures of each event for one contender, on a coordinator and workers of its own."""
    with temporary_directory("failover-") as directory, ExitStack() as coordinator:
        processes = Processes(directory)
        try:
            contender = settings.start(directory, processes, coordinator, streams)
            log = directory / "runs"
            return Scenario(name, contender, log, streams=streams, workers=workers).run(events)
        finally:
            for process in processes.all:
                process.kill()  # how they would end is not measured
