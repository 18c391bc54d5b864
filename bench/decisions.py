"""What a decision costs beside the rows that it must write, and how many streams it moves: `python -m bench.decisions`.

What happens to a fleet, and the limit, is in bench/cases.py, the peers are in bench/peers.py.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, cast

from bench import cases, peers
from bench.measure import Comparison, Result, result
from bench.part import Figures, Goal, Part, run_alone
from bench.plots import Plot, new_plot
from bench.report import milliseconds, progress
from bench.server import Server, Size, server

TITLE = "Decisions"

MOST_TIMES_THE_LIMIT = {cases.LOSE_ONE: 3.0, cases.FIRST_ASSIGNMENT: 1.5}
MOST_MS_FOR_NOTHING = 1.0
REASONS = {
    cases.LOSE_ONE: (
        "beside the rows, ours looks at every beat and every session lock, plans over the instances and records their "
        "loads, which grows with the instances and not with the streams; in a small fleet it is the number of "
        "statements that have to be started."
    ),
    cases.FIRST_ASSIGNMENT: (
        "in a small fleet it is that the session plans everything for the first time, as for the loss *first time in a "
        "session*; in a larger one the triggers go over every written row once more, for counters and digests."
    ),
    cases.NOTHING: (
        "the slowest is a pass over all instances: their beats and session locks, of which reading pg_locks is more "
        "than half, or their loads."
    ),
}


@dataclass(frozen=True)
class Effort:
    """How often each thing is measured at one size. Warm-up rounds, fewer than these, come on top."""

    first_assignments: int
    rounds: dict[str, int]
    nothing: int
    warm_up: int = 6  # PostgreSQL may plan a statement of a function anew five times


WHOLE = {
    Size(1_000, 50): Effort(
        first_assignments=7,
        rounds={
            cases.LOSE_ONE: 20,
            cases.LOSE_ONE_GOODBYE: 10,
            cases.LOSE_ONE_COLD: 10,
            cases.LOSE_TENTH: 6,
            cases.CAPACITY_HALVES: 10,
            cases.STREAMS_ADDED: 10,
            cases.LOSE_ONE_LISTENED: 10,
        },
        nothing=200,
    ),
    Size(10_000, 500): Effort(
        first_assignments=3,
        rounds={cases.LOSE_ONE: 15, cases.LOSE_TENTH: 3, cases.CAPACITY_HALVES: 8, cases.STREAMS_ADDED: 8},
        nothing=100,
    ),
    Size(100_000, 1_000): Effort(
        first_assignments=2,
        rounds={cases.LOSE_ONE: 10, cases.LOSE_TENTH: 1, cases.CAPACITY_HALVES: 5, cases.STREAMS_ADDED: 5},
        nothing=60,
    ),
    Size(1_000_000, 5_000): Effort(
        first_assignments=1,
        rounds={cases.LOSE_ONE: 5, cases.LOSE_TENTH: 1, cases.CAPACITY_HALVES: 3, cases.STREAMS_ADDED: 3},
        nothing=30,
    ),
}
QUICK = {
    Size(1_000, 50): Effort(
        first_assignments=2,
        rounds={cases.LOSE_ONE: 5, cases.LOSE_TENTH: 2, cases.CAPACITY_HALVES: 2, cases.STREAMS_ADDED: 2},
        nothing=20,
    ),
    Size(10_000, 500): Effort(
        first_assignments=1,
        rounds={cases.LOSE_ONE: 3, cases.STREAMS_ADDED: 2},
        nothing=10,
    ),
}


def measure(quick: bool) -> dict[str, Any]:
    results: list[Result] = []
    beside: list[peers.Outcome] = []
    with server() as measured:
        for size, effort in (QUICK if quick else WHOLE).items():
            progress(f"decisions: {size} streams / instances")
            found, by_rank = measure_size(measured, size, effort)
            results += found
            beside += by_rank
    sizes, seconds = (list(QUICK)[:1], 10) if quick else (list(WHOLE), 60)
    beside += peers.in_memory(sizes, seconds)
    return {
        "results": [asdict(each) for each in results],
        "peers": [asdict(each) for each in beside],
        "peer_seconds": seconds,
        "kafka_python": version("kafka-python"),
    }


def measure_size(measured: Server, size: Size, effort: Effort) -> tuple[list[Result], list[peers.Outcome]]:
    """Everything at one size. The fleet of the last first assignment is the one to which everything else happens."""
    first = Comparison(cases.FIRST_ASSIGNMENT)
    prepared = measured.prepare(size)
    for _ in range(effort.first_assignments - 1):
        with measured.clone(prepared, size) as fleet:
            cases.first_assignment(fleet, first)
    with measured.opened(prepared, size) as fleet:
        cases.first_assignment(fleet, first)
        events = cases.Events(fleet)
        for case, rounds in effort.rounds.items():
            progress(f"  {case}")
            if case == cases.LOSE_ONE_LISTENED:
                events.listen()
            events.repeat(case, rounds, min(rounds - 1, effort.warm_up))
        nothing = cases.nothing_to_do(fleet, effort.nothing, effort.warm_up)
        by_rank = peers.by_rank(fleet)
    return [result(first, size.streams, size.instances), *events.results(), *nothing], by_rank


def goals(figures: Figures) -> list[Goal]:
    return [
        *_goals_of_time(figures["results"]),
        *_goals_of_nothing(figures["results"]),
        _goal_of_moves(figures["results"]),
    ]


def _goals_of_time(results: Sequence[Figures]) -> Iterator[Goal]:
    for case, most in MOST_TIMES_THE_LIMIT.items():
        for each in results:
            if each["case"] == case:
                yield Goal(
                    what=f"{case}, {_size(each)}",
                    wanted=f"at most {most:g} × the limit",
                    found=f"{each['ratio']:.1f} × ({milliseconds(each['ours']['median_ms'])} ms)",
                    is_reached=each["ratio"] <= most,
                    reason=REASONS[case],
                )


def _goals_of_nothing(results: Sequence[Figures]) -> Iterator[Goal]:
    for size in dict.fromkeys(_size(each) for each in results):
        slowest = max(
            (each for each in results if _size(each) == size and each["case"].startswith(cases.NOTHING)),
            key=lambda each: each["ours"]["median_ms"],
        )
        yield Goal(
            what=f"nothing to do, {size}",
            wanted=f"under {MOST_MS_FOR_NOTHING:g} ms each",
            found=f"{milliseconds(slowest['ours']['median_ms'])} ms ({slowest['case'].removeprefix(cases.NOTHING)})",
            is_reached=slowest["ours"]["median_ms"] < MOST_MS_FOR_NOTHING,
            reason=REASONS[cases.NOTHING],
        )


def _goal_of_moves(results: Sequence[Figures]) -> Goal:
    decided = [each for each in results if each["moves"] is not None]
    with_more = [f"{each['case']} at {_size(each)}" for each in decided if each["rounds_with_more"]]
    return Goal(
        what="moves",
        wanted="the least possible in every decision",
        found=f"more in {', '.join(with_more)}"
        if with_more
        else f"so in all {sum(each['rounds'] for each in decided):,}",
        is_reached=not with_more,
    )


def plots(figures: Figures) -> dict[str, Plot]:
    return {"decisions-time": _plot_of_time(figures), "decisions-moves": _plot_of_moves(figures)}


def _plot_of_time(figures: Figures) -> Plot:
    lost = [each for each in figures["results"] if each["case"] == cases.LOSE_ONE]
    lines = {
        "ours": [(each["streams"], each["ours"]["median_ms"]) for each in lost],
        "the limit": [(each["streams"], each["raw"]["median_ms"]) for each in lost],
    }
    for each in figures["peers"]:
        if each["event"] == cases.LOSE_ONE and each["milliseconds"] is not None:
            lines.setdefault(each["peer"], []).append((each["streams"], each["milliseconds"]))
    plot = new_plot(7, 4)
    axes = plot.subplots()
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="streams", ylabel="ms", title="One instance is lost")
    axes.set_xticks([each["streams"] for each in lost], [_size(each) for each in lost])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    return plot


def _plot_of_moves(figures: Figures) -> Plot:
    """At the smallest size, where all of them have an answer to every event that moves something."""
    smallest = min(each["streams"] for each in figures["results"])
    beside = [each for each in figures["peers"] if each["streams"] == smallest and each["moves"]]
    events = list(dict.fromkeys(each["event"] for each in beside))
    made: dict[str, dict[str, float]] = {
        "least possible": {each["event"]: each["least_moves"] for each in beside},
        "ours": {
            each["case"]: each["moves"] / each["rounds"]
            for each in figures["results"]
            if each["streams"] == smallest and each["case"] in events
        },
    }
    for each in beside:
        made.setdefault(each["peer"], dict.fromkeys(events, 0))[each["event"]] = each["moves"]
    plot = new_plot(7, 4)
    axes = plot.subplots()
    width = 0.8 / len(made)
    for number, (name, by_event) in enumerate(made.items()):
        places = [place + width * number for place in range(len(events))]
        axes.bar(places, [by_event[event] for event in events], width, label=name)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(events))], events, fontsize=8)
    axes.set(yscale="log", ylabel="streams moved", title=f"Moves by event, {smallest:,} streams")
    axes.set_ylim(1, 1.5 * smallest)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
    return plot


def _size(each: Figures) -> str:
    return f"{each['streams']:,} / {each['instances']:,}"


if __name__ == "__main__":
    run_alone(cast(Part, sys.modules[__name__]))
