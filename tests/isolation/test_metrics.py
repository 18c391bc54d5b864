"""Counters keep no session waiting: who writes them, and what others may do meanwhile (R2.1, R6.4)."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from tests.isolation.sessions import Session, result
from tests.properties.lawful import LawfulFleet
from tests.support import Clock, Database

Open = Callable[[], Session]


def _failures(*codes: str) -> Jsonb:
    """One failure of each code; the messages are unlike all others."""
    return Jsonb([{"sqlstate": code, "message": " ".join(["failed", *reversed(codes)])} for code in codes])


def _counted(database: Database, metric: str) -> dict[str, float]:
    query = sql.SQL("select label, value from {}.metric_count where metric = %s and value > 0")
    rows = database.connect().execute(query.format(sql.Identifier(database.names.private)), [metric]).fetchall()
    return {row["label"]: row["value"] for row in rows}


def _deadlocks(database: Database) -> Any:
    [row] = database.connect().execute("select deadlocks from pg_stat_database where datname = current_database()")
    return row["deadlocks"]


def test_a_report_takes_the_counters_of_its_classes_in_their_order_so_that_two_never_deadlock(
    database: Database, session: Open
) -> None:
    one, two, three = session(), session(), session()
    contention_fenced_other_unavailable = ("55P03", "OR301", "XX000", "08006")
    for first, second in pairwise(contention_fenced_other_unavailable):
        with one.transaction():
            one.call("record_failures", reporter="driver:one", failures=_failures(second))
            both = _failures(second, first)
            waiting = two.start_and_wait_for(
                lambda both=both: two.call("record_failures", reporter="driver:two", failures=both),  # type: ignore[misc]
                one,
            )
            # it has the first already, and waits for the second
            alone = _failures(first)
            behind = three.start_and_wait_for(
                lambda alone=alone: three.call("record_failures", reporter="driver:three", failures=alone),  # type: ignore[misc]
                two,
            )
        assert (result(waiting)[0]["recorded"], result(behind)[0]["recorded"]) == (2, 1)
    assert sum(_counted(database, "orchestrator_retries_total").values()) == 3 * 4
    assert _deadlocks(database) == 0


def test_a_job_that_failed_keeps_no_report_waiting(fleet: LawfulFleet, session: Open) -> None:
    """Jobs may share a transaction with others that are still to take the decision lock."""
    private = fleet.database.names.private
    driver, reporter = session(), session()
    driver.conn.execute(
        f"create or replace function {private}.settle() returns jsonb language plpgsql "
        "as $$ begin raise exception using errcode = '55P03', message = 'not now'; end $$"
    )
    driver.conn.execute(f"update {private}.job set next_run_at = {private}.now(), enabled = job = 'settle'")
    with driver.transaction():
        [run] = driver.call("run_due_jobs")
        assert run["outcome"] == "failed"
        reporter.call("record_failures", reporter="driver:one", failures=_failures("55P03"))
        driver.private("lock_decisions")


def test_a_decision_that_has_counted_keeps_neither_beats_nor_reports_nor_their_sums_waiting(
    fleet: LawfulFleet, session: Open, clock: Clock
) -> None:
    decider, worker, driver, reader = session(), session(), session(), session()
    [row] = decider.call("register_instance", instance_id="fv-1", max_streams=10)
    who = {"instance_id": "fv-1", "incarnation": row["incarnation"]}
    with decider.transaction():
        decider.call("add_stream", url="http://radio.example/1")
        worker.call("heartbeat", **who, report={"round_trip": 0.01})
        worker.call("report_failures", **who, failures=_failures("55P03", "08006"))
        clock.advance("10 seconds")
        driver.private("evaluate_alerts")
        assert "orchestrator_moves_total" not in {row["name"] for row in reader.call("metrics")}
    assert _counted(fleet.database, "orchestrator_moves_total") == {"new stream": 1}
    assert _counted(fleet.database, "orchestrator_beat_round_trip_seconds") == {"": 0.009999999776482582}
