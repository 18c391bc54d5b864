"""orchestrator metrics: everything that is measured."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any

import click

from orchestrator.cli import answer, options, output
from orchestrator.database import db
from orchestrator.errors import OrchestratorError

COLUMNS = ("name", "labels", "value", "mean", "median", "p95")


@click.command()
@click.option("--prometheus", is_flag=True, help="Answer as text for Prometheus, such as for its node exporter.")
@options.watchable
def metrics(target: options.Target, prometheus: bool) -> None:
    """Everything that is measured: counters, gauges, and how long things take.

    Of what is counted by duration, value is how often it happened; median and p95 are the bounds of the buckets that
    hold them. docs/operating/metrics.md says what each means; GET /metrics of 'orchestrator serve' is what Prometheus
    scrapes.
    """
    if not prometheus:
        answer.look(target, _read, _show)
        return
    if target.json or target.watch is not None:
        raise click.UsageError("--prometheus stands alone, without --json and --watch")
    with target.connect() as conn:
        click.echo(_text(_read(conn)), nl=False)


def _read(conn: db.Connection) -> list[db.Row]:
    return db.call(conn, "metrics")


def _show(rows: list[db.Row]) -> None:
    answer.table([_line(row) for row in rows], COLUMNS, empty="nothing is measured")


def _text(rows: Sequence[db.Row]) -> bytes:
    try:
        from orchestrator.http import prometheus
    except ModuleNotFoundError as error:
        raise OrchestratorError(
            f"text for Prometheus needs {error.name}, which is not installed",
            hint="pip install 'radio-orchestrator[http]'",
        ) from error
    return prometheus.text(rows)[0]


def _line(row: db.Row) -> dict[str, Any]:
    labels = ", ".join(f"{label}={value}" for label, value in sorted(row["labels"].items()))
    line = dict.fromkeys(COLUMNS) | {"name": row["name"], "labels": labels}
    if row["kind"] != "histogram":
        return line | {"value": f"{row['value']:.12g}"}
    if not row["count"]:
        return line | {"value": "0"}
    return line | {
        "value": str(row["count"]),
        "mean": _duration(row["sum"] / row["count"]),
        "median": _quantile(row, 0.5),
        "p95": _quantile(row, 0.95),
    }


def _quantile(row: db.Row, part: float) -> str:
    """The bound of the bucket that this part of all observations does not exceed."""
    for bound, count in zip(row["bounds"], accumulate(row["counts"]), strict=False):
        if count >= part * row["count"]:
            return f"≤ {_duration(bound)}"
    return f"> {_duration(row['bounds'][-1])}"


def _duration(seconds: float) -> str:
    return output.duration(timedelta(seconds=seconds))
