"""orchestrator event: the whole story behind an id that a log line or an alert shows."""

from collections.abc import Sequence

import click

from orchestrator.cli import answer, options, output
from orchestrator.database import db

COLUMNS = ("at", "kind", "what", "subject", "text")
RECENT_COLUMNS = ("at", "event_id", "kind", "what", "subject", "text")


@click.command()
@click.argument("event_id", required=False)
@click.option("--limit", type=options.COUNT, default=20, show_default=True, help="Without an id: at most so many.")
@options.watchable
def event(target: options.Target, event_id: str | None, limit: int) -> None:
    """Tell what belongs to an event id: the job's run, the decisions and what they moved, the alerts and who was told.

    The first 8 characters do. Without an id: the latest events.
    """
    if event_id is None:
        answer.look_at_rows(
            target,
            lambda conn: db.view(conn, "events", order_by=["-at"], limit=limit),
            RECENT_COLUMNS,
            empty="nothing has happened yet",
        )
    else:
        answer.look(target, lambda conn: db.call(conn, "explain_event", event_id=event_id), _show)


def _show(story: Sequence[db.Row]) -> None:
    answer.table(story, COLUMNS, title=f"event {story[0]['event_id']}", empty="")
    for row in story:
        if row["kind"] != "move" and row["detail"]:
            click.echo(f"\n{row['kind']} {row['id']}: {output.text(row['what'])}")
            output.record(row["detail"], as_json=False)
