"""orchestrator status: the fleet on one page."""

import time
from contextlib import suppress
from typing import Any

import click

from orchestrator import db
from orchestrator.cli import answer, options, output
from orchestrator.errors import DatabaseUnavailable

INSTANCE_COLUMNS = ("instance_id", "status", "assigned_streams", "max_streams", "fair_share", "silent_for", "in_step")
DECISION_COLUMNS = ("decision_id", "decided_at", "rule", "trigger", "moves", "least_moves", "still_waiting")
ALERT_COLUMNS = ("alert_id", "severity", "code", "subject", "message", "opened_at")


@click.command()
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="How often with --watch.",
)
@options.common
def status(target: options.Target, watch: bool, interval: float) -> None:
    """Show the fleet on one page: counts, instances, open alerts, latest decisions."""
    if not watch:
        _show(target, _read(target))
        return
    with suppress(KeyboardInterrupt):
        while True:
            _show_again(target)
            time.sleep(interval)


def _show_again(target: options.Target) -> None:
    """One page of --watch, which goes on when the database does not answer for a while."""
    try:
        page = _read(target)
    except DatabaseUnavailable as error:
        click.clear()
        output.error(error, as_json=target.json)
    else:
        if not target.json:
            click.clear()
        _show(target, page)


def _read(target: options.Target) -> dict[str, Any]:
    with target.connect("status") as conn:
        return {
            "fleet": db.view(conn, "fleet")[0],
            "health": db.call(conn, "health"),
            "instances": [row for row in db.view(conn, "instances", order_by=["instance_id"]) if not _is_gone(row)],
            "alerts": db.view(conn, "alerts", where={"resolved_at": None}, order_by=["-opened_at"]),
            "decisions": db.view(conn, "decisions", order_by=["-decision_id"], limit=5),
        }


def frozen_or_on(fleet: db.Row) -> str:
    return "on" if fleet["recovery_since"] is None else "frozen by recovery mode"


def _is_gone(instance: db.Row) -> bool:
    return bool(instance["status"] == "removed")


def _show(target: options.Target, page: dict[str, Any]) -> None:
    if target.json:
        output.as_json_text(page)
        return
    fleet = page["fleet"]
    paused = f"paused by {fleet['paused_by']}: {fleet['paused_reason'] or 'no reason given'}"
    click.echo(f"streams    {fleet['streams_held']} held, {fleet['streams_waiting']} waiting, ", nl=False)
    click.echo(f"{fleet['streams_handed_over']} being handed over")
    click.echo(f"instances  {fleet['serving_instances']} serving, room for {fleet['capacity']} streams")
    if fleet["recovery_since"] is not None:
        click.echo(f"RECOVERY MODE since {output.text(fleet['recovery_since'])}: too much fails; ", nl=False)
        click.echo("balancing is frozen, failover is not. See: orchestrator diagnose")
    click.echo(f"balancing  {output.text(paused) if fleet['balancing_paused'] else frozen_or_on(fleet)}")
    for check in page["health"]:
        if check["status"] != "healthy":
            click.echo(f"{check['status']}  {check['component']}: {output.text(check['finding'])}")
    click.echo()
    answer.table(target, page["instances"], INSTANCE_COLUMNS, empty="no instances")
    if page["alerts"]:
        answer.table(target, page["alerts"], ALERT_COLUMNS, empty="", title="\nopen alerts")
    if page["decisions"]:
        answer.table(target, page["decisions"], DECISION_COLUMNS, empty="", title="\nlatest decisions")
