"""R6.2: the database beneath. Sessions and locks go by the real clock."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from tests.fleet import Fleet
from tests.sql.conftest import Login
from tests.sql.diagnose.diagnosis import Diagnosis, run_command
from tests.support import Database, query


def _later(fleet: Fleet, seconds: float) -> None:
    """So long after now, as the real clock has it."""
    fleet.clock.set(datetime.now(UTC) + timedelta(seconds=seconds))


def _unlimited(conn: db.Connection) -> None:
    for limit in ("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout", "lock_timeout"):
        conn.execute("select set_config(name, '0', false) from pg_settings where name = %s", [limit])
    conn.autocommit = False


def test_a_long_transaction_is_found_and_ended(fleet: Fleet, diagnosis: Diagnosis, login: Login) -> None:
    """R6.2, R2.2: another login's, under any name."""
    conn = login("reader")
    conn.execute("set application_name = 'orchestrator:migrate'")
    _unlimited(conn)
    conn.execute("select")
    _later(fleet, 20)
    diagnosis.sees_no("transaction_long")
    _later(fleet, 31)
    finding = diagnosis.cures("transaction_long", f"session {conn.info.backend_pid}")
    assert finding["evidence"]["program"] == "orchestrator:migrate"
    assert finding["evidence"]["state"] == "idle in transaction"
    conn.close()


def test_a_migration_may_take_its_time_and_another_database_is_none_of_ours(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    elsewhere = make_conninfo(fleet.database.dsn, dbname="postgres")
    with (
        db.connect(fleet.database.dsn, application_name="migrate") as migration,
        db.connect(elsewhere, application_name="test") as other,
    ):
        for conn in (migration, other):
            _unlimited(conn)
            conn.execute("select")
        _later(fleet, 120)
        diagnosis.sees_no("transaction_long")


def test_a_session_that_holds_a_lock_that_others_wait_for_is_found_and_ended(
    fleet: Fleet, diagnosis: Diagnosis
) -> None:
    """R6.2: not those that wait themselves, though the next must wait for them, too."""
    holder, *waiters = (fleet.database.connect(autocommit=True) for _ in range(3))
    for conn in (holder, *waiters):
        _unlimited(conn)
    lock = sql.SQL("select {}.lock_decisions()").format(sql.Identifier(fleet.database.names.private))
    holder.execute(lock)
    waiting = [threading.Thread(target=_lock_and_let_go, args=[conn, lock]) for conn in waiters]
    for thread in waiting:
        thread.start()
    try:
        _wait_for(fleet, "select count(*) = 2 as is_so from pg_locks where not granted")
        _later(fleet, 5)
        finding = diagnosis.cures("lock_wait", f"session {holder.info.backend_pid}")
        assert finding["evidence"]["sessions_waiting"] == 2
    finally:
        holder.close()
        for thread in waiting:
            thread.join()


def _lock_and_let_go(conn: db.Connection, lock: sql.Composed) -> None:
    conn.execute(lock)
    conn.rollback()


def _wait_for(fleet: Fleet, query: str) -> None:
    for _ in range(600):
        if fleet.value(query):
            return
        fleet.query("select pg_sleep(0.05)")
    raise AssertionError(query)


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A server whose queue of notifications is soon full, and that knows prepared transactions."""
    settings = {"max_notify_queue_pages": "64", "max_prepared_transactions": "1", "fsync": "off"}
    with temporary_server(settings=settings) as server:
        migrate(server.dsn())
        yield server.dsn()


def test_a_prepared_transaction_that_others_wait_for_is_found_and_is_for_a_person_to_end(own_server: str) -> None:
    """R6.2: it may be half of one whose other half is elsewhere."""
    with (
        db.connect(own_server, application_name="test") as conn,
        db.connect(own_server, application_name="test") as waiter,
    ):
        lock = sql.SQL("select from {} for update").format(sql.Identifier(conn.names.private, "controller"))
        conn.execute(sql.SQL("begin; {}; prepare transaction 'forgotten'").format(lock))
        _unlimited(waiter)
        waiting = threading.Thread(target=_lock_and_let_go, args=[waiter, lock])
        waiting.start()

        def seen() -> list[Any]:
            return [row for row in db.call(conn, "diagnose") if row["code"] == "lock_wait"]

        try:
            for _ in range(200):
                if found := seen():
                    break
                conn.execute("select pg_sleep(0.05)")
            [finding] = found
            assert (finding["subject"], finding["repair"]) == ("prepared transaction", None)
            assert finding["evidence"]["sessions_waiting"] == 1
        finally:
            conn.execute("rollback prepared 'forgotten'")
            waiting.join()
        assert seen() == []


def test_a_listener_that_holds_up_the_queue_is_found_and_ended(own_server: str) -> None:
    """R6.2"""
    with (
        db.connect(own_server, application_name="test") as conn,
        psycopg.connect(own_server, autocommit=True) as listener,
        psycopg.connect(own_server) as younger,
    ):
        if conn.info.server_version < 170000:
            pytest.skip("the queue of this server cannot be made small")
        listener.execute("listen something")
        listener.execute("begin")
        listener.execute("select")
        younger.execute("select")

        def seen() -> list[Any]:
            return [row for row in db.call(conn, "diagnose") if row["code"] == "notify_queue_filling"]

        assert seen() == []
        found = []
        for _ in range(10):
            conn.execute("select pg_notify('something', n || repeat('x', 7000)) from generate_series(1, 5) as n")
            found += seen()
        assert {(row["severity"], row["evidence"]["used"] > 0.5) for row in found} == {
            ("warning", False),
            ("critical", True),
        }
        assert 0.1 < found[0]["evidence"]["used"] < 0.2
        finding = found[-1]
        assert finding["subject"] == f"session {listener.info.backend_pid}"
        conn.execute(finding["repair"])
        listener.close()
        for _ in range(200):
            conn.execute("select pg_notify('unheard', '')")
            if not seen():
                return
        raise AssertionError("the queue stays full")


def test_logins_that_kept_decisions_waiting_are_named_for_an_hour(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: more than one login, and one that could not be ended."""
    diagnosis.sees_no("decisions_held_up")
    for login, lock, kept, ended in (
        ("one", "decision", 6, "terminated"),
        ("one", "table metric_count", 3, "no"),
        ("two", "decision", 9, "not permitted"),
    ):
        fleet.query(
            "select {p}.record_hold_up(%s, %s, 'psql', %s * interval '1 second', %s) as done", login, lock, kept, ended
        )
    found = {row["subject"]: row for row in diagnosis.findings("decisions_held_up")}
    assert {login: row["severity"] for login, row in found.items()} == {"one": "warning", "two": "critical"}
    assert found["one"]["finding"].endswith("6.0 s at the longest, by: decision, table metric_count")
    assert [(held["lock"], held["ended"]) for held in found["one"]["evidence"]["locks"]] == [
        ("decision", "terminated"),
        ("table metric_count", "no"),
    ]
    fleet.clock.advance(timedelta(minutes=59))
    assert len(diagnosis.findings("decisions_held_up")) == 2
    fleet.clock.advance(timedelta(minutes=2))
    diagnosis.sees_no("decisions_held_up")
    fleet.run("watch_transactions")
    assert fleet.query("select login from {p}.hold_up") == []


def test_an_owner_that_cannot_see_sessions_is_found_and_given_the_right(
    fleet: Fleet, diagnosis: Diagnosis, superuser: psycopg.Connection[Any]
) -> None:
    """R6.2"""
    owner = sql.Identifier(fleet.database.names.owner)
    superuser.execute(sql.SQL("revoke pg_read_all_stats from {}").format(owner))
    try:
        diagnosis.cures("rights_missing")
    finally:
        superuser.execute(sql.SQL("grant pg_read_all_stats to {}").format(owner))


def test_a_database_with_too_few_connections_is_found(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: the limit of the database can be lifted, that of the server needs a restart."""
    fleet.start(10, streams=1)
    diagnosis.sees_no("connections_few")
    name = fleet.value("select current_database()")
    used = fleet.value(
        "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend'"
    )

    def leave(connections: int) -> None:
        limit = sql.SQL("alter database {} connection limit {}")
        fleet.owner_conn.execute(limit.format(sql.Identifier(name), sql.Literal(used + connections)))

    leave(5)
    diagnosis.sees_no("connections_few")
    leave(4)
    finding = diagnosis.cures("connections_few", f"database {name}")
    assert finding["severity"] == "warning"
    assert (finding["evidence"]["most"], finding["evidence"]["used"]) == (used + 4, used)
    leave(1)
    assert diagnosis.cures("connections_few")["severity"] == "critical"
    leave(5)
    # one that is late will want a connection when it is back
    fleet.clock.advance("91 seconds")
    fleet.run("watch_instances")
    assert diagnosis.cures("connections_few")["evidence"]["instances_without_connection"] == 1
    fleet.workers["fv-1"].beat()
    leave(5)
    diagnosis.sees_no("connections_few")
    # and each instance should have one
    fleet.query("select {a}.register_instance('more-' || n, 10) from generate_series(1, %s) as n", used)
    assert diagnosis.cures("connections_few")["evidence"]["instances"] == used + 1


# -- beats -------------------------------------------------------------------------------------------------------------


def test_an_index_on_the_table_of_beats_is_found_and_dropped(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: not HOT."""
    fleet.query("create index slow on {p}.heartbeat (beat_at)")
    diagnosis.cures("heartbeat_not_hot", f"index {fleet.database.names.private}.slow")


@pytest.mark.parametrize("change", ["reset (fillfactor)", "set (fillfactor = 51)"])
def test_a_table_of_beats_without_room_is_found_and_given_room(fleet: Fleet, diagnosis: Diagnosis, change: str) -> None:
    """R6.2: not HOT."""
    fleet.query("alter table {p}.heartbeat " + change)
    diagnosis.cures("heartbeat_not_hot", f"table {fleet.database.names.private}.heartbeat")


def test_a_bloated_table_of_beats_is_found_and_made_small(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: a transaction that looks at the past keeps every beat that ever was."""
    fleet.query("select {a}.register_instance('fv-' || n, 10) from generate_series(1, 200) as n")
    past = fleet.database.connect(autocommit=False)
    past.execute("set transaction isolation level repeatable read")
    past.execute("select count(*) from pg_class")
    # a megabyte, and ten times what the rows take
    much = 1048576 + 10 * 300 * 200
    size = "select pg_relation_size('{p}.heartbeat')"
    while fleet.value(size) <= much:
        diagnosis.sees_no("heartbeat_bloated")
        for _ in range(5):
            fleet.query("update {p}.heartbeat set processed_count = processed_count + 1")
    diagnosis.sees("heartbeat_bloated")
    past.rollback()
    diagnosis.cures("heartbeat_bloated")


# -- schemas -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def conn(database: Database) -> db.Connection:
    """By the real clock; no job is due."""
    conn = database.connect()
    query(conn, "update {p}.job set next_run_at = now() + '1 hour'", database.names)
    return conn


def _codes(conn: db.Connection) -> dict[str, db.Row]:
    return {row["code"]: row for row in db.call(conn, "diagnose")}


@pytest.mark.parametrize(
    "damage",
    [
        "create or replace function {p}.count_waiting(p_limit integer) returns integer language sql as 'select 0'",
        "drop view {a}.locks",
        "grant execute on function {a}.rebalance(text) to public",
        "drop trigger count_inserted_assignments on {p}.assignment",
    ],
)
def test_what_was_changed_by_hand_is_installed_anew(database: Database, conn: db.Connection, damage: str) -> None:
    """R6.2: drifted; by the real clock, which a migration would put back."""
    assert db.call(conn, "diagnose") == []
    query(conn, damage, database.names)
    [finding] = db.call(conn, "diagnose")
    assert finding["code"] == "schema_differs"
    assert len(finding["evidence"]["objects"]) == 1
    run_command(finding["repair"], database)
    assert db.call(conn, "diagnose") == []


@pytest.mark.parametrize(
    ("damage", "cure"),
    [
        ("alter table {p}.stream add column mood text", "alter table {p}.stream drop column mood"),
        (
            "alter table {p}.stream drop constraint url_is_http",
            "alter table {p}.stream add constraint url_is_http check (url ~* '^https?://[^[:space:]]+$')",
        ),
    ],
)
def test_an_altered_table_is_for_a_person_to_put_right(
    database: Database, conn: db.Connection, damage: str, cure: str
) -> None:
    """R6.2: no repair can know what is in it."""
    query(conn, damage, database.names)
    [finding] = db.call(conn, "diagnose")
    assert (finding["code"], finding["repair"]) == ("schema_altered", None)
    query(conn, cure, database.names)
    assert db.call(conn, "diagnose") == []


_STRANGERS = (
    "create function {a}.helpful(a integer, b text) returns integer language sql as 'select 1'",
    "create procedure {a}.helpful() language sql as 'select 1'",
    "create aggregate {p}.most(integer) (sfunc = int4larger, stype = integer)",
    "create view {a}.everything as select 1 as one",
    "create materialized view {p}.copied as select 1 as one",
    """create table {p}."My notes" (note_id serial, note text)""",
    "create sequence {p}.numbers",
    "alter table {p}.stream add constraint named unique (name, url)",
    "create index slow on {p}.stream (name)",
    "create type {p}.mood as enum ('good')",
    "create domain {p}.age as integer",
    "create statistics {p}.together on name, url from {p}.stream",
    "create trigger watched before update on {p}.stream execute function suppress_redundant_updates_trigger()",
    "create policy open on {p}.stream",
    "create rule nothing as on delete to {p}.stream do instead nothing",
)


def test_what_does_not_belong_into_the_schemas_is_dropped(database: Database, conn: db.Connection) -> None:
    """R6.2: one of each kind."""
    for damage in _STRANGERS:
        query(conn, damage, database.names)
    found = db.call(conn, "diagnose")
    assert {row["code"] for row in found} == {"schema_left_over"}
    assert len(found) == len(_STRANGERS)
    for finding in found:
        conn.execute(finding["repair"])
    assert db.call(conn, "diagnose") == []


def test_a_migration_without_a_record_is_found(database: Database, conn: db.Connection) -> None:
    """R6.2"""
    query(conn, "create temporary table kept as select * from {p}.schema_migration where version = 1", database.names)
    query(conn, "delete from {p}.schema_migration where version = 1", database.names)
    finding = _codes(conn)["migration_missing"]
    assert (finding["severity"], finding["subject"], finding["repair"]) == ("critical", "migration 0001", None)
    query(conn, "insert into {p}.schema_migration select * from kept", database.names)
    assert "migration_missing" not in _codes(conn)


def test_a_step_of_the_servers_clock_is_told_for_an_hour(fleet: Fleet, diagnosis: Diagnosis) -> None:
    diagnosis.sees_no("clock_stepped")
    fleet.one("record_clock_step", step="-1 hour", within="1 second", stepped="0")
    assert "-3600.0 s" in diagnosis.sees("clock_stepped", "server")["finding"]
    fleet.clock.advance("1 hour")
    diagnosis.sees_no("clock_stepped")


def test_a_clock_that_went_back_unseen_is_put_right_by_the_repair(fleet: Fleet, diagnosis: Diagnosis) -> None:
    fleet.run_due_jobs()
    fleet.clock.step("-1 hour")
    finding = diagnosis.sees("clock_stepped", "server")
    assert finding["severity"] == "critical"
    diagnosis.do(finding["repair"])
    assert diagnosis.sees("clock_stepped", "server")["severity"] == "warning"
