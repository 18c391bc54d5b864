"""A migration beside what runs: it gives way, and nothing that runs waits for it while it waits itself."""

import time
from collections.abc import Callable

from psycopg import sql

from orchestrator.install.migrate import migrate
from tests.isolation.sessions import PATIENCE, Session, result
from tests.support import Database


def _wait_until_a_migration_waits_for(eye: Session, other: Session) -> None:
    deadline = time.monotonic() + PATIENCE
    waiting = (
        "select from pg_stat_activity where application_name like '%%migrate%%' and %s = any(pg_blocking_pids(pid))"
    )
    while not eye.conn.execute(waiting, [other.pid]).fetchall():
        assert time.monotonic() < deadline, "no migration waits"
        time.sleep(0.002)


def test_a_job_finds_its_tables_free_while_a_migration_waits_for_it(
    session: Callable[[], Session], database: Database
) -> None:
    """R2.1: else the job would wait for the tables, the migration for the job's row, and one of them would fail."""
    job, eye = session(), session()
    tables = [
        sql.Identifier(database.names.private, name) for name in ("instance", "assignment", "heartbeat", "job_run")
    ]
    with job.transaction():
        claimed = sql.SQL("select from {} for update").format(sql.Identifier(database.names.private, "job"))
        job.conn.execute(claimed)
        migrating = eye.start(lambda: migrate(database.dsn, database.names.api, repair=True))
        _wait_until_a_migration_waits_for(session(), job)
        job.conn.execute("set local lock_timeout = '20ms'")
        for table in tables:
            job.conn.execute(sql.SQL("select from {} limit 1").format(table))
    result(migrating)
