"""What losses, departures, joins, restarts and crashes do to 850 streams, ours beside kazoo's SetPartitioner.

And, for ours, what they do to real audio: seconds lost and written twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from bench import scenario
from bench.contenders import Settings, peer_versions, zookeeper_is_installed
from bench.part import Figures, Goal, run_alone
from bench.plots import Plot, new_plot

TITLE = "Failover and hand-over"

# Nothing but handoff_mode and how soon a death is noticed differs from the defaults; other values were not searched.
MAKE_BEFORE_BREAK = {"handoff_mode": "make_before_break"}
NOTICES_SOON = {
    "disconnect_grace": "4 seconds",
    "heartbeat_interval": "1 second",
    "heartbeat_warning": "2 seconds",
    "heartbeat_timeout": "4 seconds",
}
SETTINGS = {
    "ours": Settings(kazoo=False),
    "ours, make before break": Settings(kazoo=False, values=MAKE_BEFORE_BREAK),
    "ours, tuned": Settings(kazoo=False, values=NOTICES_SOON),
    "kazoo": Settings(kazoo=True),
    "kazoo, tuned": Settings(kazoo=True, session_timeout=4, time_boundary=1, tick_time=1000),
    "kazoo, tuned, rendezvous": Settings(
        kazoo=True, session_timeout=4, time_boundary=1, tick_time=1000, function="rendezvous"
    ),
}
PLANNED = ("join", "drain")
DEATHS = ("kill", "hang")  # a hang comes last: it may take minutes, in which others are measured
EVENTS = ("kill", *PLANNED, "rolling restart", "coordinator crash")
AUDIO_FAULTS = ("drain", "worker-kill", "rolling-suspend", "crash-20s")  # the suite lets one join for each that is gone
AUDIO_MODES = ("break_before_make", "make_before_break")


@dataclass(frozen=True)
class Plan:
    """What is measured. Steps follow each other; what stands in one step is measured at the same time."""

    streams: int
    workers: int
    steps: Sequence[Mapping[str, Sequence[str]]]
    audio_faults: Sequence[str]
    audio_modes: Sequence[str]
    quick: bool


# Each of the tuned peers has the machine for itself; who shares it is ours, or waits most of the time.
WHOLE = Plan(
    streams=850,
    workers=8,
    steps=(
        # a hang before the crash: when most were silent together, silence is believed restart_grace later
        {
            "ours": (*EVENTS, "hang"),
            "ours, make before break": EVENTS,
            "ours, tuned": (*DEATHS, "coordinator crash"),
        },
        {"kazoo, tuned": (*EVENTS, "hang")},
        {"kazoo, tuned, rendezvous": EVENTS},
        {"kazoo": DEATHS},
    ),
    audio_faults=AUDIO_FAULTS,
    audio_modes=AUDIO_MODES,
    quick=False,
)
QUICK = Plan(
    streams=80,
    workers=4,
    steps=({"ours, make before break": ("drain",), "ours, tuned": ("kill",), "kazoo, tuned": ("kill",)},),
    audio_faults=("drain",),
    audio_modes=("make_before_break",),
    quick=True,
)


def measure(quick: bool) -> dict[str, Any]:
    """Ours, and the peer where ZooKeeper is installed. Quick: fewer streams, workers and events, all at once."""
    plan = QUICK if quick else WHOLE
    has_peer = zookeeper_is_installed()
    contenders: dict[str, Future[dict[str, Any]]] = {}
    # a process each: what one of them does with its log must not delay another
    with ProcessPoolExecutor(len(SETTINGS) + len(AUDIO_MODES), get_context("spawn")) as pool:
        for number, step in enumerate(plan.steps, start=1):
            started = {
                name: pool.submit(scenario.measure, name, SETTINGS[name], events, plan.streams, plan.workers)
                for name, events in step.items()
                if has_peer or not SETTINGS[name].kazoo
            }
            contenders |= started
            if number < len(plan.steps):
                # ours, whose last event is to wait for a hang, goes on meanwhile
                wait([future for name, future in started.items() if name != "ours"])
        audio = {mode: pool.submit(listen, plan.audio_faults, mode, quick) for mode in plan.audio_modes}
        found = {name: contenders[name].result() for name in SETTINGS if name in contenders}
        heard = {mode: future.result() for mode, future in audio.items()}
    return {
        "streams": plan.streams,
        "workers": plan.workers,
        "events": list(EVENTS),
        "deaths": list(DEATHS),
        "outage": scenario.OUTAGE,
        "settings": {name: SETTINGS[name].shown for name in found},
        "contenders": found,
        "versions": peer_versions() if has_peer else {},
        "missing": None
        if has_peer
        else "ZooKeeper is not installed (Debian: zookeeperd), so the peer was not measured",
        "audio": heard,
    }


def listen(faults: Sequence[str], mode: str, quick: bool) -> dict[str, Any]:
    """Seconds of real audio, from the ledger of the chaos suite, and the laws that were broken meanwhile."""
    command = [sys.executable, "-m", "tests.chaos", "--seed", "1", "--handoff-mode", mode, "--json"]
    command += ["--faults", ",".join(faults), *(["--quick"] if quick else [])]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(finished.stdout)
    keys = ("fault", "times", "lost", "twice", "moves", "least_moves", "heard_again_after")
    return {
        "rows": [{key: row[key] for key in keys} for row in result["rows"]],
        "broken": [f"{breach['act']}: {breach['detail']}" for breach in result["breaches"]],
        "failures": list(result["failures"]),
    }


def goals(figures: Figures) -> list[Goal]:
    """What is promised for ours."""
    contenders = {name: events for name, events in figures["contenders"].items() if not SETTINGS[name].kazoo}
    every = [(name, event, row) for name, events in contenders.items() for event, row in events.items()]
    found = []
    if kills := [row for _, event, row in every if event == "kill"]:
        slowest = max(row["whole_after"] for row in kills)
        is_reached = all(row["is_whole"] for row in kills) and slowest <= 60
        found.append(Goal("kill -9 of a worker, whole again", "within 60 s", f"{slowest:.1f} s", is_reached))
    found.append(_none("streams moved needlessly, all events", sum(row["needless"] for *_, row in every)))
    twice = [row["twice"] for name, _, row in every if SETTINGS[name].values is not MAKE_BEFORE_BREAK]
    if twice:
        found.append(_none("streams run by two at once, all events, break before make", sum(twice)))
    if crashes := [row["interrupted"] for _, event, row in every if event == "coordinator crash"]:
        found.append(_none("streams interrupted by a database crash", sum(crashes)))
    planned = [
        row["interrupted"] for event, row in contenders.get("ours, make before break", {}).items() if event in PLANNED
    ]
    if planned:
        found.append(_none("streams interrupted by planned moves, make before break", sum(planned)))
    return found + _goals_in_audio(figures["audio"])


def _goals_in_audio(audio: Mapping[str, Any]) -> list[Goal]:
    rows = [(mode, row) for mode, heard in audio.items() for row in heard["rows"]]
    planned = [
        row["lost"] for mode, row in rows if mode == "make_before_break" and row["fault"] in ("drain", "worker-join")
    ]
    crashes = [row["lost"] for _, row in rows if row["fault"].startswith("crash")]
    found = []
    if planned:
        found.append(_none("audio lost by planned moves, make before break", sum(planned), " s"))
    if crashes:
        found.append(_none("audio lost by a database crash", sum(crashes), " s"))
    found.append(_none("audio written twice, all events", sum(row["twice"] for _, row in rows), " s"))
    troubles = sum(len(heard["broken"]) + len(heard["failures"]) for heard in audio.values())
    found.append(_none("laws of the chaos suite broken, faults that did not heal", troubles))
    return found


def _none(what: str, count: int, unit: str = "") -> Goal:
    return Goal(what, f"0{unit}", f"{count}{unit}", count == 0)


def plots(figures: Figures) -> dict[str, Plot]:
    """The longest that one stream was unheard, by event and contender; no bar where one was not asked."""
    figure = new_plot(9, 4, layout="constrained")
    axes = figure.subplots()
    contenders = figures["contenders"]
    events = [event for event in (*EVENTS, "hang") if any(event in found for found in contenders.values())]
    width = 0.8 / len(contenders)
    for number, (contender, found) in enumerate(contenders.items()):
        places = [index + number * width for index, event in enumerate(events) if event in found]
        axes.bar(places, [found[event]["gap_max"] for event in events if event in found], width, label=contender)
    axes.set_xticks([index + 0.4 - width / 2 for index in range(len(events))], events)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylabel("longest that one stream was unheard, seconds")
    axes.legend()
    return {"failover-gaps": figure}


if __name__ == "__main__":
    run_alone(sys.modules[__name__])  # type: ignore[arg-type]  # a module is what Part describes
