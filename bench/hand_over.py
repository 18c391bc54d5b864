"""Seconds of audio that planned moves cost in each mode of hand-over: a real fleet, real sound, counted in the ledger.

Three moves: a worker joins, the fleet settles after the capacity of one was lowered and raised again, a worker drains
(SIGTERM) and leaves.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from bench.part import Figures, Goal, run_alone
from bench.plots import Plot
from orchestrator.database import db
from orchestrator.lab.fleet import Fleet
from orchestrator.lab.processes import Processes
from orchestrator.lab.server import running_server, temporary_directory

TITLE = "Make before break"

# A station in the field takes its time before the first sound; on loopback a hand-over would fit between two seconds.
CONNECT_SECONDS = 1.5
MODES = ("break_before_make", "make_before_break")


def measure(quick: bool) -> dict[str, Any]:
    """The acts join, rebalance and drain in each mode, with moves, seconds lost, written twice, and writes refused."""
    stations = 4 if quick else 8
    return {
        "stations": stations,
        "connect_seconds": CONNECT_SECONDS,
        "acts": {mode: measure_mode(mode, stations) for mode in (MODES[1:] if quick else MODES)},
    }


def goals(figures: Figures) -> list[Goal]:
    """What is promised of make_before_break."""
    acts = figures["acts"]["make_before_break"]
    found = [
        Goal(
            f"{act['act']}, make_before_break: audio lost",
            "0.0 s",
            f"{act['seconds_lost']:.1f} s",
            act["seconds_lost"] == 0,
        )
        for act in acts
    ]
    twice = sum(act["seconds_written_twice"] for each in figures["acts"].values() for act in each)
    return [*found, Goal("audio written twice, all moves", "0 s", f"{twice} s", twice == 0)]


def plots(figures: Figures) -> dict[str, Plot]:
    return {}


def measure_mode(mode: str, stations: int) -> list[dict[str, Any]]:
    """The acts in one mode, each with its moves, seconds_lost, seconds_written_twice and writes_refused."""
    with (
        temporary_directory("orch-hand-over-") as directory,
        running_server(directory / "pg") as server,
        Processes(directory) as processes,
    ):
        return _perform(Fleet(server, processes, stations=stations), mode)


def _perform(fleet: Fleet, mode: str) -> list[dict[str, Any]]:
    fleet.set_up(connect_seconds=CONNECT_SECONDS)
    orchestrator = fleet.orchestrator()
    for name, value in (("handoff_mode", mode), ("settle_window", "0 seconds")):
        db.call(orchestrator, "set_setting", name=name, value=value)
    fleet.start_driver("driver")
    fleet.begin_act("start", "one worker")
    fleet.start_worker("worker-1", fleet.stations)
    fleet.wait_for("all stations are heard", lambda snapshot: snapshot.all_heard and snapshot.settled)
    fleet.wait_until_all_heard_since(time.time())

    fleet.begin_act("join", "another worker")
    leaving = fleet.start_worker("worker-2", fleet.stations)
    fleet.wait_until_share_of(leaving)
    _settle(fleet)

    fleet.begin_act("rebalance", "the capacity of a worker is lowered, and raised again")
    for capacity, share in ((fleet.stations // 4, fleet.stations // 4), (fleet.stations, fleet.stations // 2)):
        db.call(orchestrator, "set_capacity", instance_id="worker-1", max_streams=capacity)
        _wait_until_it_has(fleet, "worker-1", share)
    _settle(fleet)

    fleet.begin_act("drain", "SIGTERM: the worker hands everything over and leaves")
    leaving.terminate()
    fleet.wait_for("it has left", lambda snapshot: not leaving.alive and snapshot.settled)
    _settle(fleet)
    fleet.begin_act("end", "the end")
    fleet.keep_record()
    wanted = ("act", "moves", "seconds_lost", "seconds_written_twice", "writes_refused")
    return [
        {name: row[name] for name in wanted}
        for row in db.view(fleet.ledger(), "report", order_by=["act_id"])
        if row["act"] != "start"
    ]


def _wait_until_it_has(fleet: Fleet, worker: str, streams: int) -> None:
    fleet.wait_for(
        f"{worker} has {streams} streams", lambda snapshot: snapshot.settled and snapshot.streams_of(worker) == streams
    )


def _settle(fleet: Fleet) -> None:
    fleet.wait_until_all_heard_since(time.time())
    fleet.wait_until_up_to_date()


if __name__ == "__main__":
    run_alone(sys.modules[__name__])  # type: ignore[arg-type]  # a module is what Part describes
