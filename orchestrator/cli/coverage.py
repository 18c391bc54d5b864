"""orchestrator coverage: which seconds of which stream were heard, and why others were not."""

from datetime import datetime, timedelta

import click

from orchestrator.cli import answer, completion, moments, options
from orchestrator.database import db

COLUMNS = ("stream_id", "name", "cause", "why", "uncovered", "uncertain", "gaps", "covered", "expected", "unwitnessed")
CAUSES = ("crash", "hand-over", "isolation", "planned restart", "restored", "stall", "station fault", "waiting")
_A_DAY = timedelta(days=1)


@click.command()
@click.option("--since", type=moments.Moment(), metavar="MOMENT", help="From then on (default: 24 hours ago).")
@click.option("--until", type=moments.Moment(), metavar="MOMENT", help="Up to then (default: now).")
@click.option("--stream", "stream_id", type=options.STREAM, shell_complete=completion.streams, help="Only this stream.")
@click.option(
    "--instance",
    "instance_id",
    metavar="ID",
    shell_complete=completion.instances,
    help="Only gaps that began with this owner.",
)
@click.option("--cause", type=click.Choice(CAUSES), help="Only gaps of this cause.")
@options.watchable
def coverage(
    target: options.Target,
    since: datetime | None,
    until: datetime | None,
    stream_id: int | options.SourceId | None,
    instance_id: str | None,
    cause: str | None,
) -> None:
    """Tell which seconds of which stream were not heard and why, a line for each stream and cause, the worst first.

    Uncovered: no instance had it. Uncertain: nobody knows, from the last sign of life until its loss was noticed. In
    JSON also streams without a gap, which have no cause.

    A MOMENT is 2026-11-30T03:00 (with +01:00 or Z, else in the local time zone), 2026-11-30, 03:00 (the last one),
    today, yesterday, now, or how long ago: 8h, "1 h 30 min", 2d. Gaps are kept for history_retention.
    """
    if until is not None and since is not None and until < since:
        raise click.BadParameter("it is before --since", param_hint="--until")

    def read(conn: db.Connection) -> list[db.Row]:
        given = {
            "from": since or (until or datetime.now().astimezone()) - _A_DAY,
            "to": until,
            "stream_id": None if stream_id is None else answer.stream_id_of(conn, stream_id),
            "instance_id": instance_id,
            "cause": cause,
        }
        return db.call(conn, "coverage", **{name: value for name, value in given.items() if value is not None})

    answer.look(target, read, _show)


def _show(found: list[db.Row]) -> None:
    answer.table([row for row in found if row["cause"] is not None], COLUMNS, empty="no gaps")
    streams = {row["stream_id"]: row for row in found}.values()
    expected, covered = (sum(row[key] for row in streams) for key in ("expected", "covered"))
    if expected:
        click.echo(f"{100 * covered / expected:.3f} % of {expected:,.0f} s were covered, of {len(streams)} streams")
