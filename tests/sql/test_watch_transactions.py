"""watch_transactions: what runs longer than transaction_timeout is ended (R2.2)."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestrator.database import db
from orchestrator.lab.waiting import wait_until
from tests.fleet import Fleet
from tests.sql.conftest import Login


def _watch_in(fleet: Fleet, seconds: float) -> Any:
    """What the job does when so many seconds have passed; transactions go by the real clock."""
    fleet.clock.set(datetime.now(UTC) + timedelta(seconds=seconds))
    fleet.admin("request_job", job="watch_transactions")
    [run] = [row for row in fleet.admin("run_due_jobs") if row["job"] == "watch_transactions"]
    assert run["error"] is None
    return run["result"]


def _open_transaction(conn: db.Connection, application_name: str = "orchestrator:test") -> int:
    conn.execute("select set_config('application_name', %s, false)", [application_name])
    for limit in ("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout"):
        conn.execute("select set_config(name, '0', false) from pg_settings where name = %s", [limit])
    conn.autocommit = False
    conn.execute("select")
    return conn.info.backend_pid


def test_an_idle_transaction_of_this_system_is_ended_after_transaction_timeout(fleet: Fleet, login: Login) -> None:
    conn = login("worker")
    pid = _open_transaction(conn)
    assert _watch_in(fleet, 20) is None
    [ended] = _watch_in(fleet, 31)["transactions"]
    assert (ended["pid"], ended["state"], ended["ended"]) == (pid, "idle in transaction", "terminated")
    assert ended["application_name"] == "orchestrator:test"
    assert ended["blocking"] == []
    [pattern] = fleet.view("incident_patterns")
    assert pattern["pattern"] == "terminated: transaction of orchestrator:test, idle in transaction for too long"
    assert f'"pid": {pid}' in pattern["example"]["detail"]
    assert fleet.query("select * from {p}.failure_count") == []  # its caller reports it
    with pytest.raises(psycopg.OperationalError):
        for _ in range(100):
            conn.execute("select")
            time.sleep(0.05)


def test_a_running_statement_is_only_cancelled_and_whom_it_blocked_is_on_record(fleet: Fleet, login: Login) -> None:
    conn, blocked = login("admin"), fleet.database.connect(autocommit=False)
    blocked.execute("set lock_timeout = 0")
    pid = _open_transaction(conn)
    change = sql.SQL("select * from {}.set_setting('memory_alert', '91')").format(
        sql.Identifier(fleet.database.names.api)
    )
    conn.execute(change)
    caught: list[psycopg.Error] = []

    def sleep() -> None:
        try:
            conn.execute("select pg_sleep(60)")
        except psycopg.Error as error:
            caught.append(error)

    sleeping = threading.Thread(target=sleep)
    waiting = threading.Thread(target=lambda: blocked.execute(change))
    sleeping.start()
    waiting.start()
    _wait_for(fleet, "wait_event = 'PgSleep'")
    _wait_for(fleet, "wait_event = 'transactionid'")
    ended = {row["pid"]: row for row in _watch_in(fleet, 31)["transactions"]}[pid]
    sleeping.join(10)
    assert (ended["state"], ended["ended"]) == ("active", "cancelled")
    assert ended["blocking"] == [
        {
            "pid": blocked.info.backend_pid,
            "login": blocked.info.user,
            "application_name": blocked.info.parameter_status("application_name"),
        }
    ]
    assert [error.sqlstate for error in caught] == ["57014"]
    conn.rollback()
    waiting.join(10)
    assert not waiting.is_alive()
    blocked.rollback()


def _wait_for(fleet: Fleet, condition: str) -> None:
    sessions = f"select pid from pg_stat_activity where datname = current_database() and {condition}"
    wait_until(lambda: fleet.query(sessions), seconds=10, what=condition)


def test_transactions_of_others_are_none_of_its_business(fleet: Fleet, login: Login) -> None:
    for application_name in ("psql", "pg_dump", "", "my orchestrator:"):
        _open_transaction(login("worker"), application_name)
    _open_transaction(login("owner"), "orchestrator:migrate")
    assert _watch_in(fleet, 3600) is None


def test_those_of_all_clients_are_watched_where_the_setting_says_so(fleet: Fleet, login: Login) -> None:
    fleet.set("watched_transactions", "all")
    connections = [login("worker"), login("worker")]
    pids = [_open_transaction(conn, name) for conn, name in zip(connections, ("psql", ""), strict=True)]
    _open_transaction(login("owner"), "orchestrator:migrate")
    ended = _watch_in(fleet, 31)["transactions"]
    assert sorted(row["pid"] for row in ended) == sorted(pids)
    assert {row["ended"] for row in ended} == {"terminated"}
    for conn in connections:
        conn.close()


def test_what_may_not_be_ended_is_reported(fleet: Fleet) -> None:
    """A superuser's session is out of the owner's reach."""
    pid = _open_transaction(fleet.database.connect())
    [seen] = _watch_in(fleet, 31)["transactions"]
    assert (seen["pid"], seen["ended"]) == (pid, "not permitted")
