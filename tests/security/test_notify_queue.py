"""A queue of notifications that another database of the server has filled: decisions go on without hints."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server whose queue of notifications is soon full."""
    with temporary_server(settings={"max_notify_queue_pages": "64", "fsync": "off"}) as server:
        migrate(server.dsn())
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("create database other")
            conn.execute("create role stranger login")
        yield server.dsn()


def _fill(conn: psycopg.Connection[Any]) -> None:
    """To the brim: what does not fit any more is refused."""
    for size in (50_000, 4000, 100, 1):
        try:
            for _ in range(200):
                conn.execute(
                    "select pg_notify('something', n || repeat('x', %s)) from generate_series(1, %s) as n",
                    [min(size, 7000), max(size // 7000, 1)],
                )
        except psycopg.errors.ProgramLimitExceeded:
            continue
        raise AssertionError("the queue does not become full")


def _heard(conn: psycopg.Connection[Any]) -> list[str]:
    return [notification.channel for notification in conn.notifies(timeout=0.2)]


def test_with_a_full_queue_everything_works_and_is_said_and_afterwards_hints_come_again(server: str) -> None:
    """R2.1: each transaction that notifies would fail."""
    other = make_conninfo(server, dbname="other", user="stranger")
    with (
        db.connect(server, application_name="test") as conn,
        psycopg.connect(server, autocommit=True) as worker,
        psycopg.connect(other, autocommit=True) as filler,
        psycopg.connect(other, autocommit=True, application_name="a listener") as listener,
    ):
        [one] = db.call(conn, "register_instance", instance_id="one", max_streams=10)
        worker.execute(sql.SQL("listen {}").format(sql.Identifier("orchestrator.one")))
        listener.execute("listen something")
        listener.execute("begin")
        listener.execute("select")
        _fill(filler)
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            conn.execute("select pg_notify('something', %s)", ["x" * 7999])

        def codes() -> set[tuple[str, str]]:
            conn.execute("select orchestrator_private.evaluate_alerts()")
            found = [("finding", row["code"]) for row in db.call(conn, "diagnose")]
            return {*found, *(("alert", row["code"]) for row in db.view(conn, "alerts") if row["resolved_at"] is None)}

        [added] = db.call(conn, "add_stream", url="http://radio.example.org/1")
        [two] = db.call(conn, "register_instance", instance_id="two", max_streams=10)
        db.call(conn, "heartbeat", instance_id="two", incarnation=two["incarnation"])
        db.call(conn, "move_stream", stream_id=added["stream_id"], instance_id="two")
        db.call(conn, "drain_instance", instance_id="one")
        db.call(conn, "rebalance")
        db.call(conn, "run_due_jobs")
        db.call(conn, "undrain_instance", instance_id="one")
        db.call(conn, "deregister_instance", instance_id="one", incarnation=one["incarnation"])
        assert {("finding", "notify_queue_filling"), ("alert", "notify_queue_filling")} <= codes()
        [finding] = [row for row in db.call(conn, "diagnose") if row["code"] == "notify_queue_filling"]
        assert (finding["evidence"]["login"], finding["evidence"]["database"]) == ("stranger", "other")
        [alert] = db.view(conn, "alerts", where={"code": "notify_queue_filling"})
        assert alert["detail"]["longest_transaction"] == {
            "pid": listener.info.backend_pid,
            "login": "stranger",
            "program": "a listener",
            "database": "other",
        }
        assert _heard(worker) == []
        # a beat says what no notification did
        [command] = db.call(conn, "heartbeat", instance_id="two", incarnation=two["incarnation"], digest=0)
        assert (command["action"], command["stream_id"]) == ("add", added["stream_id"])

        listener.close()
        filler.close()
        [one] = db.call(conn, "register_instance", instance_id="one", max_streams=10)
        db.call(conn, "heartbeat", instance_id="one", incarnation=one["incarnation"])
        [again] = db.call(conn, "add_stream", url="http://radio.example.org/2")
        db.call(conn, "move_stream", stream_id=again["stream_id"], instance_id="one")
        assert "orchestrator.one" in _heard(worker)
        assert not {("finding", "notify_queue_filling"), ("alert", "notify_queue_filling")} & codes()
