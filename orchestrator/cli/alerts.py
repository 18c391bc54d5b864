"""orchestrator alerts: what somebody should look at."""

import click

from orchestrator import db
from orchestrator.cli import answer, options

COLUMNS = ("alert_id", "severity", "code", "subject", "message", "opened_at", "acknowledged_by", "resolved_at")


@click.group(invoke_without_command=True)
@click.option("--all", "closed_too", is_flag=True, help="Resolved alerts too.")
@options.common
@click.pass_context
def alerts(ctx: click.Context, target: options.Target, closed_too: bool) -> None:
    """List the open alerts, the latest first."""
    if ctx.invoked_subcommand is not None:
        # "alerts --dsn X ack 3" means the same as "alerts ack 3 --dsn X".
        ctx.default_map = {ctx.invoked_subcommand: {"dsn": target.dsn, "schema": target.schema, "as_json": target.json}}
        return
    with target.connect("alerts") as conn:
        found = db.view(conn, "alerts", where={} if closed_too else {"resolved_at": None}, order_by=["-opened_at"])
    answer.table(target, found, COLUMNS, empty="no open alerts")


@alerts.command()
@click.argument("alert_id", type=int)
@options.common
def ack(target: options.Target, alert_id: int) -> None:
    """Acknowledge an alert: somebody is looking at it."""
    answer.act_and_show(target, "acknowledge_alert", alert_id=alert_id)
