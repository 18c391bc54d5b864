"""Explore for as long as one says: `python -m tests.explorer --help`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import SystemRandom

import click

from orchestrator.install.migrate import migrate
from orchestrator.lab.server import fast_directory, temporary_server
from orchestrator.logs import log
from orchestrator.names import Names
from tests.conftest import _FAST_SETTINGS, SCHEMA
from tests.explorer.actions import KINDS, WITHHELD
from tests.explorer.ground import Ground
from tests.explorer.walk import USUAL, Explorer, Found, enough
from tests.explorer.world import MODES
from tests.support import Clock, Database


@contextmanager
def fresh_ground() -> Iterator[Ground]:
    """On a server of its own."""
    with temporary_server(within=fast_directory(), settings=_FAST_SETTINGS) as server:
        dsn = server.dsn()
        migrate(dsn, SCHEMA)
        database = Database(dsn, Names.for_schema(SCHEMA))
        Clock(database.connect()).install()
        yield Ground(database)
        database.close()


@click.command()
@click.option("--seconds", type=float, default=60, show_default=True, help="For how long.")
@click.option("--seed", type=int, help="Of the dice; printed, for a run to be repeated.")
@click.option("--mode", type=click.Choice([*MODES, "both"]), default="both", show_default=True, help="Of hand-overs.")
@click.option("--also", help=f"Kinds of actions that are withheld: {', '.join(sorted(WITHHELD))}.")
@click.option("--only", help=f"Only these kinds, separated by commas: {', '.join(KINDS)}.")
@click.option(
    "--planted", is_flag=True, help="Plant one fault after the other, and show after how many steps each is found."
)
def main(seconds: float, seed: int | None, mode: str, also: str | None, only: str | None, planted: bool) -> None:
    """Walk through the real SQL, look at the laws after each step, and print what breaks one as a test.

    Exit status 1 when something was found, or a planted fault was not.
    """
    seed = SystemRandom().randrange(100_000) if seed is None else seed
    log.set_up(level="CRITICAL")  # what is refused is refused on purpose
    click.echo(f"seed {seed}, {mode}")
    kinds = set(only.split(",")) if only else USUAL | set(also.split(",") if also else ())
    if unknown := kinds - KINDS.keys():
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}")
    with fresh_ground() as ground:
        explorer = Explorer(ground, seed, MODES if mode == "both" else (mode,), kinds)
        began = time.monotonic()
        explorer.explore(enough(explorer, seconds=seconds), report=lambda found: _tell(explorer, found))
        minutes = (time.monotonic() - began) / 60
    click.echo(
        f"{explorer.steps} steps, {explorer.walks} walks, {explorer.leaves} paths to their ends"
        f" in {minutes:.1f} minutes ({explorer.steps / minutes:.0f} steps a minute)"
    )
    click.echo(", ".join(f"{action} {count}" for action, count in explorer.taken.most_common()))
    sys.exit(1 if explorer.found else 0)


def _tell(explorer: Explorer, found: Found) -> None:
    shortest = explorer.shrink(found)
    click.echo(f"\nfound after {found.steps} steps, {len(found.path)} of them on its path:\n")
    click.echo(shortest.as_test())


if __name__ == "__main__":
    main()
