"""Explore for as long as one says: `python -m tests.explorer --help`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import SystemRandom

import click

from orchestrator.install.migrate import migrate
from orchestrator.lab.server import fast_directory, temporary_server
from orchestrator.logs import log
from orchestrator.names import Names
from tests.conftest import _FAST_SETTINGS, SCHEMA
from tests.explorer.actions import KINDS
from tests.explorer.faults import FAULTS
from tests.explorer.faults import planted as planted_in
from tests.explorer.ground import Ground
from tests.explorer.walk import Explorer, Found, enough
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
@click.option(
    "--seconds", type=float, default=60, show_default=True, help="For how long; for each planted fault at most."
)
@click.option("--seed", type=int, help="Of the dice; printed, for a run to be repeated.")
@click.option("--mode", type=click.Choice([*MODES, "both"]), default="both", show_default=True, help="Of hand-overs.")
@click.option("--only", help=f"Only these kinds, separated by commas: {', '.join(KINDS)}.")
@click.option("--planted", is_flag=True, help="Plant one fault after the other; after how many steps is each found?")
def main(seconds: float, seed: int | None, mode: str, only: str | None, planted: bool) -> None:
    """Walk through the real SQL, look at the laws after each step, and print what breaks one as a test.

    Exit status 1 when something was found, or a planted fault was not.
    """
    seed = SystemRandom().randrange(100_000) if seed is None else seed
    log.set_up(level="CRITICAL")  # what is refused is refused on purpose
    click.echo(f"seed {seed}, {mode}")
    kinds = frozenset(only.split(",") if only else KINDS)
    if unknown := kinds - KINDS.keys():
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}")
    modes = MODES if mode == "both" else (mode,)
    with fresh_ground() as ground:
        if planted:
            missed = [name for name in FAULTS if not _find(ground, name, seed, modes, kinds, seconds)]
            sys.exit(1 if missed else 0)
        explorer = Explorer(ground, seed, modes, kinds)
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


def _find(
    ground: Ground, name: str, seed: int, modes: Sequence[str], kinds: frozenset[str], seconds: float
) -> Found | None:
    """Look for a planted fault, and print a line about it."""
    with planted_in(ground, FAULTS[name]):
        explorer = Explorer(ground, seed, modes, kinds)
        until = enough(explorer, seconds=seconds)
        explorer.explore(lambda: until() or bool(explorer.found))
        found = next(iter(explorer.found.values()), None)
        if found is None:
            click.echo(f"{name}: not found in {explorer.steps} steps")
            return None
        shortest = explorer.shrink(found)
    click.echo(f"{name}: {found.steps} steps, {len(shortest.path)} are enough, {found.violation.kind}")
    click.echo("".join(f"    {step}\n" for step in shortest.path), nl=False)
    return found


if __name__ == "__main__":
    main()
