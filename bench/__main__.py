"""The command line of the benchmark: every part in one run, and the report."""

import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import click
import psutil

from bench import report
from bench.part import Part
from bench.plots import Plot
from bench.run import measure_all
from bench.server import server

RESULTS = Path(__file__).parent / "results"
PARTS = ("decisions", "beats", "listening", "failover", "hand_over", "growth", "wire")
PACKAGES = ("psycopg", "kafka-python", "kazoo", "matplotlib")


@click.command()
@click.option("--quick", is_flag=True, help="Small, two minutes, two at once: to see that it works, not to quote.")
@click.option("--part", "names", multiple=True, type=click.Choice(PARTS), help="Only this one; may be repeated.")
def main(quick: bool, names: Sequence[str]) -> None:
    """Measure every part of the orchestrator beside its limits and its peers, on servers of its own.

    Every run writes all its figures to bench/results. The whole run also writes docs/internals/benchmarks.md, its
    plots and its summary.
    """
    run = describe()
    parts: list[dict[str, Any]] = []
    plots: dict[str, Plot] = {}
    started = time.monotonic()
    for name, (load_average, figures) in zip(names or PARTS, measure_all(names or PARTS, quick), strict=True):
        run["load_average"][name] = load_average
        part = cast(Part, import_module(f"bench.{name}"))
        parts.append({"name": name, "title": part.TITLE, "goals": part.goals(figures), "figures": figures})
        plots |= part.plots(figures)
    run["load_average"]["end"] = os.getloadavg()[0]
    run["minutes"] = (time.monotonic() - started) / 60
    report.show([goal for part in parts for goal in part["goals"]])
    RESULTS.mkdir(exist_ok=True)
    kind = "-".join(names or ["quick" if quick else "whole"])
    file = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{kind}.json"
    file.write_text(report.as_json(run, parts))
    report.progress(f"figures in {file}")
    if not quick and not names:
        report.write(parts, run, plots)
        report.progress(f"page in {report.INTERNALS / 'benchmarks.md'}")


def describe() -> dict[str, Any]:
    """When, on what, and with which settings and versions."""
    with server() as measured:
        described = measured.describe()
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "server": described,
        "packages": {name: version(name) for name in PACKAGES},
        "load_average": {},
    }


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
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
