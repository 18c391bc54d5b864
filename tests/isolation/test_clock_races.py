"""A step of the clock is recorded while others are at work."""

from collections.abc import Callable
from datetime import timedelta

from tests.isolation.sessions import Session, result
from tests.properties.lawful import LawfulFleet
from tests.support import digest_of

Open = Callable[[], Session]

HOUR = timedelta(hours=1)


def _record(session: Session, step: timedelta, known: timedelta) -> bool:
    [row] = session.call("record_clock_step", step=step, within=timedelta(seconds=1), stepped=known)
    recorded = row["recorded"]
    assert isinstance(recorded, bool)
    return recorded


def _steps(session: Session) -> list[timedelta]:
    rows = session.conn.execute(f"select step from {session.conn.names.private}.clock_step order by 1".encode())
    return [row["step"] for row in rows]


def test_of_two_drivers_at_once_one_records_it(fleet: LawfulFleet, session: Open) -> None:
    fleet.start(6, 6, streams=4)
    fleet.clock.step(HOUR)
    one, two = session(), session()
    with one.transaction():
        assert _record(one, HOUR, timedelta(0))
        waiting = two.start_and_wait_for(lambda: _record(two, HOUR, timedelta(0)), one)
    assert result(waiting) is False
    assert _steps(one) == [HOUR]


def test_of_two_callers_that_measure_nothing_one_records_it(fleet: LawfulFleet, session: Open) -> None:
    fleet.start(6, 6, streams=4)
    fleet.clock.advance("1 second")
    one, two = session(), session()
    one.call("run_due_jobs")
    fleet.clock.step(-HOUR)
    with one.transaction():
        one.call("run_due_jobs")
        waiting = two.start_and_wait_for(lambda: two.call("run_due_jobs"), one)
    result(waiting)
    assert _steps(one) == [-HOUR]


def test_it_waits_for_no_beat_and_keeps_none_waiting(fleet: LawfulFleet, session: Open) -> None:
    """What is being written is of the new time already."""
    first, second = fleet.start(6, 6, streams=4)
    fleet.clock.advance("20 seconds")
    fleet.clock.step(HOUR)
    worker, driver = session(), session()
    beat = {"instance_id": first.name, "incarnation": first.incarnation, "digest": digest_of(first.running.items())}
    with worker.transaction():
        worker.call("heartbeat", **beat)
        assert _record(driver, HOUR, timedelta(0))
    rows = driver.conn.execute(
        f"select instance_id, {driver.conn.names.private}.now() - beat_at as silent_for"
        f" from {driver.conn.names.private}.heartbeat order by 1".encode()
    ).fetchall()
    assert {row["instance_id"]: row["silent_for"] for row in rows} == {
        first.name: timedelta(0),
        second.name: timedelta(seconds=20),
    }
