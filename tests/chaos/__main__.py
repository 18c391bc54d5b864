"""Break a real fleet, watch the laws, and print what it cost: `python -m tests.chaos --help`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from random import SystemRandom

import click

from orchestrator.cli import output
from orchestrator.logs import log
from tests.chaos.faults import FAULTS
from tests.chaos.suite import HANDOFF_MODES, mode_of, run
from tests.chaos.table import show

MANY = "many"  # the second part


@click.command()
@click.option("--seed", type=int, help="Gives order, victims and hand-over mode; printed, for a run to be repeated.")
@click.option("--faults", "names", help=f"Only these, separated by commas: {', '.join([*FAULTS, MANY])}.")
@click.option("--handoff-mode", type=click.Choice(HANDOFF_MODES), help="Else the seed chooses.")
@click.option("--quick", is_flag=True, help="A small fleet and the quickest faults.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.option("--keep", is_flag=True, help="Keep the data directory and the logs of all processes.")
def main(seed: int | None, names: str | None, handoff_mode: str | None, quick: bool, as_json: bool, keep: bool) -> None:
    """Break a real fleet in every way there is, and check the laws all the time.

    Exit status 1 when a law was broken or a fault did not heal.
    """
    seed = SystemRandom().randrange(100_000) if seed is None else seed
    log.set_up(level="CRITICAL")  # what fails here fails on purpose
    mode = handoff_mode or mode_of(seed)
    click.echo(f"seed {seed}, {mode}", err=True)
    chosen = names.split(",") if names is not None else _usual(quick)
    if unknown := set(chosen) - {*FAULTS, MANY}:
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--faults")
    faults = [FAULTS[name] for name in chosen if name != MANY]
    result = run(faults, seed=seed, mode=mode, quick=quick, many=MANY in chosen, keep=keep)
    if as_json:
        output.as_json_text({"ok": result.ok, **asdict(result)})
    else:
        show(result)
    sys.exit(0 if result.ok else 1)


def _usual(quick: bool) -> list[str]:
    names = [fault.name for fault in FAULTS.values() if not fault.hidden and (fault.quick or not quick)]
    return names if quick else [*names, MANY]


if __name__ == "__main__":
    main()
