"""Break a real fleet, watch the laws, and print what it cost: `python -m tests.chaos --help`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from random import SystemRandom

import click

from orchestrator import log
from orchestrator.cli import output
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.laws import Law
from tests.chaos.suite import Result, run


@click.command()
@click.option("--seed", type=int, help="Gives the order and the victims; printed, so that a run can be repeated.")
@click.option("--faults", "names", help=f"Only these, separated by commas: {', '.join(FAULTS)}.")
@click.option("--quick", is_flag=True, help="A small fleet and the quickest faults.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.option("--keep", is_flag=True, help="Keep the data directory and the logs of all processes.")
def main(seed: int | None, names: str | None, quick: bool, as_json: bool, keep: bool) -> None:
    """Break a real fleet in every way there is, and check the laws all the time.

    Exit status 1 when a law was broken or a fault did not heal.
    """
    seed = SystemRandom().randrange(100_000) if seed is None else seed
    log.set_up(level="CRITICAL")  # what fails here fails on purpose
    click.echo(f"seed {seed}", err=True)
    result = run(_chosen(names, quick), seed=seed, quick=quick, keep=keep)
    if as_json:
        output.as_json_text({"ok": result.ok, **asdict(result)})
    else:
        _print(result)
    sys.exit(0 if result.ok else 1)


def _chosen(names: str | None, quick: bool) -> list[Fault]:
    if names is None:
        return [fault for fault in FAULTS.values() if not fault.hidden and (fault.quick or not quick)]
    unknown = [name for name in names.split(",") if name not in FAULTS]
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}", param_hint="--faults")
    return [FAULTS[name] for name in names.split(",")]


def _print(result: Result) -> None:
    output.rows(
        [
            {
                "fault": row.fault,
                "times": row.times,
                "heard again": f"{row.heard_again_after:.1f} s"
                + (f" of {row.heard_within:.0f}" if row.heard_within else ""),
                "lost": row.lost,
                "twice": row.twice,
                "broken": row.breaches,
                "moves": row.moves,
                "least": row.least_moves,
                "allowed": row.moves_allowed,
                "handlers ended": row.handlers_ended,
            }
            for row in result.rows
        ],
        as_json=False,
        title="What it cost (lost and twice are seconds of audio)",
    )
    click.echo()
    for law in Law:
        broken = [breach for breach in result.breaches if breach.law is law]
        click.echo(f"{'BROKEN' if broken else 'holds '}  {law.value}")
        for breach in broken:
            click.echo(f"        {breach.act}: {breach.detail}")
    for failure in result.failures:
        click.echo(f"BROKEN  did not heal: {failure}")
    for row in result.rows:
        if row.lost_per_stream is not None and row.lost >= row.lost_per_stream * row.moves:
            click.echo(
                f"MISSED  {row.fault}: {row.lost} s lost by {row.moves} streams, not under {row.lost_per_stream} s each"
            )
        if row.heard_within is not None and row.heard_again_after > row.heard_within:
            click.echo(
                f"MISSED  {row.fault}: heard again after {row.heard_again_after:.1f} s, not {row.heard_within:.0f}"
            )
    click.echo(
        f"\nseed {result.seed}, {result.seconds:.0f} s, the laws looked at {result.looks} times, "
        f"{result.blind} times the database was away or locked"
    )


if __name__ == "__main__":
    main()
