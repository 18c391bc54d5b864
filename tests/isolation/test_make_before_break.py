"""The next owner's confirmation against all else that happens to the stream: one session waits for the other."""

from collections.abc import Callable

import pytest

from orchestrator.database import db
from tests.isolation.sessions import Session, result
from tests.properties.lawful import LawfulFleet, Worker

Open = Callable[[], Session]


def _act(what: str, session: Session, first: Worker, second: Worker, stream_id: int) -> list[db.Row]:
    me = {"instance_id": first.name, "incarnation": first.incarnation}
    match what:
        case "confirmation":
            epoch = first.running[stream_id] + 1
            who = {"instance_id": second.name, "incarnation": second.incarnation}
            return session.call("acknowledge", **who, started=[stream_id], started_epochs=[epoch])
        case "owner leaves":
            return session.call("deregister_instance", **me)
        case "owner stops":
            return session.call("acknowledge", **me, stopped=[stream_id])
        case "next owner leaves":
            return session.call("deregister_instance", instance_id=second.name, incarnation=second.incarnation)
        case _:
            return session.call("remove_stream", stream_id=stream_id)


def _moving(fleet: LawfulFleet) -> tuple[Worker, Worker, int]:
    """fv-2 prepares one of the streams of fv-1."""
    first, second = fleet.start(4, 4, streams=4)
    stream_id = min(first.running)
    able = "update {private}.instance set metadata = jsonb_build_object('make_before_break', true)"
    fleet.execute(able)
    fleet.call("set_setting", name="handoff_mode", value="make_before_break")
    fleet.call("move_stream", stream_id=stream_id, instance_id="fv-2")
    return first, second, stream_id


@pytest.mark.parametrize("confirms_first", [True, False])
@pytest.mark.parametrize(
    ("other", "owner"),
    [("owner leaves", "fv-2"), ("owner stops", "fv-2"), ("next owner leaves", "fv-1"), ("stream is removed", None)],
)
def test_a_confirmation_and_what_else_happens_end_with_one_owner(
    fleet: LawfulFleet, session: Open, other: str, owner: str | None, confirms_first: bool
) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    one, two = session(), session()
    order = ("confirmation", other) if confirms_first else (other, "confirmation")
    with one.transaction():
        _act(order[0], one, first, second, stream_id)
        waiting = two.start_and_wait_for(lambda: _act(order[1], two, first, second, stream_id), one)
    if not (other == "next owner leaves" and not confirms_first):
        result(waiting)
    rows = fleet.execute("select instance_id, epoch from {private}.assignment where stream_id = %s", [stream_id])
    assert [row["instance_id"] for row in rows] == ([owner] if owner else [])
    assert all(row["epoch"] >= epoch for row in rows)


def test_of_two_drivers_one_lets_a_preparation_end_and_the_other_finds_nothing(
    fleet: LawfulFleet, session: Open
) -> None:
    first, second, stream_id = _moving(fleet)
    fleet.clock.advance("31 seconds")
    one, two = session(), session()
    with one.transaction():
        assert one.private("finish_handoffs") == {"fell_back": 1}
        waiting = two.start_and_wait_for(lambda: two.private("finish_handoffs"), one)
    assert result(waiting) is None  # the owner has handoff_timeout of its own
    assert _act("confirmation", one, first, second, stream_id)[0]["ignored"] == 1
    assert fleet.look_again().assignments[stream_id]["instance_id"] == "fv-1"


def test_a_next_owner_that_hears_it_as_its_time_ends_has_it(fleet: LawfulFleet, session: Open) -> None:
    first, second, stream_id = _moving(fleet)
    fleet.clock.advance("31 seconds")
    worker, driver = session(), session()
    with worker.transaction():
        _act("confirmation", worker, first, second, stream_id)
        waiting = driver.start_and_wait_for(lambda: driver.private("finish_handoffs"), worker)
    assert result(waiting) is None
    assert fleet.look_again().assignments[stream_id]["instance_id"] == "fv-2"


def test_no_other_becomes_the_owner_beside_a_worker_that_only_confirms_starts(
    fleet: LawfulFleet, session: Open
) -> None:
    """The switch holds the decision lock alone."""
    first, second, stream_id = _moving(fleet)
    worker, other = session(), session()
    with other.transaction():
        other.private("lock_decisions_shared")
        waiting = worker.start_and_wait_for(lambda: _act("confirmation", worker, first, second, stream_id), other)
    assert result(waiting)[0]["started"] == 1
