"""orchestrator diagnose: everything that helps to find out what is wrong, in one answer."""

import click

from orchestrator import db
from orchestrator.cli import answer, options, output


@click.command()
@options.common
def diagnose(target: options.Target) -> None:
    """Collect what helps to find a fault.

    Checks with their details, instances out of step, locks that are waited for, failed runs of jobs, open alerts.
    """
    with target.connect("diagnose") as conn:
        checks = db.call(conn, "health")
        instances = db.view(conn, "instances", order_by=["instance_id"])
        locks = db.view(conn, "locks")
        runs = db.view(conn, "job_runs", where={"outcome": "failed"}, order_by=["-job_run_id"], limit=10)
        alerts = db.view(conn, "alerts", where={"resolved_at": None}, order_by=["-opened_at"])
    out_of_step = [row for row in instances if row["status"] != "removed" and not row["in_step"]]
    blockers = {pid for row in locks for pid in row["waits_for"]}
    waited_for = [row for row in locks if row["waits_for"] or row["pid"] in blockers]
    if target.json:
        output.as_json_text(
            {
                "health": checks,
                "out_of_step": out_of_step,
                "locks_waited_for": waited_for,
                "failed_runs": runs,
                "alerts": alerts,
            }
        )
        return
    answer.table(target, checks, ("component", "status", "finding", "detail"), empty="", title="checks")
    answer.table(
        target,
        out_of_step,
        ("instance_id", "status", "assigned_streams", "silent_for"),
        empty="\nevery instance is in step",
        title="\ninstances out of step",
    )
    answer.table(
        target,
        waited_for,
        ("lock", "mode", "granted", "pid", "waits_for", "application_name", "transaction_age"),
        empty="nobody waits for a lock",
        title="\nlocks that are waited for",
    )
    answer.table(
        target, runs, ("job", "started_at", "run_by", "error"), empty="no job failed", title="\nlatest failed runs"
    )
    answer.table(
        target, alerts, ("severity", "code", "subject", "message", "opened_at"), empty="no alerts", title="\nalerts"
    )
