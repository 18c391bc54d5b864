"""orchestrator instance: the worker processes and what an administrator may do to them."""

import click

from orchestrator.cli import answer, completion, options, output
from orchestrator.database import db

COLUMNS = (
    "instance_id",
    "status",
    "assigned_streams",
    "max_streams",
    "load_percentage",
    "fair_share",
    "silent_for",
    "location",
)

LIFE_COLUMNS = ("at", "what", "gained", "lost", "rule", "actor", "reason", "decision_id", "event_id")


@click.group()
def instance() -> None:
    """Look at instances; drain, remove and readmit them; say whose they are."""


@instance.command("list")
@click.option("--all", "removed_too", is_flag=True, help="Removed instances too.")
@options.watchable
def list_instances(target: options.Target, removed_too: bool) -> None:
    """List the instances and their load."""

    def read(conn: db.Connection) -> list[db.Row]:
        found = db.view(conn, "instances", order_by=["instance_id"])
        return [row for row in found if removed_too or row["status"] != "removed"]

    answer.look_at_rows(target, read, COLUMNS, empty="no instances")


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@options.watchable
def show(target: options.Target, instance_id: str) -> None:
    """Show everything about one instance: its state, its streams, and its life, the latest first.

    Its life is registrations, losses, drains, late beats, repairs, alerts, and each decision that moved its streams.
    """
    answer.look(target, lambda conn: _read(conn, instance_id), _show)


def _read(conn: db.Connection, instance_id: str) -> db.Row:
    found = answer.require_instance(conn, instance_id)
    streams = db.view(conn, "assignments", where={"instance_id": instance_id}, order_by=["stream_id"])
    life = db.call(conn, "explain_instance", instance_id=instance_id)
    return {**found, "streams": streams, "life": life}


def _show(page: db.Row) -> None:
    output.record({key: value for key, value in page.items() if key not in ("streams", "life")}, as_json=False)
    answer.table(page["streams"], ("stream_id", "epoch", "state", "name"), title="\nstreams", empty="no streams")
    answer.table(page["life"], LIFE_COLUMNS, title="\nlife", empty="")


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@click.option("--reason", help="Kept with the decision.")
@options.common
def drain(target: options.Target, instance_id: str, reason: str | None) -> None:
    """Give an instance nothing new and hand its streams over, one by one, to others."""
    answer.act_and_show(target, "drain_instance", instance_id=instance_id, reason=reason)


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@options.common
def undrain(target: options.Target, instance_id: str) -> None:
    """Let a drained instance have streams again."""
    answer.act_and_show(target, "undrain_instance", instance_id=instance_id)


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@click.option("--reason", help="Kept with the decision.")
@click.option("--force", is_flag=True, help="Wait for no promise: it is known to be dead.")
@options.common
def remove(target: options.Target, instance_id: str, reason: str | None, force: bool) -> None:
    """Take an instance out for good: its streams move at once, and it may not register again until readmitted.

    Streams of an instance that stops by itself (on_isolation = stop) wait until it has stopped, at most for its lease.
    """
    answer.act_and_show(target, "remove_instance", instance_id=instance_id, reason=reason, force=force)


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@options.common
def readmit(target: options.Target, instance_id: str) -> None:
    """Let a removed instance register again."""
    answer.act_and_show(target, "readmit_instance", instance_id=instance_id)


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@click.argument("role")
@click.option("--reason", help="Kept with the decision.")
@options.common
def owner(target: options.Target, instance_id: str, role: str, reason: str | None) -> None:
    """Hand the name of an instance over to another login, or to a group role whose members share it.

    A process of a login that may not speak for it any more is refused from then on, and ends. A name that is free is
    kept for that role.
    """
    answer.act_and_show(target, "set_instance_owner", instance_id=instance_id, role=role, reason=reason)


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@click.argument("max_streams", type=options.INTEGER)
@options.common
def capacity(target: options.Target, instance_id: str, max_streams: int) -> None:
    """Change how many streams an instance may have (1 to 1000)."""
    answer.act_and_show(target, "set_capacity", instance_id=instance_id, max_streams=max_streams)


@instance.command()
@click.argument("instance_id", shell_complete=completion.instances)
@click.argument("kind", type=click.Choice(("learned", "plain", "first_answer_only", "comparing")))
@options.common
def kind(target: options.Target, instance_id: str, kind: str) -> None:
    """Say what an HTTP client does with an answer, instead of learning it from what it does.

    plain starts what any answer names; first_answer_only starts its first answer, and one stream of a later one at
    most; comparing is plain and stops what GET /instances/ID does not show any more, so that its streams can be moved.
    """
    answer.act_and_show(target, "set_client_kind", instance_id=instance_id, kind=kind)
