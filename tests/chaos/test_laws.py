"""The watch of the chaos suite finds what is broken on purpose, and nothing in a fleet that is right."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.lab import ledger
from orchestrator.names import Names
from tests.chaos.laws import Law, Watch
from tests.support import Database


@pytest.fixture
def ledger_dsn(empty_database: str) -> str:
    """An empty ledger."""
    ledger.install(empty_database)
    return empty_database


@pytest.fixture
def now() -> int:
    """The number of the present second."""
    return int(time.time())


@pytest.fixture
def watch(database: Database, ledger_dsn: str) -> Watch:
    """A watch over a small fleet whose assignments are all given, and over its ledger."""
    admin = database.connect()
    for number in range(1, 5):
        db.call(admin, "add_stream", url=f"http://radio/{number}.wav", name=f"Radio {number}")
    db.call(admin, "register_instance", instance_id="worker-1", max_streams=10, metadata=Jsonb({}))
    db.call(admin, "rebalance")
    return Watch(database.dsn, ledger_dsn, schema=database.names.api)


def hear(dsn: str, instance_id: str, *, epoch: int, second: int) -> None:
    """Write a second past the fence."""
    with ledger.connect(dsn, "test") as conn:
        conn.execute(
            "insert into music_log.heard values (1, 1, %s, %s, %s, now(), now())", [second, epoch, instance_id]
        )


def broken(watch: Watch) -> set[Law]:
    """Which laws are found broken."""
    watch.look()
    assert watch.looks == 1, "the watch saw nothing"
    return {breach.law for breach in watch.breaches}


def test_a_fleet_that_is_right_breaks_no_law(watch: Watch, ledger_dsn: str, now: int) -> None:
    hear(ledger_dsn, "worker-1", epoch=1, second=now - 1)
    hear(ledger_dsn, "worker-2", epoch=2, second=now - 2)
    assert broken(watch) == set()


def test_a_second_written_twice_is_found(watch: Watch, ledger_dsn: str, now: int) -> None:
    hear(ledger_dsn, "worker-1", epoch=1, second=now - 1)
    hear(ledger_dsn, "worker-2", epoch=2, second=now - 1)
    assert broken(watch) == {Law.TWICE}


def test_two_owners_under_one_epoch_are_found(watch: Watch, ledger_dsn: str, now: int) -> None:
    hear(ledger_dsn, "worker-1", epoch=1, second=now - 1)
    hear(ledger_dsn, "worker-2", epoch=1, second=now - 2)
    assert broken(watch) == {Law.OWNERS}


@pytest.mark.parametrize(
    ("sabotage", "law"),
    [
        ("update {private}.instance_load set owned = owned + 1", Law.RECOUNT),
        ("delete from {private}.movement where stream_id = 1", Law.CHAINS),
        (
            "insert into {private}.repair"
            " (instance_id, incarnation, found_at, found_by, attempt, difference, repaired_by)"
            " values ('worker-1', 1, now(), 'heartbeat', 1, '{{}}', 'commands')",
            Law.REPAIRS,
        ),
        (
            "insert into {private}.job_run (job, started_at, run_by, outcome, error)"
            " values ('settle', now(), 'test', 'failed', '{{\"sqlstate\": \"23505\"}}')",
            Law.JOBS,
        ),
    ],
)
def test_what_is_wrong_in_the_record_is_found(
    watch: Watch, database: Database, names: Names, sabotage: str, law: Law
) -> None:
    database.connect().execute(sabotage.format(private=names.private).encode())
    assert law in broken(watch)


def test_a_deadlock_is_found(watch: Watch, database: Database) -> None:
    both_have_one = Barrier(2)

    def take(first: int, second: int) -> bool:
        session = database.connect()
        try:
            with session.transaction():
                session.execute("select pg_advisory_xact_lock(%s)", [first])
                both_have_one.wait(30)
                session.execute("select pg_advisory_xact_lock(%s)", [second])
        except psycopg.errors.DeadlockDetected:
            return True
        finally:
            session.execute("select pg_stat_force_next_flush()")
        return False

    assert broken(watch) == set()
    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(take, (1, 2), (2, 1))) == [False, True]
    watch.look()
    assert {breach.law for breach in watch.breaches} == {Law.DEADLOCKS}


def test_a_job_that_met_contention_is_excused(watch: Watch, database: Database, names: Names) -> None:
    database.connect().execute(
        f"insert into {names.private}.job_run (job, started_at, run_by, outcome, error)"
        " values ('settle', now(), 'test', 'failed', '{\"sqlstate\": \"55P03\"}')".encode()
    )
    assert broken(watch) == set()


@pytest.mark.slow
def test_the_suite_ends_with_1_when_a_law_was_broken() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--quick", "--seed", "1", "--faults", "sabotage"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 1, run.stderr
    assert "BROKEN  no second of a station is written twice" in run.stdout
