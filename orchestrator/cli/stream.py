"""orchestrator stream: the stations, who has them and why."""

import json
from typing import Any

import click

from orchestrator.cli import answer, completion, options, output
from orchestrator.cli.stream_import import import_streams
from orchestrator.database import db
from orchestrator.sources import records

COLUMNS = ("stream_id", "name", "state", "instance_id", "number", "epoch", "region", "pinned_to", "url")

EXPLANATION_COLUMNS = (
    "at",
    "what",
    "from_instance_id",
    "to_instance_id",
    "rule",
    "reason",
    "trigger",
    "actor",
    "epoch",
    "decision_id",
    "event_id",
)
CANDIDATE_COLUMNS = ("instance_id", "streams", "max_streams", "excluded_by")


@click.group()
def stream() -> None:
    """Look at streams; add, remove, move and pin them.

    STREAM_ID is our id of a stream, or SOURCE:ID, its id in its source; :ID where one source only has it.
    """


stream.add_command(import_streams)


@stream.command("list")
@click.option(
    "--instance", "instance_id", metavar="ID", shell_complete=completion.instances, help="Only those of one instance."
)
@click.option(
    "--state",
    type=click.Choice(["idle", "waiting", "assigned", "running", "releasing"]),
    help="Only those in one state; 'waiting' are those that nobody listens to.",
)
@click.option("--limit", type=options.COUNT, help="At most so many.")
@options.watchable
def list_streams(target: options.Target, instance_id: str | None, state: str | None, limit: int | None) -> None:
    """List the streams and who has them."""
    where = {key: value for key, value in {"instance_id": instance_id, "state": state}.items() if value is not None}

    def read(conn: db.Connection) -> list[db.Row]:
        found = db.view(conn, "streams", where=where, order_by=["stream_id"], limit=limit)
        if instance_id is not None and not found:
            answer.require_instance(conn, instance_id)
        return found

    answer.look_at_rows(target, read, COLUMNS, empty="no streams")


@stream.command()
@click.argument("url")
@click.option("--name", help="What people call it (default: the URL).")
@click.option("--region", help="Served by instances of that region while they have room.")
@click.option(
    "--requires",
    "capabilities",
    metavar="CAPABILITY",
    multiple=True,
    help="A capability that its instance must have; repeatable.",
)
@click.option("--metadata", metavar="JSON", default="{}", help="An object that goes to the instance as it is.")
@click.option("--external-id", metavar="ID", help="Its id elsewhere; unique among the streams added by hand.")
@click.option("--standby/--no-standby", default=None, help="Whether it has a standby (default: the setting standbys).")
@options.common
def add(
    target: options.Target,
    url: str,
    name: str | None,
    region: str | None,
    capabilities: tuple[str, ...],
    metadata: str,
    external_id: str | None,
    standby: bool | None,
) -> None:
    """Add a stream by its URL."""
    answer.act_and_show(
        target,
        "add_stream",
        url=url,
        name=name,
        region=region,
        required_capabilities=list(capabilities),
        metadata=_json_object(metadata),
        external_id=external_id,
        standby=standby,
    )


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@click.option("--reason", help="Kept with the decision.")
@options.common
def remove(target: options.Target, stream_id: int | options.SourceId, reason: str | None) -> None:
    """Remove a stream; its owner is told to stop."""
    answer.act_and_show(target, "remove_stream", stream_id=stream_id, reason=reason)


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@options.common
def activate(target: options.Target, stream_id: int | options.SourceId) -> None:
    """Switch a stream on; it is placed again."""
    answer.act_and_show(target, "set_stream_active", stream_id=stream_id, active=True)


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@options.common
def deactivate(target: options.Target, stream_id: int | options.SourceId) -> None:
    """Switch a stream off, without removing it; its owner is told to stop."""
    answer.act_and_show(target, "set_stream_active", stream_id=stream_id, active=False)


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@click.argument("instance_id", shell_complete=completion.instances)
@click.option("--reason", help="Kept with the decision.")
@options.common
def move(target: options.Target, stream_id: int | options.SourceId, instance_id: str, reason: str | None) -> None:
    """Give a stream to one instance. Balancing may move it again; 'pin' keeps it there."""
    answer.act_and_show(target, "move_stream", stream_id=stream_id, instance_id=instance_id, reason=reason)


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@click.argument("instance_id", required=False, shell_complete=completion.instances)
@options.common
def pin(target: options.Target, stream_id: int | options.SourceId, instance_id: str | None) -> None:
    """Keep a stream where it is, or on INSTANCE_ID, whatever balancing would say."""
    answer.act_and_show(target, "pin_stream", stream_id=stream_id, instance_id=instance_id)


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@options.common
def unpin(target: options.Target, stream_id: int | options.SourceId) -> None:
    """Let balancing move a stream again."""
    answer.act_and_show(target, "unpin_stream", stream_id=stream_id)


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@click.argument("wish", type=click.Choice(["on", "off", "default"]))
@options.common
def standby(target: options.Target, stream_id: int | options.SourceId, wish: str) -> None:
    """Have a second instance hear a stream, which owns it in the moment in which its owner is lost.

    'default' is what the setting standbys says.
    """
    value = {"on": True, "off": False, "default": None}[wish]
    answer.act_and_show(target, "set_standby", stream_id=stream_id, standby=value)


@stream.command()
@click.argument("stream_id", type=options.STREAM, shell_complete=completion.streams)
@options.watchable
def explain(target: options.Target, stream_id: int | options.SourceId) -> None:
    """Tell who had a stream, who has it, and which rule moved it; or why nobody has it.

    The first line is how things are now, the others are changes of hands, the latest first. Below it stands who else
    could have it, or what keeps each from it, and what the decision behind the first line saw.
    """

    def read(conn: db.Connection) -> list[db.Row]:
        return db.call(conn, "explain_stream", stream_id=answer.stream_id_of(conn, stream_id))

    answer.look(target, read, _show_explanation)


def _show_explanation(found: list[db.Row]) -> None:
    answer.table(found, EXPLANATION_COLUMNS, empty="nothing is known of it")
    if not found:
        return
    detail = dict(found[0]["detail"])
    candidates = detail.pop("candidates", None)
    if candidates is not None:
        because = detail.pop("waits_because", None)
        title = f"\nit waits: {because}" if because else "\nwho else could have it"
        answer.table(candidates, CANDIDATE_COLUMNS, title=title, empty="\nno other could have it")
    if found[0]["decision_id"]:
        click.echo(f"\ndecision {found[0]['decision_id']}")
    output.record(detail, as_json=False)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=records.finite_number)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--metadata") from error
    if not isinstance(value, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--metadata")
    if not records.can_be_stored(value):
        raise click.BadParameter(
            "holds a zero character or half a surrogate pair, which a database cannot keep", param_hint="--metadata"
        )
    return value
