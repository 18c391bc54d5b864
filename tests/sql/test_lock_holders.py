"""Who has just waited in vain can say for whom."""

from orchestrator.database import db
from tests.fleet import Fleet
from tests.sql.conftest import Login
from tests.support import Database


def test_a_worker_learns_who_holds_the_decision_lock_and_who_a_table(
    fleet: Fleet, database: Database, login: Login
) -> None:
    """R2.4"""
    worker = login("worker")
    assert db.call(worker, "lock_holders") == []
    deciding, locking = database.connect(), database.connect()
    private = database.names.private
    with deciding.transaction(), locking.transaction():
        deciding.execute(f"select {private}.lock_decisions()")
        locking.execute(f"lock table {private}.setting in exclusive mode")
        rows = db.call(worker, "lock_holders")
    held = {(row["lock"], row["mode"], row["pid"]) for row in rows}
    assert held == {
        ("decision", "ExclusiveLock", deciding.info.backend_pid),
        ("table setting", "ExclusiveLock", locking.info.backend_pid),
    }
    assert all(row["application_name"] == "orchestrator:test" and row["waiting"] == 0 for row in rows)
    assert all(row["transaction_age"] is not None for row in rows)
    assert all(row["state"] == "idle in transaction" for row in rows)
    assert db.call(worker, "lock_holders") == []


def test_who_holds_a_table_can_be_asked_while_nothing_of_it_can_be_read(
    fleet: Fleet, database: Database, login: Login
) -> None:
    """R2.4: an answer that needs a table of ours would wait for the very lock that it is asked about."""
    locking, private = database.connect(), database.names.private
    with locking.transaction():
        locking.execute(f"lock table {private}.instance, {private}.setting in access exclusive mode")
        rows = db.call(login("worker"), "lock_holders")
    assert {row["lock"] for row in rows} == {"table instance", "table setting"}
