"""The decision lock comes first: what waits for it has locked no row, and holds no lock that a decision could want."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from tests.security.target import FUNCTIONS, OWN, OWN_OVER_HTTP, Connection, Target, may_call, undone

PATIENCE = 20.0


@pytest.fixture
def decider(target: Target) -> Iterator[Connection]:
    """It decides, and does not come to an end."""
    with psycopg.connect(target.database.dsn, row_factory=dict_row) as conn:
        conn.execute(sql.SQL("select {}.lock_decisions()").format(sql.Identifier(target.names.private)))
        yield conn


CLAIM_FIRST = {"run_due_jobs", "run_next_job"}
"""They claim rows of jobs, which no decision wants, and skip those that are locked."""


@pytest.mark.parametrize("function", sorted({*FUNCTIONS} - CLAIM_FIRST))
def test_nothing_is_held_by_what_waits_for_it(target: Target, decider: Connection, function: str) -> None:
    conn = target.logins[
        "worker" if may_call("worker", function) else "admin" if may_call("admin", function) else "reader"
    ]
    arguments = target.arguments(function, OWN_OVER_HTTP if function.startswith("http_") else OWN)
    [own] = target.rows(
        "select count(*) as locks from pg_locks where pid = %s and locktype = 'advisory'", conn.info.backend_pid
    )
    held, ended = [], threading.Event()

    def call() -> None:
        try:
            with undone(conn):
                target.call(conn, function, arguments)
        except psycopg.Error:
            pass
        finally:
            ended.set()

    thread = threading.Thread(target=call)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not ended.is_set() and time.monotonic() < deadline:
        rows = target.rows(
            "select a.backend_xid is not null as writes, "
            "(select count(*) from pg_locks as l "
            "where l.pid = a.pid and l.locktype = 'advisory' and l.granted) as locks "
            "from pg_stat_activity as a where a.pid = %s and %s = any(pg_blocking_pids(a.pid))",
            conn.info.backend_pid,
            decider.info.backend_pid,
        )
        if rows:
            held = [row for row in rows if row["writes"] or row["locks"] > own["locks"]]
            conn.cancel()
            break
        time.sleep(0.001)
    thread.join()
    assert not held
