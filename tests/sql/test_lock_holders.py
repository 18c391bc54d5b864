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
