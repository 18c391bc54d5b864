"""Seconds of audio that planned moves cost in each mode of hand-over: a real fleet, real sound, counted in the ledger.

Three moves: a worker joins, the fleet settles after the capacity of one was lowered and raised again, a worker drains
(SIGTERM) and leaves.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench.part import Figures, Goal, run_alone
from orchestrator.database import db
from orchestrator.database.embedded import Embedded
from orchestrator.demo.processes import Processes
from orchestrator.demo.stage import Stage

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


def plots(figures: Figures) -> dict[str, Figure]:
    return {}


def measure_mode(mode: str, stations: int) -> list[dict[str, Any]]:
    """The acts in one mode, each with its moves, seconds_lost, seconds_written_twice and writes_refused."""
    directory = Path(tempfile.mkdtemp(prefix="orch-hand-over-", dir="/tmp"))
    directory.chmod(0o755)  # the server runs as a user of its own
    try:
        with Embedded(directory / "pg") as server, Processes(directory) as processes:
            return _perform(Stage(server, processes, stations=stations, show=lambda picture: None), mode)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _perform(stage: Stage, mode: str) -> list[dict[str, Any]]:
    stage.set(connect_seconds=CONNECT_SECONDS)
    orchestrator = stage.orchestrator()
    for name, value in (("handoff_mode", mode), ("settle_window", "0 seconds")):
        db.call(orchestrator, "set_setting", name=name, value=value)
    stage.start_driver("driver")
    stage.begin_act("start", "one worker")
    stage.start_worker("worker-1", stage.stations)
    stage.wait_until("all stations are heard", lambda picture: picture.all_heard and picture.settled)
    stage.wait_until_all_heard_since(time.time())

    stage.begin_act("join", "another worker")
    leaving = stage.start_worker("worker-2", stage.stations)
    stage.wait_until_share_of(leaving)
    _settle(stage)

    stage.begin_act("rebalance", "the capacity of a worker is lowered, and raised again")
    for capacity, share in ((stage.stations // 4, stage.stations // 4), (stage.stations, stage.stations // 2)):
        db.call(orchestrator, "set_capacity", instance_id="worker-1", max_streams=capacity)
        _wait_until_it_has(stage, "worker-1", share)
    _settle(stage)

    stage.begin_act("drain", "SIGTERM: the worker hands everything over and leaves")
    leaving.terminate()
    stage.wait_until("it has left", lambda picture: not leaving.alive and picture.settled)
    _settle(stage)
    stage.begin_act("end", "the end")
    stage.keep_record()
    wanted = ("act", "moves", "seconds_lost", "seconds_written_twice", "writes_refused")
    return [
        {name: row[name] for name in wanted}
        for row in db.view(stage.ledger(), "report", order_by=["act_id"])
        if row["act"] != "start"
    ]


def _wait_until_it_has(stage: Stage, worker: str, streams: int) -> None:
    stage.wait_until(
        f"{worker} has {streams} streams", lambda picture: picture.settled and picture.streams_of(worker) == streams
    )


def _settle(stage: Stage) -> None:
    stage.wait_until_all_heard_since(time.time())
    stage.wait_until_up_to_date()


if __name__ == "__main__":
    run_alone(sys.modules[__name__])  # type: ignore[arg-type]  # a module is what Part describes
