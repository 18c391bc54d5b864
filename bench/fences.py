"""What the fence costs a writer of batches: `python -m bench.fences`.

Batches of 100 rows of 100 streams, each one transaction, written in turns without a fence, with `assert_current` before
each row, with `is_current` in the where, and through the trigger `skip_refused`: row by row, as the queue of a host
does, and as one statement. All rows are current. Rows a second and the server's CPU are those of the median round,
ratios the median of the ratios within a round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from bench.server import SERVER_SETTINGS, session_cpu_milliseconds, statement
from orchestrator.database import db
from orchestrator.lab import ledger
from orchestrator.lab.server import temporary_server

ROWS = 100
KINDS = {"no fence": "plain", "assert_current": "raising", "is_current": "is_current", "skip_refused": "skipping"}

Write = Callable[[], None]


@dataclass(frozen=True)
class Writer:
    """One session that writes batches of one row for each of a hundred streams."""

    conn: db.Connection

    def row_by_row(self, table: str) -> Write:
        rows = [{"stream": stream, "epoch": 7} for stream in range(1, ROWS + 1)]
        insert = statement(
            "fences/row_if_current.sql" if table == "is_current" else "fences/row.sql", table=table, fence=ledger.FENCE
        )
        check = statement("fences/assert.sql", fence=ledger.FENCE)

        def write() -> None:
            with self.conn.transaction():
                for row in rows:
                    if table == "raising":
                        self.conn.execute(check, row, prepare=True)
                    self.conn.execute(insert, row, prepare=True)

        return write

    def at_once(self, table: str) -> Write:
        batch: dict[str, Any] = {"streams": list(range(1, ROWS + 1)), "epochs": [7] * ROWS}
        insert = statement(
            "fences/batch_if_current.sql" if table == "is_current" else "fences/batch.sql",
            table=table,
            fence=ledger.FENCE,
        )
        check = statement("fences/assert_batch.sql", fence=ledger.FENCE)

        def write() -> None:
            with self.conn.transaction():
                if table == "raising":
                    self.conn.execute(check, batch, prepare=True)
                self.conn.execute(insert, batch, prepare=True)

        return write


@dataclass(frozen=True)
class Figures:
    """Of one kind in one round: rows a second, and microseconds of the server's CPU for each."""

    rows: float
    cpu: float


def run(conn: db.Connection, write: Write, batches: int) -> Figures:
    """So many batches, one after the other."""
    cpu, began = session_cpu_milliseconds(conn), time.perf_counter()
    for _ in range(batches):
        write()
    rows, seconds = ROWS * batches, time.perf_counter() - began
    return Figures(rows / seconds, 1000 * (session_cpu_milliseconds(conn) - cpu) / rows)


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.option("--batches", default=30, show_default=True, help="In each round, of each kind.")
def main(rounds: int, batches: int) -> None:
    """Rows a second through each kind of fence, in batches of 100."""
    with temporary_server("orch-bench-", settings=SERVER_SETTINGS) as server, ledger.connect(server.dsn(), "b") as conn:
        ledger.install_fence(conn)
        conn.execute(statement("fences/tables.sql", fence=ledger.FENCE))
        writer = Writer(conn)
        for name, way in (("row by row", writer.row_by_row), ("one statement", writer.at_once)):
            found = measure(conn, {kind: way(table) for kind, table in KINDS.items()}, rounds, batches)
            click.echo(f"{name:<14} {'rows/s':>8} {'ratio':>6} {'µs CPU a row':>13}")
            for kind in KINDS:
                figures = [each[kind] for each in found]
                ratio = statistics.median(each[kind].rows / each["no fence"].rows for each in found)
                click.echo(
                    f"{kind:<14} {statistics.median(each.rows for each in figures):8,.0f} {ratio:6.2f}"
                    f" {statistics.median(each.cpu for each in figures):13.1f}"
                )


def measure(conn: db.Connection, writes: dict[str, Write], rounds: int, batches: int) -> list[dict[str, Figures]]:
    """Each kind in each round, in turns; the first round warms up."""
    found = [{kind: run(conn, write, batches) for kind, write in writes.items()} for _ in range(rounds + 1)]
    return found[1:]


if __name__ == "__main__":
    main()
