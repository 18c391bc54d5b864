"""orchestrator history: what moved and why, or who had what at a moment."""

from datetime import datetime, timedelta

import click

from orchestrator.cli import answer, completion, moments, options
from orchestrator.database import db

COLUMNS = ("decided_at", "what", "why", "decision_id", "event_id")
OWNERS_COLUMNS = ("stream_id", "instance_id", "epoch", "state")
_A_DAY = timedelta(days=1)


@click.command()
@click.option("--at", type=moments.Moment(), metavar="MOMENT", help="Who had what then, instead of what moved.")
@click.option("--since", type=moments.Moment(), metavar="MOMENT", help="What moved since (default: 24 hours ago).")
@click.option("--until", type=moments.Moment(), metavar="MOMENT", help="What moved before then (default: now).")
@click.option("--stream", "stream_id", type=options.STREAM, shell_complete=completion.streams, help="Only this stream.")
@click.option(
    "--instance",
    "instance_id",
    metavar="ID",
    shell_complete=completion.instances,
    help="Only what this instance had, gave or got, and decisions about it.",
)
@options.watchable
def history(
    target: options.Target,
    at: datetime | None,
    since: datetime | None,
    until: datetime | None,
    stream_id: int | options.SourceId | None,
    instance_id: str | None,
) -> None:
    """Tell what moved and why, a line for each decision; or, with --at, who had what at a moment.

    A MOMENT is 2026-11-30T03:00 (with +01:00 or Z, else in the local time zone), 2026-11-30, 03:00 (the last one),
    today, yesterday, now, or how long ago: 8h, "1 h 30 min", 2d. History is kept for history_retention.
    """
    if at is not None and (since is not None or until is not None):
        raise click.UsageError("--at is one moment: leave --since and --until away")
    if at is not None:
        _show_owners(target, at, stream_id, instance_id)
        return
    since = since or datetime.now().astimezone() - _A_DAY
    if until is not None and until < since:
        raise click.BadParameter("it is before --since", param_hint="--until")

    def read(conn: db.Connection) -> list[db.Row]:
        found = None if stream_id is None else answer.stream_id_of(conn, stream_id)
        given = {"from": since, "to": until, "stream_id": found, "instance_id": instance_id}
        return db.call(conn, "decisions_between", **{name: value for name, value in given.items() if value is not None})

    def show(found: list[db.Row]) -> None:
        end = "now" if until is None else moments.text_of(until)
        click.echo(f"from {moments.text_of(since)} to {end}")
        here = [row | {"decided_at": row["decided_at"].astimezone()} for row in found]
        answer.table(here, COLUMNS, empty="nothing was decided")

    answer.look(target, read, show)


def _show_owners(
    target: options.Target, at: datetime, stream_id: int | options.SourceId | None, instance_id: str | None
) -> None:
    def read(conn: db.Connection) -> list[db.Row]:
        found = None if stream_id is None else answer.stream_id_of(conn, stream_id)
        return [
            row
            for row in db.call(conn, "assignments_at", at=at)
            if found in (None, row["stream_id"]) and instance_id in (None, row["instance_id"])
        ]

    def show(found: list[db.Row]) -> None:
        click.echo(f"at {moments.text_of(at)}")
        answer.table(found, OWNERS_COLUMNS, empty="no stream had an owner")

    answer.look(target, read, show)
