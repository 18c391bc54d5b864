"""orchestrator rebalance: now, or first as a plan."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from psycopg.types.json import Jsonb

from orchestrator.cli import answer, completion, options, output
from orchestrator.database import db


@click.group()
def rebalance() -> None:
    """Even the load out: at once, or as a plan to look at first."""


@rebalance.command()
@click.option("--reason", help="Kept with the decision.")
@options.common
def now(target: options.Target, reason: str | None) -> None:
    """Rebalance now, with the least possible moves, whatever the cooldown says."""
    answer.act_and_show(target, "rebalance", reason=reason)


@rebalance.command()
@click.option(
    "--without",
    multiple=True,
    metavar="INSTANCE",
    shell_complete=completion.instances,
    help="Suppose that it were gone. May be repeated.",
)
@click.option(
    "--with",
    "joining",
    multiple=True,
    metavar="NAME:CAPACITY",
    callback=lambda _context, _option, given: _capacities(given, ":"),
    help="Suppose that an instance of this capacity came. May be repeated.",
)
@click.option(
    "--capacity",
    multiple=True,
    metavar="INSTANCE=CAPACITY",
    callback=lambda _context, _option, given: _capacities(given, "="),
    help="Suppose another capacity. May be repeated.",
)
@options.common
def plan(target: options.Target, without: tuple[str, ...], joining: dict[str, int], capacity: dict[str, int]) -> None:
    """Show what a rebalance would move, and keep it for 'apply'.

    What each instance has before and after, the number of moves beside the least possible, each move with its reason,
    and what cannot be moved. With --without, --with and --capacity it tells what would become of another fleet, and
    keeps nothing.
    """
    if without or joining or capacity:
        _what_if(target, {"without": list(without), "with": Jsonb(joining), "capacity": Jsonb(capacity)})
        return
    moves = answer.act(target, "plan_rebalance")
    effect = answer.act(target, "plan_effect", plan_id=moves[0]["plan_id"]) if moves else []
    plan_id = moves[0]["plan_id"] if moves else None
    with target.connect() as conn:
        immovable = _immovable(conn)
    if target.json:
        output.as_json_text(
            {
                "plan_id": plan_id,
                "least_moves": _sums(effect)["least_moves"],
                "instances": effect,
                "moves": moves,
                "cannot_be_moved": immovable,
            }
        )
        return
    for row in immovable:
        click.echo(f"{row['instance_id']}: its {row['streams']} streams cannot be moved: {row['why']}")
    if not moves:
        click.echo("nothing to move: " + ("the rest is even" if immovable else "the load is even"))
        return
    columns = ("instance_id", "max_streams", "streams_before", "streams_after", "gained", "lost")
    answer.table([row for row in effect if row["gained"] or row["lost"]], columns, empty="")
    answer.table(moves, ("stream_id", "from_instance_id", "to_instance_id", "why"), title="\nmoves", empty="")
    click.echo(f"\nplan {plan_id}: {_told(effect)}\nto make it: orchestrator rebalance apply {plan_id}")


def _immovable(conn: db.Connection) -> list[db.Row]:
    """The instances that nothing can be moved off, and why."""
    return [
        {
            "instance_id": row["instance_id"],
            "streams": row["assigned_streams"],
            "why": "it stops none while it lives"
            + ("; recreate its container" if row["placement"] == "pull" else "; stop its process"),
        }
        for row in db.view(conn, "instances", where={"keeps_streams": True}, order_by=["instance_id"])
        if row["assigned_streams"] and row["status"] not in ("inactive", "removed")
    ]


def _what_if(target: options.Target, supposed: Mapping[str, Any]) -> None:
    rows = answer.act(target, "what_if", **supposed)
    instances = [row for row in rows if row["instance_id"] is not None]
    [waiting] = [row for row in rows if row["instance_id"] is None]
    waits = {"waiting_before": waiting["streams_before"], "waiting_after": waiting["streams_after"]}
    if target.json:
        output.as_json_text({**_sums(rows), **waits, "instances": instances})
        return
    columns = ("instance_id", "change", "capacity_before", "capacity_after", "streams_before", "streams_after")
    answer.table(instances, columns, empty="no instances")
    click.echo(f"\n{_told(rows)}; streams that wait: {waits['waiting_before']} before, {waits['waiting_after']} after")
    click.echo("nothing was changed")


def _sums(effect: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {key: effect[0][key] if effect else 0 for key in ("moves", "least_moves")}


def _told(effect: Sequence[Mapping[str, Any]]) -> str:
    sums = _sums(effect)
    return f"{sums['moves']} moves, the least possible {sums['least_moves']}"


def _capacities(given: Sequence[str], separator: str) -> dict[str, int]:
    """Name → capacity."""
    found = {}
    for text in given:
        name, found_separator, capacity = text.rpartition(separator)
        if not found_separator or not name or not capacity.isdecimal():
            raise click.BadParameter(f"{text!r} is not a name, {separator!r} and a number")
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice")
        found[name] = int(capacity)
    return found


@rebalance.command()
@click.argument("plan_id", type=options.ID)
@options.common
def apply(target: options.Target, plan_id: int) -> None:
    """Make the moves of a plan; refused when the state has moved on since."""
    answer.act_and_show(target, "apply_plan", plan_id=plan_id)


@rebalance.command()
@click.option("--reason", help="Shown to whoever wonders.")
@options.common
def pause(target: options.Target, reason: str | None) -> None:
    """Stop balancing until 'resume'. Placement, failover and drains go on."""
    answer.act_and_show(target, "pause_balancing", reason=reason)


@rebalance.command()
@options.common
def resume(target: options.Target) -> None:
    """Balance again."""
    answer.act_and_show(target, "resume_balancing")


@rebalance.command()
@options.common
def end_recovery(target: options.Target) -> None:
    """End recovery mode now, instead of after a quiet time; only what fails from now on can switch it on again."""
    answer.act_and_show(target, "end_recovery")
