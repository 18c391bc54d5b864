"""orchestrator alerts: what an operator should look at, and where it is told."""

import os
import sys

import click

from orchestrator.cli import answer, completion, options, output
from orchestrator.database import db

COLUMNS = ("alert_id", "severity", "code", "subject", "message", "opened_at", "acknowledged_by", "event_id")
TARGET_COLUMNS = ("target", "minimum_severity", "enabled", "undelivered", "last_sent_at", "state", "last_error")
LATEST_FIRST = ("-happened_at", "-alert_id", "target")
DELIVERY_COLUMNS = ("alert_id", "code", "subject", "event", "target", "happened_at", "state", "attempts", "error")


@click.group(invoke_without_command=True)
@click.option("--all", "closed_too", is_flag=True, help="Resolved alerts too.")
@options.watchable
@click.pass_context
def alerts(ctx: click.Context, target: options.Target, closed_too: bool) -> None:
    """List the open alerts, the latest first."""
    if ctx.invoked_subcommand is not None:
        if closed_too or target.watch is not None:
            raise click.UsageError(f"--all and --watch stand before no command; see: {ctx.command_path} --help")
        # "alerts --dsn X ack 3" means the same as "alerts ack 3 --dsn X".
        ctx.default_map = {ctx.invoked_subcommand: {"dsn": target.dsn, "schema": target.schema, "as_json": target.json}}
        return
    where = {} if closed_too else {"resolved_at": None}
    answer.look_at_rows(
        target,
        lambda conn: db.view(conn, "alerts", where=where, order_by=["-opened_at"]),
        COLUMNS,
        empty="no open alerts",
    )


@alerts.command()
@click.argument("alert_id", type=options.ID, shell_complete=completion.open_alerts)
@options.common
def ack(target: options.Target, alert_id: int) -> None:
    """Acknowledge an alert: somebody is looking at it, and nobody is reminded of it any more."""
    answer.act_and_show(target, "acknowledge_alert", alert_id=alert_id)


@alerts.command()
@options.watchable
def targets(target: options.Target) -> None:
    """List where alerts go, and whether they arrive.

    A target that failed is left alone for longer each time, up to ten minutes, and then tried once.
    """
    answer.look_at_rows(
        target,
        lambda conn: [with_state(row) for row in db.view(conn, "alert_targets", order_by=["target"])],
        TARGET_COLUMNS,
        empty="no targets",
    )


def with_state(row: db.Row) -> db.Row:
    """A target with its breaker in words."""
    if not row["enabled"]:
        state = "off"
    elif row["consecutive_failures"]:
        state = f"failed {row['consecutive_failures']} times, next try {output.text(row['retry_at']) or 'now'}"
    else:
        state = "ok"
    return {**row, "state": state}


@alerts.command()
@click.option("--all", "sent_too", is_flag=True, help="What was sent, too.")
@click.option("--limit", type=options.COUNT, default=50, show_default=True, help="At most so many.")
@options.watchable
def deliveries(target: options.Target, sent_too: bool, limit: int) -> None:
    """List what targets are still to be told, and what did not arrive, the latest first.

    States: pending, sending, sent, failed (given up after a day), unknown (sent without an answer, or its driver died
    while sending; it is not sent twice).
    """

    def read(conn: db.Connection) -> list[db.Row]:
        if sent_too:
            return db.view(conn, "alert_deliveries", order_by=LATEST_FIRST, limit=limit)
        return undelivered(conn)[:limit]

    answer.look_at_rows(target, read, DELIVERY_COLUMNS, empty="everything was delivered")


def undelivered(conn: db.Connection) -> list[db.Row]:
    """What did not arrive, or not yet, the latest first."""
    return [row for row in db.view(conn, "alert_deliveries", order_by=LATEST_FIRST) if row["state"] != "sent"]


@alerts.group("target")
def target_() -> None:
    """Say where alerts go.

    Only the name of a target is kept in the database. Its address, an apprise URL, stands in the environment of every
    driver as ORCHESTRATOR_ALERT_URL_<NAME>. The target log always exists.
    """


@target_.command("set")
@click.argument("name", shell_complete=completion.targets)
@click.option(
    "--severity",
    type=click.Choice(["info", "warning", "critical"]),
    help="Told from this severity on (a new target: warning).",
)
@click.option("--on/--off", "enabled", default=None, help="Tell it, or keep it without telling it.")
@options.common
def set_target(target: options.Target, name: str, severity: str | None, enabled: bool | None) -> None:
    """Add a target, or change it. A target that failed is tried again at once."""
    answer.act_and_show(target, "set_alert_target", target=name, minimum_severity=severity, enabled=enabled)


@target_.command("remove")
@click.argument("name", shell_complete=completion.targets)
@options.common
def remove_target(target: options.Target, name: str) -> None:
    """Remove a target, with what it is still to be told."""
    answer.act_and_show(target, "remove_alert_target", target=name)


@alerts.command()
@click.argument("name", shell_complete=completion.targets)
@options.common
def test(target: options.Target, name: str) -> None:
    """Send a test message to a target from this machine, and show what it answers.

    Uses ORCHESTRATOR_ALERT_URL_<NAME> of this environment and asks no database.
    """
    from orchestrator.alerts.targets import send_test

    told = send_test(name, os.environ, fleet=target.schema)
    output.record({"target": name, "outcome": told.outcome, "answer": told.words}, as_json=target.json)
    if told.outcome != "sent":
        sys.exit(1)
