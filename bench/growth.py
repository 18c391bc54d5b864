"""F. Growth: a year of history, purging it, memory over an hour of churn, and a worker with a thousand streams.

`python -m bench.growth [--quick]` runs it alone.
"""

import sys
from typing import Any

from bench import churn, history, shim_memory
from bench.history import Amount
from bench.part import Figures, Goal, run_alone
from bench.plots import Plot, new_plot
from bench.report import progress
from bench.server import Size, server

TITLE = "Growth"

_LOOK_MS = 50
_ROWS_OF_A_RUN = 5_000
_GROWN_MIB = 1.0
_HELD_UP_MS = 100
_WHERE_LOOKS_WAIT = (
    "the server answers for a day's decisions in 0.4 ms; the client reads a thousand rows with their JSON in 20 to 40, "
    "and in one of ten looks Python's garbage collector adds 40 to 90. explain_instance unpacks the details of the "
    "last 10,000 decisions, nearly all of its time: 28 ms on this machine at its best, and twice that at its worst."
)
_LOCKS_OF_ROWS = {"relation RowExclusiveLock", "relation RowShareLock"}


def measure(quick: bool) -> dict[str, Any]:
    """Some five minutes; half a minute when quick."""
    size = Size(1_000, 50) if quick else Size(10_000, 500)
    amount = Amount(days=60, decisions=100, moves=10) if quick else Amount(days=365, decisions=1_000, moves=7)
    rounds = 3 if quick else 20
    figures: dict[str, Any] = {"quick": quick, "streams": size.streams, "instances": size.instances}
    with server() as measured, measured.clone(measured.prepare(size), size) as fleet:
        progress("  a year of history")
        figures["history"] = history.build(fleet, amount)
        figures["looks"] = history.look(fleet, rounds)
        figures["indexes"] = history.index_costs(fleet, 10 * rounds)
        figures["partitions"] = history.partitions(fleet, rounds)
        progress("  purging it")
        figures["purge"] = history.purge(fleet, amount, quiet_seconds=2 if quick else 15)
    progress("  churn")
    figures["churn"] = churn.measure(6 if quick else 240)
    progress("  a worker with a thousand streams")
    figures["shim"] = shim_memory.measure(
        200 if quick else 1_000, kinds=("coroutines", "threads"), seconds=1 if quick else 30
    )
    return figures


def goals(figures: Figures) -> list[Goal]:
    return [
        _goal_of_looks(figures["looks"], figures["history"]["days"]),
        *_goals_of_purge(figures["purge"]),
        *(_goal_of_memory(name, figures["churn"]) for name in churn.KINDS),
    ]


def _goal_of_looks(looks: list[dict[str, Any]], days: int) -> Goal:
    counted = [each for each in looks if each["kind"] != "whole"]
    slow = [each for each in counted if each["p95_ms"] >= _LOOK_MS]
    slowest = max(counted, key=lambda each: each["p95_ms"])
    return Goal(
        f"Views and explain over {days} days of history, p95",
        f"each of {len(counted)} under {_LOOK_MS} ms",
        f"{len(slow)} above; the slowest, {slowest['question']}, {slowest['p95_ms']:.1f} ms",
        not slow,
        _WHERE_LOOKS_WAIT,
    )


def _goals_of_purge(purge: Figures) -> list[Goal]:
    calls = [purge[name] for name in ("beats", "decisions")]
    beats, decisions = (f"{each['purging']['p95_ms']:.1f} ms (quiet {each['quiet']['p95_ms']:.1f})" for each in calls)
    return [
        Goal(
            "Purge keeps up, in small batches",
            f"at most {_ROWS_OF_A_RUN:,} rows a run, and a day's rows within a minute",
            f"{purge['most_rows_of_a_run']:,} rows at most; {purge['rows_deleted']:,} rows in {purge['runs']:,} runs "
            f"and {purge['seconds']:.1f} s, a day's {purge['rows_a_day']:,} in {purge['seconds_a_day']:.2f} s",
            purge["most_rows_of_a_run"] <= _ROWS_OF_A_RUN and purge["seconds_a_day"] < 60,
        ),
        Goal(
            "Purge takes no long lock",
            f"locks of rows only, no run over a second; beats and decisions meanwhile within {_HELD_UP_MS} ms (p95)",
            f"{', '.join(purge['locks'])}; longest run {purge['run_max_ms']:.0f} ms; "
            f"beats {beats}, decisions {decisions}",
            set(purge["locks"]) <= _LOCKS_OF_ROWS
            and purge["run_max_ms"] < 1_000
            and all(each["purging"]["p95_ms"] <= _HELD_UP_MS for each in calls),
        ),
    ]


def _goal_of_memory(name: str, churned: Figures) -> Goal:
    grown = churned[name]
    return Goal(
        f"Memory of the {name} over {churned['hours']} hours of churn",
        f"flat: less than {_GROWN_MIB:.0f} MiB more over the second half",
        f"{grown['grown_mib']:+.2f} MiB ({grown['half_mib']:.1f} → {grown['last_mib']:.1f} MiB; "
        f"{churned['moves']:,} moves and {churned['runs']:,} runs of jobs in {churned['seconds']} s)",
        grown["grown_mib"] < _GROWN_MIB,
    )


def plots(figures: Figures) -> dict[str, Plot]:
    return {"growth-purge": _plot_purge(figures["purge"]), "growth-memory": _plot_memory(figures["churn"])}


def _plot_purge(purge: Figures) -> Plot:
    figure = new_plot(8, 5, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    deleted, at, total = [0], [0.0], 0
    for began, rows, _ in purge["progress"]:
        total += rows
        at.append(began)
        deleted.append(total)
    above.plot(at, [rows / 1e6 for rows in deleted])
    above.set_ylabel("million rows deleted")
    # thousands of dots: as a snapshot in the SVG they take a hundredth of the lines
    below.plot(*zip(*purge["beats_raw"], strict=True), ".", markersize=2, alpha=0.5, rasterized=True)
    below.axvspan(0, purge["seconds"], alpha=0.1)
    below.set_yscale("log")
    below.set_ylabel("a beat, ms")
    below.set_xlabel("seconds since the purge began")
    return figure


def _plot_memory(churned: Figures) -> Plot:
    figure = new_plot(8, 3.5, layout="constrained")
    axes = figure.subplots()
    for name in churn.KINDS:
        axes.plot([at for at, _ in churned["samples"]], [mib[name] for _, mib in churned["samples"]], label=name)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("resident, MiB")
    axes.set_xlabel(f"seconds ({churned['hours']} hours of a driver's jobs, {churned['moves']:,} moves)")
    axes.legend()
    return figure


if __name__ == "__main__":
    run_alone(sys.modules[__name__])  # type: ignore[arg-type]  # a module is what Part describes
