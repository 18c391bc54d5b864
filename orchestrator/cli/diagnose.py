"""orchestrator diagnose: everything that helps to find out what is wrong, in one answer."""

from collections.abc import Callable
from dataclasses import dataclass

import click

from orchestrator.cli import alerts, answer, options, output
from orchestrator.database import db
from orchestrator.install import check
from orchestrator.install.program import MigrationError

_COLOURS = {"critical": "red", "warning": "yellow", "info": "cyan"}


@dataclass(frozen=True)
class Section:
    """What is out of order in one respect: its key in JSON; for people a title, columns and what to say of nothing."""

    key: str
    rows: Callable[[db.Connection], list[db.Row]]
    columns: tuple[str, ...]
    title: str
    nothing: str


def _out_of_step(conn: db.Connection) -> list[db.Row]:
    instances = db.view(conn, "instances", order_by=["instance_id"])
    return [row for row in instances if row["status"] != "removed" and not row["in_step"]]


def _open_breakers(conn: db.Connection) -> list[db.Row]:
    """Of the workers as they say; of sources and targets, which are tried once at next_try, as the database has it."""
    workers = [
        {"breaker": f"instance {row['instance_id']}", "state": row["breaker"], "opened": row["breaker_opened"]}
        for row in db.view(conn, "instances", order_by=["instance_id"])
        if row["breaker"] not in (None, "closed")
    ]
    sources = [
        {"breaker": f"source {row['source']}", "next_try": row["next_sync_at"], **_failures(row)}
        for row in db.view(conn, "sources", order_by=["source"])
        if row["consecutive_failures"]
    ]
    targets = [
        {"breaker": f"alert target {row['target']}", "next_try": row["retry_at"], **_failures(row)}
        for row in db.view(conn, "alert_targets", order_by=["target"])
        if row["consecutive_failures"]
    ]
    columns = ("breaker", "state", "opened", "consecutive_failures", "next_try", "last_error")
    return [{column: row.get(column) for column in columns} for row in [*workers, *sources, *targets]]


def _failures(row: db.Row) -> db.Row:
    return {"state": "open", "consecutive_failures": row["consecutive_failures"], "last_error": row["last_error"]}


def _locks_waited_for(conn: db.Connection) -> list[db.Row]:
    locks = db.view(conn, "locks")
    blockers = {pid for row in locks for pid in row["waits_for"]}
    return [row for row in locks if row["waits_for"] or row["pid"] in blockers]


def _on_probation(conn: db.Connection) -> list[db.Row]:
    rows = db.view(conn, "instances", order_by=["instance_id"])
    return [row for row in rows if row["probation_until"] is not None and row["status"] != "removed"]


SECTIONS = (
    Section(
        "alerts",
        lambda conn: db.view(conn, "alerts", where={"resolved_at": None}, order_by=["-opened_at"]),
        ("alert_id", "severity", "code", "subject", "message", "opened_at", "acknowledged_by"),
        "open alerts",
        "no open alerts",
    ),
    Section(
        "recovery",
        lambda conn: [row for row in db.view(conn, "fleet") if row["recovery_since"] is not None],
        ("recovery_since", "recovery_detail"),
        "recovery mode: balancing is frozen, failover is not",
        "no recovery mode",
    ),
    Section(
        "out_of_step",
        _out_of_step,
        ("instance_id", "status", "assigned_streams", "silent_for", "repair_attempts"),
        "instances out of step",
        "every instance is in step",
    ),
    Section(
        "repairs",
        lambda conn: db.view(conn, "repairs", where={"repaired_at": None}, order_by=["-repair_id"], limit=20),
        ("instance_id", "found_at", "found_by", "attempt", "repaired_by", "difference"),
        "repairs under way",
        "no repair under way",
    ),
    Section(
        "probation",
        _on_probation,
        ("instance_id", "status", "crashes", "losses", "probation_until"),
        "instances on probation: they came and went too often",
        "no instance on probation",
    ),
    Section(
        "stalled_streams",
        lambda conn: db.view(conn, "stalled_streams", order_by=["silent_since"], limit=50),
        ("stream_id", "name", "instance_id", "silent_for", "restarted_at", "is_station_fault"),
        "streams that run and are silent",
        "no stream is silent",
    ),
    Section(
        "failing_stations",
        lambda conn: db.view(conn, "failing_stations", order_by=["-last_failed_at"], limit=50),
        ("stream_id", "name", "instance_id", "failures", "found_at", "last_failed_at"),
        "stations that fail everywhere",
        "no station fails everywhere",
    ),
    Section(
        "breakers",
        _open_breakers,
        ("breaker", "state", "consecutive_failures", "next_try", "last_error"),
        "breakers that are not closed",
        "every breaker is closed",
    ),
    Section(
        "failures_in_a_row",
        lambda conn: db.view(conn, "failure_streaks", where={"ended_at": None}, order_by=["-consecutive"], limit=20),
        ("reporter", "consecutive", "began_at", "last_failed_at", "last_error"),
        "who fails again and again",
        "none fails again and again",
    ),
    Section(
        "patterns",
        lambda conn: db.view(conn, "incident_patterns", order_by=["-last_seen_at"], limit=10),
        ("pattern", "sqlstate", "occurrences", "first_seen_at", "last_seen_at"),
        "latest patterns of errors",
        "no errors are on record",
    ),
    Section(
        "locks_waited_for",
        _locks_waited_for,
        ("lock", "mode", "granted", "pid", "waits_for", "application_name", "transaction_age"),
        "locks that are waited for",
        "no session waits for a lock",
    ),
    Section(
        "failed_runs",
        lambda conn: db.view(conn, "job_runs", where={"outcome": "failed"}, order_by=["-job_run_id"], limit=10),
        ("job", "started_at", "run_by", "error"),
        "latest failed runs of jobs",
        "no job failed",
    ),
    Section(
        "undelivered_alerts",
        alerts.undelivered,
        alerts.DELIVERY_COLUMNS,
        "alerts that did not arrive",
        "every alert has arrived",
    ),
)


def _pending(target: options.Target) -> list[db.Row]:
    """What only the program can know: that it is newer than the database. In the form of diagnose()'s rows."""
    try:
        found = check.status(target.dsn, target.schema)
    except MigrationError:
        return []  # only who may migrate may see what is pending
    if not found.pending and not found.changed:
        return []
    return [
        {
            "severity": "warning",
            "code": "migrations_pending",
            "subject": f"schema {target.schema}",
            "finding": f"{len(found.pending)} migrations and {len(found.changed)} files of the program are not applied",
            "evidence": {"migrations": found.pending, "files": found.changed},
            "recommendation": "The program is another version than the database. The repair brings the database to it.",
            "repair": f"orchestrator db migrate --schema {target.schema}",
        }
    ]


def _show_finding(row: db.Row) -> None:
    """A few lines, so that the repair can be copied from one of its own."""
    severity = click.style(row["severity"], fg=_COLOURS[row["severity"]], bold=True)
    click.echo(f"{severity}  {row['code']}  {output.text(row['subject'])}: {output.text(row['finding'])}")
    click.echo(f"    {output.text(row['recommendation'])}")
    if row["repair"]:
        click.echo(f"    repair: {output.text(row['repair'])}")


@click.command()
@options.watchable
def diagnose(target: options.Target) -> None:
    """Say what is wrong, and what to type.

    First the findings, the worst first, each with the statement or command that repairs it (docs/operating/diagnosis.md
    lists them; their evidence is in the JSON). Below them what helps to look further: checks with their details; open
    alerts, recovery mode; instances out of step, repairs, probation; silent streams and failing stations; breakers,
    failures in a row, patterns of errors; locks that are waited for, failed jobs, alerts that did not arrive.
    """
    answer.look(target, lambda conn: _read(target, conn), _show)


def _read(target: options.Target, conn: db.Connection) -> dict[str, list[db.Row]]:
    return {
        "findings": [*_pending(target), *db.call(conn, "diagnose")],
        "health": db.call(conn, "health"),
        **{section.key: section.rows(conn) for section in SECTIONS},
    }


def _show(page: dict[str, list[db.Row]]) -> None:
    for row in page["findings"]:
        _show_finding(row)
    click.echo("" if page["findings"] else "nothing is wrong\n")
    answer.table(page["health"], ("component", "status", "finding", "detail"), empty="", title="checks")
    for section in SECTIONS:
        if page[section.key]:
            answer.table(page[section.key], section.columns, empty="", title=f"\n{section.title}")
    click.echo("\nin order: " + ", ".join(section.nothing for section in SECTIONS if not page[section.key]))
