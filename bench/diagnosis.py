"""How long health(), diagnose() and metrics() take on a fleet that is well: `python -m bench.diagnosis`.

Milliseconds: the least and the median as a client sees them, with planning and round trip, and the median of what the
server process was on a CPU for, which is the steadier figure on a busy machine. The parts that they are made of
beside them, because the sum has to be found somewhere; and what it takes to write the metrics as text for Prometheus.
"""

import statistics
from collections.abc import Callable
from functools import partial

import click
from psycopg import sql

from bench.server import MeasuredFleet, Size, server
from orchestrator.database import db
from orchestrator.http import prometheus

SIZES = (Size(1_000, 50), Size(10_000, 500), Size(100_000, 1_000))


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.option("--largest", default=10_000, show_default=True, help="No fleet with more streams than this.")
def main(rounds: int, largest: int) -> None:
    """How long looking takes, at each size."""
    click.echo(f"{'streams / instances':>20}  {'':<24} {'least':>8} {'median':>8} {'CPU':>8}")
    with server() as measured:
        for size in (size for size in SIZES if size.streams <= largest):
            with measured.clone(measured.prepare(size), size) as fleet:
                fleet.run("job.sql", job="settle")
                fleet.run("confirm_all.sql")
                fleet.run("beats_are_now.sql")
                fleet.vacuum()
                for name in ("health", "diagnose", "metrics", "http_metrics"):
                    _measure(fleet, name, rounds, partial(db.call, fleet.conn, name))
                rows = db.call(fleet.conn, "metrics")
                _measure(fleet, f"metrics as text ({len(rows):,})", rounds, partial(prometheus.text, rows))
                for name in _parts(fleet):
                    _measure(fleet, f"  {name}", rounds, partial(_call_part, fleet, name))


def _parts(fleet: MeasuredFleet) -> list[str]:
    rows = fleet.conn.execute(
        "select proname from pg_proc where pronamespace = %s::regnamespace "
        "and proname ~ '^(findings|check|metrics)_' and proretset and pronargs = 0 order by 1",
        [fleet.conn.names.private],
    ).fetchall()
    return [row["proname"] for row in rows]


def _call_part(fleet: MeasuredFleet, name: str) -> None:
    fleet.conn.execute(sql.SQL("select * from {}()").format(sql.Identifier(fleet.conn.names.private, name)))


def _measure(fleet: MeasuredFleet, name: str, rounds: int, call: Callable[[], object]) -> None:
    call()
    samples = []
    for _ in range(rounds):
        with fleet.stopwatch(fleet.conn) as stopwatch:
            call()
        samples.append(stopwatch)
    seen = [each.milliseconds for each in samples]
    on_cpu = statistics.median(each.cpu_milliseconds for each in samples)
    click.echo(f"{fleet.size!s:>20}  {name:<24} {min(seen):8.1f} {statistics.median(seen):8.1f} {on_cpu:8.1f}")


if __name__ == "__main__":
    main()
