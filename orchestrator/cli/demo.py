"""orchestrator demo: the whole system on real audio, and a report of what it lost."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from orchestrator.cli import options, output
from orchestrator.errors import OrchestratorError
from orchestrator.lab.report import Report


@click.command()
@click.option(
    "--seconds",
    type=options.Number(min=1, max=86400),
    default=60,
    show_default=True,
    help="About how long; an act that needs longer gets it.",
)
@click.option(
    "--stations", type=click.IntRange(1, 5_000), default=60, show_default=True, help="Stations that broadcast."
)
@click.option("--workers", type=click.IntRange(2, 50), default=4, show_default=True, help="Workers at the beginning.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; progress goes to standard error.")
@click.option("--keep", is_flag=True, help="Keep the data directory and the logs.")
def demo(seconds: float, stations: int, workers: int, as_json: bool, keep: bool) -> None:
    """Show the whole system at work on real audio.

    Starts a PostgreSQL of its own, a server with endless audio streams, two drivers, and workers that really listen
    and write each second they heard into a ledger. Then a worker is killed, one joins, one drains, and PostgreSQL
    crashes. The closing report is read from the ledger. Exit status 0 when no second was written twice, none was lost
    by a station that was not moved, and everything is heard at the end.
    """
    try:
        from orchestrator.demo import display, scenario

        outcome = scenario.run(
            display.choose(as_json=as_json), seconds=seconds, stations=stations, workers=workers, keep=keep
        )
    except ImportError as error:
        missing = OrchestratorError(f"the demo needs {error.name}", hint="pip install 'radio-orchestrator[demo]'")
        output.error(missing, as_json=as_json)
        sys.exit(missing.exit_code)
    except OrchestratorError as error:
        output.error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("interrupted; everything was put away", err=True)
        sys.exit(130)
    print_report(outcome.report, as_json=as_json, cpu_percent=outcome.cpu_percent, failure=outcome.failure)
    sys.exit(0 if outcome.ok else 1)


def print_report(report: Report, *, as_json: bool, cpu_percent: Mapping[str, float], failure: str | None) -> None:
    """Print it for people, or as JSON.

    `cpu_percent` is what each kind of process used of one core, `failure` why the demo broke off when it did.
    """
    if as_json:
        output.as_json_text({**report.as_dict(), "failure": failure, "cpu_percent": cpu_percent})
        return
    output.rows(
        [
            {
                "act": f"{act.act}: {act.description}",
                "moved": act.moves,
                "least": act.least_moves,
                "all heard again": f"{act.seconds_until_all_heard:.1f} s",
                "lost": act.seconds_lost,
                "twice": act.seconds_written_twice,
                "refused": act.writes_refused,
            }
            for act in report.acts
        ],
        as_json=False,
        title="What the ledger says (lost and twice are seconds of audio, refused are writes)",
    )
    totals = report.totals
    output.record(
        {
            "heard": f"{totals.seconds_heard} of {totals.seconds_sung} seconds of {totals.stations} stations",
            "lost": f"{totals.seconds_lost}, of which by stations that were not moved: "
            f"{totals.seconds_lost_without_a_move}",
            "twice": totals.seconds_written_twice,
            "refused": f"{totals.writes_refused} writes of instances that had been replaced",
            "cpu": ", ".join(f"{kind} {percent} %" for kind, percent in cpu_percent.items()) + " of one core",
        },
        as_json=False,
    )
    click.echo()
    for law in report.laws:
        click.echo(f"{'holds ' if law.holds else 'BROKEN'}  {law.law}" + (f": {law.breach}" if law.breach else ""))
    if failure:
        click.echo(f"BROKEN  the demo did not come to its end: {failure}")
