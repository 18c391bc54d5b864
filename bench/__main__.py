"""The command line of the benchmark."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psutil

from bench import cases, report, shim_memory
from bench.fleet import Server, Size, server
from bench.measure import Comparison, Result, result

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Effort:
    """How often each thing is measured at one size. Warm-up rounds come on top and are not counted."""

    first_assignments: int
    losses: int
    listened: int
    no_ops: int
    beat_blocks: int
    warm_up: int


WHOLE = {
    Size(1_000, 50): Effort(first_assignments=7, losses=40, listened=30, no_ops=300, beat_blocks=60, warm_up=8),
    Size(10_000, 500): Effort(first_assignments=5, losses=30, listened=0, no_ops=200, beat_blocks=60, warm_up=8),
    Size(100_000, 1_000): Effort(first_assignments=3, losses=20, listened=0, no_ops=100, beat_blocks=60, warm_up=8),
    # as many streams on each instance as in the largest fleet, and a hundredth of the streams
    Size(1_000, 10): Effort(first_assignments=1, losses=30, listened=0, no_ops=0, beat_blocks=0, warm_up=8),
}
QUICK = {
    Size(1_000, 50): Effort(first_assignments=2, losses=8, listened=5, no_ops=30, beat_blocks=10, warm_up=6),
    Size(10_000, 500): Effort(first_assignments=1, losses=5, listened=0, no_ops=20, beat_blocks=10, warm_up=6),
}


@click.command()
@click.option("--quick", is_flag=True, help="Few rounds and no large fleet: to see that it works, not to quote.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Where the figures go as JSON.")
def main(quick: bool, json_file: Path | None) -> None:
    """Measure the orchestrator beside the raw SQL that any solution must do, on a server of its own.

    The whole run also writes docs/benchmarks.md.
    """
    results: list[Result] = []
    beats: dict[str, cases.Beats] = {}
    with server() as measured:
        for size, effort in (QUICK if quick else WHOLE).items():
            report.progress(f"{size} streams / instances")
            found, beat = measure(measured, size, effort)
            results += found
            if beat is not None:
                beats[str(size)] = beat
        machine = describe_machine() | measured.describe()
    figures = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine,
        "results": [asdict(each) for each in results],
        "beats": [asdict(each) for each in beats.values()],
        "shim": shim_memory.measure(),
    }
    report.show(figures)
    json_file = json_file or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}{'-quick' if quick else ''}.json"
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(figures, indent=2) + "\n")
    report.progress(f"figures in {json_file}")
    if not quick:
        PAGE.write_text(report.page(figures))
        report.progress(f"page in {PAGE}")


def measure(measured: Server, size: Size, effort: Effort) -> tuple[list[Result], cases.Beats | None]:
    """Everything at one size. The fleet of the last first assignment is the one that instances are lost from."""
    first = Comparison(cases.FIRST_ASSIGNMENT)
    template = measured.prepare(size)
    for _ in range(effort.first_assignments - 1):
        with measured.clone(template, size) as fleet:
            cases.first_assignment(fleet, first)
    with measured.clone(template, size) as fleet:
        cases.first_assignment(fleet, first)
        results = [result(first, size.streams, size.instances)]
        losses = cases.Losses(fleet)
        results += losses.measure(effort.losses, effort.warm_up)
        if effort.no_ops:
            results += cases.no_op(fleet, effort.no_ops, effort.warm_up)
        beat = cases.beats(fleet, effort.beat_blocks) if effort.beat_blocks else None
        if effort.listened:
            results += losses.measure_listened(effort.listened, effort.warm_up)
    return results, beat


def describe_machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
