"""orchestrator jobs: what runs by itself."""

import sys

import click

from orchestrator import templates
from orchestrator.cli import answer, completion, options, output
from orchestrator.database import db
from orchestrator.errors import OrchestratorError, UnknownName

JOB_COLUMNS = ("job", "schedule", "enabled", "last_outcome", "failures", "runs", "next_run_at", "runs_in")
RUN_COLUMNS = ("job_run_id", "job", "started_at", "run_by", "outcome", "event_id", "result", "error")

NO_SUCH_SCHEMA = "3F000"


@click.group()
def jobs() -> None:
    """Look at the periodic jobs; run and schedule them."""


@jobs.command("list")
@options.watchable
def list_jobs(target: options.Target) -> None:
    """List the jobs, when they are due and how they went."""
    answer.look_at_rows(target, lambda conn: db.view(conn, "jobs", order_by=["job"]), JOB_COLUMNS, empty="no jobs")


@jobs.command()
@click.argument("job", required=False, shell_complete=completion.jobs)
@options.common
def run(target: options.Target, job: str | None) -> None:
    """Run what is due, here and now; or make JOB due now, for a driver to run.

    Jobs that need the outside world are left to a driver. Exit status 1 when one failed.
    """
    if job is not None:
        answer.act_and_show(target, "request_job", job=job)
        return
    done = answer.act(target, "run_due_jobs")
    output.rows(done, as_json=target.json, empty="nothing is due")
    if any(each["outcome"] == "failed" for each in done):
        sys.exit(1)


@jobs.command()
@click.option("--job", shell_complete=completion.jobs, help="Only runs of one job.")
@click.option("--failed", is_flag=True, help="Only runs that failed.")
@click.option("--limit", type=options.COUNT, default=20, show_default=True, help="At most so many.")
@options.watchable
def runs(target: options.Target, job: str | None, failed: bool, limit: int) -> None:
    """List the latest runs that did something or failed."""
    where = {key: value for key, value in {"job": job, "outcome": "failed" if failed else None}.items() if value}

    def read(conn: db.Connection) -> list[db.Row]:
        found = db.view(conn, "job_runs", where=where, order_by=["-job_run_id"], limit=limit)
        if job is not None and not found and not db.view(conn, "jobs", where={"job": job}):
            raise UnknownName(
                "unknown job", detail={"job": job}, hint="'orchestrator jobs list' lists those that are known"
            )
        return found

    answer.look_at_rows(target, read, RUN_COLUMNS, empty="no runs")


@jobs.command()
@click.argument("job", shell_complete=completion.jobs)
@click.argument("schedule", required=False)
@click.option("--enable/--disable", "enabled", default=None, help="Switch the job on or off.")
@options.common
def schedule(target: options.Target, job: str, schedule: str | None, enabled: bool | None) -> None:
    """Change when JOB runs: SCHEDULE is an interval ("10 seconds") or five cron fields in UTC ("17 3 * * *")."""
    if schedule is None and enabled is None:
        raise click.UsageError("give a SCHEDULE, --enable or --disable")
    answer.act_and_show(target, "schedule_job", job=job, schedule=schedule, enabled=enabled)


@jobs.command("install-pg-cron")
@click.option(
    "--schedule",
    metavar="SCHEDULE",
    default="1 second",
    show_default=True,
    help="How often pg_cron looks; before its version 1.5 it knows cron fields only ('* * * * *': every minute).",
)
@click.option("--remove", is_flag=True, help="Let pg_cron do it no more.")
@options.common
def install_pg_cron(target: options.Target, schedule: str, remove: bool) -> None:
    """Let the extension pg_cron run the jobs of the database, without a driver or beside one.

    Jobs that need the outside world (sources, delivery of alerts) still need a driver.
    """
    path = "runner/pg_cron_remove.sql" if remove else "runner/pg_cron_install.sql"
    with target.connect() as conn:
        try:
            with db.translated_errors():
                row = conn.execute(templates.render(path, conn.names).encode(), {"schedule": schedule}).fetchone()
        except OrchestratorError as error:
            if error.code != NO_SUCH_SCHEMA:
                raise
            raise OrchestratorError(
                "the extension pg_cron is not in this database",
                code=error.code,
                hint="an administrator of the server installs it in the database that cron.database_name names",
            ) from error
    output.record(row or {}, as_json=target.json)
