"""Failures told by many at once, and alerts claimed by several drivers at once."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from tests.isolation.sessions import Session, result
from tests.properties.lawful import LawfulFleet
from tests.support import Clock, Database

Open = Callable[[], Session]


_CODES = ("55P03", "08006", "OR301", "XX000")  # one of each class that is counted


def _failures(*messages: str) -> Jsonb:
    return Jsonb(
        [
            {"message": message, "sqlstate": _CODES[ord(message[-1]) % len(_CODES)], "consecutive": 9}
            for message in messages
        ]
    )


def _value(database: Database, query: str) -> Any:
    conn = database.connect()
    row = conn.execute(query.format(p=database.names.private)).fetchone()
    assert row is not None
    return next(iter(row.values()))


def _deadlocks(database: Database) -> int:
    return int(_value(database, "select deadlocks from pg_stat_database where datname = current_database()"))


def _open_alert(session: Session, code: str) -> None:
    session.private("open_alert", code, "", "critical", "something is wrong", Jsonb({}))


# -- failures ----------------------------------------------------------------------------------------------------------


def test_who_reports_the_same_in_another_order_waits_and_never_deadlocks(database: Database, session: Open) -> None:
    one, two = session(), session()
    with one.transaction():
        one.call("record_failures", reporter="driver:one", failures=_failures("a", "b", "c"))
        waiting = two.start_and_wait_for(
            lambda: two.call("record_failures", reporter="driver:two", failures=_failures("c", "b", "a")), one
        )
    assert result(waiting)[0]["recorded"] == 3
    assert _value(database, "select sum(occurrences) from {p}.incident_pattern") == 6
    assert _deadlocks(database) == 0


def test_a_report_keeps_no_decision_waiting_and_waits_for_none(session: Open) -> None:
    """No decision lock: a worker tells its failures in the middle of a failover."""
    decider, reporter = session(), session()
    with decider.transaction():
        decider.call("pause_balancing")
        reporter.call("record_failures", reporter="driver:one", failures=_failures("a"))
    with reporter.transaction():
        reporter.call("record_failures", reporter="driver:one", failures=_failures("a"))
        decider.call("resume_balancing")


def test_an_evaluation_and_a_report_of_the_same_alert_end_with_one(database: Database, session: Open) -> None:
    driver, reporter = session(), session()
    with reporter.transaction():
        reporter.call("record_failures", reporter="driver:one", failures=_failures("a"))
        assert driver.private("evaluate_alerts") is None  # it is not there yet, for anybody else
    assert driver.private("evaluate_alerts") is None  # and it is open
    with driver.transaction():
        reporter.call("record_failures", reporter="driver:two", failures=_failures("a"))
        driver.private("evaluate_alerts")
    assert _value(database, "select count(*) from {p}.alert where resolved_at is null") == 2


def test_many_reporters_at_once_lose_no_failure_and_never_deadlock(database: Database, clock: Clock) -> None:
    """R2.1, R4.4: reports, jobs that fail, evaluations, claims, all on the same patterns and alerts."""
    accidents: list[str] = []
    reporters, rounds = 6, 30

    def act(number: int) -> None:
        conn = database.connect()
        dice = random.Random(number)
        try:
            for _ in range(rounds):
                kinds = [f"kind {chr(97 + kind)}" for kind in range(8)]
                dice.shuffle(kinds)
                db.call(conn, "record_failures", reporter=f"driver:{number % 3}", failures=_failures(*kinds))
                if number == 0:
                    conn.execute(f"select {conn.names.private}.evaluate_alerts()")
                if number == 1:
                    db.call(conn, "claim_alert_deliveries", targets=["log"], driver="one")
                    db.call(conn, "finish_alert_delivery", target="log", driver="one")
        except OrchestratorError as error:
            accidents.append(repr(error))

    threads = [threading.Thread(target=act, args=[number]) for number in range(reporters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert accidents == []
    assert _deadlocks(database) == 0
    assert _value(database, "select sum(occurrences) from {p}.incident_pattern") == reporters * rounds * 8
    assert _value(database, "select sum(failures) from {p}.failure_count") == reporters * rounds * 8
    retries = "from {p}.metric_count where metric = 'orchestrator_retries_total'"
    assert _value(database, f"select array_agg(value) {retries}") == [reporters * rounds * 2] * len(_CODES)


def test_no_beat_waits_for_another_that_finds_no_driver(fleet: LawfulFleet, session: Open) -> None:
    """A beat waits for nothing: not even for the session that opens the alert."""
    first, second = fleet.start(4, 4)
    fleet.clock.advance("10 minutes")
    one, two = session(), session()

    def beat(session: Session, who: dict[str, Any]) -> list[str]:
        rows = session.call("heartbeat", **who, digest=0, report={"heartbeat_interval": 30})
        return [key for row in rows if row["action"] == "notice" for key in row["metadata"]]

    with one.transaction():
        assert beat(one, first.who) == ["no_driver_for"]
        with two.transaction():
            assert beat(two, second.who) == ["no_driver_for"]
            assert two.call("run_next_job")[0]["job"] is not None  # nor does the driver that comes back
    assert (
        _value(fleet.database, "select count(*) from {p}.alert where code = 'no_driver' and resolved_at is null") == 1
    )


# -- deliveries --------------------------------------------------------------------------------------------------------


def test_two_drivers_never_claim_the_same_event(fleet: LawfulFleet, session: Open) -> None:
    """Never twice for one event; neither waits for the other."""
    one, two = session(), session()
    _open_alert(one, "a")
    with one.transaction():
        assert len(one.call("claim_alert_deliveries", targets=["log"], driver="one")) == 1
        assert two.call("claim_alert_deliveries", targets=["log"], driver="two") == []
    assert two.call("claim_alert_deliveries", targets=["log"], driver="two") == []


def test_events_that_come_while_a_claim_is_open_are_kept_for_the_next(fleet: LawfulFleet, session: Open) -> None:
    """Opening an alert does not wait for the delivery of another."""
    one, two = session(), session()
    _open_alert(one, "a")
    with one.transaction():
        one.call("claim_alert_deliveries", targets=["log"], driver="one")
        _open_alert(two, "b")
        assert two.call("claim_alert_deliveries", targets=["log"], driver="two") == []
    one.call("finish_alert_delivery", target="log", driver="one")
    assert [row["code"] for row in two.call("claim_alert_deliveries", targets=["log"], driver="two")] == ["b"]


def test_a_target_that_was_told_between_the_look_and_the_lock_is_told_nothing_more(
    database: Database, clock: Clock, session: Open
) -> None:
    """What a claim looked at may have changed when it has the target: it looks again."""
    holder, driver = session(), session()
    driver.call("set_alert_target", target="mail")
    _open_alert(driver, "a")
    private = database.names.private
    holder.conn.execute(
        f"create or replace function {private}.hold_alert_target(p_target text) returns boolean language plpgsql as $$ "
        "begin perform pg_advisory_xact_lock(1); return true; end $$"
    )
    with holder.transaction():
        holder.conn.execute("select pg_advisory_xact_lock(1)")
        waiting = driver.start_and_wait_for(
            lambda: driver.call("claim_alert_deliveries", targets=["mail"], driver="one"), holder
        )
        database.connect().execute(f"update {private}.alert_target set last_sent_at = {private}.now()")
    assert result(waiting) == []


def test_a_driver_that_dies_before_it_has_committed_its_claim_has_claimed_nothing(
    database: Database, session: Open
) -> None:
    dying, other = session(), session()
    _open_alert(dying, "a")
    dying.conn.autocommit = False
    assert len(dying.call("claim_alert_deliveries", targets=["log"], driver="dying")) == 1
    dying.conn.close()
    rows: list[db.Row] = []
    while not rows:  # the server has to notice
        rows = other.call("claim_alert_deliveries", targets=["log"], driver="other")
    assert [row["code"] for row in rows] == ["a"]


def test_a_driver_that_dies_while_it_sends_is_not_followed_by_another(
    database: Database, clock: Clock, session: Open
) -> None:
    """Whether its message went out is unknown: it is not sent twice."""
    dying, other = session(), session()
    _open_alert(dying, "a")
    assert len(dying.call("claim_alert_deliveries", targets=["log"], driver="dying")) == 1
    dying.conn.close()
    for wait in ("1 minute", "1 minute 1 second", "1 day", "1 day"):
        clock.advance(wait)
        assert other.call("claim_alert_deliveries", targets=["log"], driver="other") == []
    assert _value(database, "select state from {p}.alert_delivery") == "unknown"


def test_what_several_drivers_claim_at_once_is_sent_once(database: Database, clock: Clock) -> None:
    """Six drivers, three targets, alerts that open meanwhile: each event goes to each target exactly once."""
    conn = database.connect()
    targets = ["log", "mail", "chat"]
    for target in targets[1:]:
        db.call(conn, "set_alert_target", target=target)
    db.call(conn, "set_setting", name="alert_message_interval", value="0 seconds")
    sent: Counter[tuple[str, str]] = Counter()
    alerts, done, accidents = 60, threading.Event(), []

    def drive(name: str) -> None:
        mine = database.connect()
        try:
            while True:
                last = done.is_set()
                rows = db.call(mine, "claim_alert_deliveries", targets=targets, driver=name)
                for row in rows:
                    sent[row["code"], row["target"]] += 1
                if rows:
                    db.call(mine, "finish_alert_delivery", target=rows[0]["target"], driver=name)
                elif last:
                    return
        except OrchestratorError as error:
            accidents.append(repr(error))

    drivers = [threading.Thread(target=drive, args=[f"driver {number}"]) for number in range(6)]
    for driver in drivers:
        driver.start()
    opener = Session(database)
    for number in range(alerts):
        _open_alert(opener, f"alert {number}")
    done.set()
    for driver in drivers:
        driver.join(60)
    assert accidents == []
    assert _deadlocks(database) == 0
    left = db.call(conn, "claim_alert_deliveries", targets=targets, driver="last")
    assert left == []
    assert len(sent) == alerts * len(targets)
    assert set(sent.values()) == {1}
