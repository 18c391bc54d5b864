"""What people see: tables on the terminal, and docs/benchmarks.md."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table

Figures = Mapping[str, Any]

COLUMNS = (
    "",
    "rounds",
    "rows",
    "ours ms",
    "p95",
    "CPU",
    "raw ms",
    "p95",
    "CPU",
    "ratio",
    "µs per row",
    "WAL ours",
    "WAL raw",
)

_console = Console(width=None if Console().is_terminal else 170)
_stderr = Console(stderr=True)


def progress(text: str) -> None:
    _stderr.print(text, highlight=False)


def show(figures: Figures) -> None:
    for streams, instances, results in by_size(figures["results"]):
        table = Table(title=f"{streams:,} streams on {instances:,} instances", title_justify="left")
        for index, column in enumerate(COLUMNS):
            table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
        for each in results:
            table.add_row(*cells(each))
        _console.print(table)
    for line in remarks(figures):
        _console.print(f"- {line}", highlight=False)


def page(figures: Figures) -> str:
    """docs/benchmarks.md."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    sizes = [
        {"streams": streams, "instances": instances, "rows": [cells(each) for each in results]}
        for streams, instances, results in by_size(figures["results"])
    ]
    return environment.get_template("page.md.j2").render(
        figures=figures, columns=COLUMNS, sizes=sizes, remarks=list(remarks(figures))
    )


def by_size(results: Sequence[Figures]) -> Iterator[tuple[int, int, list[Figures]]]:
    for (streams, instances), group in groupby(results, key=lambda each: (each["streams"], each["instances"])):
        yield streams, instances, list(group)


def cells(each: Figures) -> list[str]:
    ours, raw, per_row = each["ours"], each["raw"], each["microseconds_per_row"]
    return [
        each["case"],
        str(each["rounds"]),
        f"{each['rows']:,}",
        milliseconds(ours["median_ms"]),
        milliseconds(ours["p95_ms"]),
        milliseconds(ours["cpu_ms"]),
        milliseconds(raw["median_ms"]),
        milliseconds(raw["p95_ms"]),
        milliseconds(raw["cpu_ms"]),
        f"{each['ratio']:.1f}",
        f"{per_row:,.0f}" if per_row is not None else "",
        f"{ours['wal_bytes']:,}",
        f"{raw['wal_bytes']:,}",
    ]


def milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def remarks(figures: Figures) -> Iterator[str]:
    """What the figures say of the goals."""
    results = figures["results"]
    small = find(results, "lose one instance (watch_instances)", 1_000, 50)
    if small is not None:
        yield (
            f"Losing one of 50 instances with 1,000 streams: {milliseconds(small['ours']['median_ms'])} ms "
            f"(goal 5 ms) for {small['rows']} streams, {small['ratio']:.1f} times the raw SQL."
        )
    large = find(results, "lose one instance (watch_instances)", 100_000, 1_000)
    same = find(results, "lose one instance (watch_instances)", 1_000, 10)
    if small is not None and large is not None:
        # CPU, because the two were measured minutes apart and the machine may have been busier in one of them
        per_row = [1000 * each["ours"]["cpu_ms"] / each["rows"] for each in (large, small)]
        yield (
            f"Per moved stream, 100,000/1,000 costs {per_row[0] / per_row[1]:.2f} times what 1,000/50 costs "
            f"({per_row[0]:.0f} and {per_row[1]:.0f} µs of CPU)."
        )
    if same is not None and large is not None:
        ours, raw = (large[side]["cpu_ms"] / same[side]["cpu_ms"] for side in ("ours", "raw"))
        yield (
            f"Moving {large['rows']} streams among 100,000 on 1,000 instances takes {ours:.2f} times the CPU of moving "
            f"{same['rows']} among 1,000 on 10 (raw SQL: {raw:.2f} times)."
        )
    for beat in figures["beats"]:
        compared = beat["comparison"]
        yield (
            f"Beats at {compared['streams']:,}/{compared['instances']:,}: {beat['per_second']:,.0f} a second on one "
            f"connection (one-row update: {beat['raw_per_second']:,.0f}), round trips {beat['round_trips']}, "
            f"HOT {100 * beat['hot_part']:.1f} %, median {milliseconds(compared['ours']['median_ms'])} ms "
            f"({milliseconds(compared['raw']['median_ms'])}), WAL {compared['ours']['wal_bytes']:,} bytes "
            f"({compared['raw']['wal_bytes']:,})."
        )
    shim = figures["shim"]
    yield (
        f"A worker with {shim['streams']} streams, handlers that do nothing: {shim['coroutines']['rss_mib']:.0f} MiB "
        f"resident with coroutines, {shim['threads']['rss_mib']:.0f} MiB with threads "
        f"({shim['idle']['rss_mib']:.0f} MiB without streams; goal {shim['goal_mib']} MiB)."
    )


def find(results: Sequence[Figures], case: str, streams: int, instances: int) -> Figures | None:
    wanted = (case, streams, instances)
    return next((each for each in results if (each["case"], each["streams"], each["instances"]) == wanted), None)
