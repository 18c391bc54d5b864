"""orchestrator status: the fleet on one page."""

from typing import Any

import click

from orchestrator.cli import answer, options, output
from orchestrator.database import db

INSTANCE_COLUMNS = ("instance_id", "status", "assigned_streams", "max_streams", "fair_share", "silent_for", "in_step")
DECISION_COLUMNS = ("decision_id", "decided_at", "rule", "trigger", "moves", "least_moves", "still_waiting")
ALERT_COLUMNS = ("alert_id", "severity", "code", "subject", "message", "opened_at")


@click.command()
@options.watchable
def status(target: options.Target) -> None:
    """Show the fleet on one page: counts, instances, open alerts, latest decisions."""
    answer.look(target, _read, _show)


def _read(conn: db.Connection) -> dict[str, Any]:
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


def _show(page: dict[str, Any]) -> None:
    fleet = page["fleet"]
    paused = f"paused by {fleet['paused_by']}: {fleet['paused_reason'] or 'no reason given'}"
    click.echo(f"streams    {fleet['streams_held']} held, {fleet['streams_waiting']} waiting, ", nl=False)
    click.echo(f"{fleet['streams_handed_over']} being handed over")
    click.echo(f"instances  {fleet['serving_instances']} serving, room for {fleet['capacity']} streams")
    if fleet["recovery_since"] is not None:
        click.echo(f"RECOVERY MODE since {output.text(fleet['recovery_since'])}: too much fails; ", nl=False)
        click.echo("balancing is frozen, failover is not")
    click.echo(f"balancing  {output.text(paused) if fleet['balancing_paused'] else frozen_or_on(fleet)}")
    ill = [check for check in page["health"] if check["status"] != "healthy"]
    for check in ill:
        click.echo(f"{check['status']}  {check['component']}: {output.text(check['finding'])}")
    if ill or page["alerts"] or fleet["recovery_since"] is not None:
        click.echo("what to type: orchestrator diagnose")
    click.echo()
    answer.table(page["instances"], INSTANCE_COLUMNS, empty="no instances")
    if page["alerts"]:
        answer.table(page["alerts"], ALERT_COLUMNS, empty="", title="\nopen alerts")
    if page["decisions"]:
        answer.table(page["decisions"], DECISION_COLUMNS, empty="", title="\nlatest decisions")
