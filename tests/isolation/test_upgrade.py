"""A migration beside what runs: it gives way, and nothing that runs waits for it while it waits itself."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest
from psycopg import sql

from orchestrator.database import db
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from tests.isolation.sessions import PATIENCE, Session, refusal, result
from tests.support import Database


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A server that knows prepared transactions."""
    with temporary_server(settings={"max_prepared_transactions": "1", "fsync": "off"}) as server:
        migrate(server.dsn())
        yield server.dsn()


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


def _key(session: Session) -> sql.Composed:
    """What a program from before the gate took for the decision lock."""
    private = sql.Identifier(session.conn.names.private)
    return sql.SQL("select pg_advisory_xact_lock({}.lock_key('decision'))").format(private)


def test_a_decision_of_before_the_gate_and_one_of_after_it_exclude_each_other(
    session: Callable[[], Session], database: Database
) -> None:
    """Shortly after the migration a transaction of before may still be deciding: it knows the key and not the gate."""
    old, new, eye = session(), session(), session()
    installed = sql.SQL("update {} set applied_at = {}.now() where version = 22").format(
        sql.Identifier(database.names.private, "schema_migration"), sql.Identifier(database.names.private)
    )
    eye.conn.execute(installed)
    with old.transaction():
        old.conn.execute(_key(old))
        for lock in ("lock_decisions", "lock_decisions_shared"):
            deciding = new.start_and_wait_for(partial(new.private, lock), old)
            assert refusal(deciding) == "55P03"
    with new.transaction():
        new.private("lock_decisions")
        waiting = old.start_and_wait_for(lambda: old.conn.execute(_key(old)), new)
    result(waiting)


def test_long_after_the_migration_who_has_the_key_without_the_gate_keeps_no_decision_waiting(
    session: Callable[[], Session], database: Database
) -> None:
    stranger, new, eye = session(), session(), session()
    installed = sql.SQL("update {} set applied_at = {}.now() - interval '1 day'").format(
        sql.Identifier(database.names.private, "schema_migration"), sql.Identifier(database.names.private)
    )
    eye.conn.execute(installed)
    with stranger.transaction():
        stranger.conn.execute(_key(stranger))
        for lock in ("lock_decisions", "lock_decisions_shared"):
            new.private(lock)


def test_a_decision_gets_its_turn_among_many_that_confirm(session: Callable[[], Session]) -> None:
    """R2.1: with a lock on a row, those that share it would keep out the one that wants it alone."""
    sharing, deciding = [session() for _ in range(4)], session()
    over = threading.Event()

    def share(one: Session, number: int) -> None:
        # each waits for the next to hold the lock before it lets it go: without a queue it would never be free
        while not over.is_set():
            with one.transaction():
                one.private("lock_decisions_shared")
                turns[number] += 1
                seen = turns[(number + 1) % len(turns)]
                deadline = time.monotonic() + 1
                while turns[(number + 1) % len(turns)] == seen and not over.is_set() and time.monotonic() < deadline:
                    time.sleep(0.001)

    turns = [0] * len(sharing)
    threads = [threading.Thread(target=share, args=[one, number]) for number, one in enumerate(sharing)]
    for thread in threads:
        thread.start()
    try:
        while min(turns) < 2:
            time.sleep(0.001)
        deciding.conn.execute("set lock_timeout = '10s'")
        deciding.private("lock_decisions")
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_transaction_that_decided_cannot_be_prepared(own_server: str) -> None:
    """It would keep others out for ever, and no session could be ended for it."""
    with db.connect(own_server, application_name="test") as conn:
        for lock in ("lock_decisions", "lock_decisions_shared"):
            decide = sql.SQL("begin; select {}.{}(); prepare transaction 'forgotten'").format(
                sql.Identifier(conn.names.private), sql.Identifier(lock)
            )
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                conn.execute(decide)
            conn.rollback()
