"""How long health() and diagnose() take on a fleet that is well: `python -m bench.looking`.

Every call as a client sees it, on one connection, with planning and round trip; the functions that diagnose() is made
of beside it, because the sum has to be found somewhere.
"""

import statistics
import time
from collections.abc import Callable

import click
from psycopg import sql

from bench.fleet import Fleet, Size, server
from orchestrator import db

SIZES = (Size(1_000, 50), Size(10_000, 500), Size(100_000, 1_000))


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.option("--largest", default=10_000, show_default=True, help="No fleet with more streams than this.")
def main(rounds: int, largest: int) -> None:
    """Milliseconds, the median and the slowest, at each size."""
    with server() as measured:
        for size in SIZES:
            if size.streams > largest:
                continue
            with measured.clone(measured.prepare(size), size) as fleet:
                fleet.run("job.sql", job="settle")
                fleet.run("confirm_all.sql")
                fleet.run("beats_are_now.sql")
                fleet.vacuum()
                for name in ("health", "diagnose"):
                    _show(size, name, _median(rounds, lambda name=name: db.call(fleet.conn, name)))  # type: ignore[misc]  # a default of a lambda has no type
                for name in _parts(fleet):
                    _show(size, f"  {name}", _median(rounds, lambda name=name: _part(fleet, name)))  # type: ignore[misc]  # the same


def _parts(fleet: Fleet) -> list[str]:
    rows = fleet.conn.execute(
        "select proname from pg_proc where pronamespace = %s::regnamespace "
        "and (proname like 'findings%%' or proname like 'check%%') and proretset order by 1",
        [fleet.conn.names.private],
    ).fetchall()
    return [row["proname"] for row in rows]


def _part(fleet: Fleet, name: str) -> None:
    fleet.conn.execute(sql.SQL("select * from {}()").format(sql.Identifier(fleet.conn.names.private, name)))


def _median(rounds: int, call: Callable[[], object]) -> list[float]:
    call()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - began))
    return found


def _show(size: Size, name: str, found: list[float]) -> None:
    click.echo(f"{size!s:>16}  {name:<28} {statistics.median(found):8.1f} {max(found):8.1f}")


if __name__ == "__main__":
    main()
