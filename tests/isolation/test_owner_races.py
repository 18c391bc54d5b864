"""Two logins and one name at once: one of them owns it, and what the other says changes nothing."""

from collections.abc import Callable, Iterator

import pytest

from tests.isolation.sessions import Session, refusal, result
from tests.logins import Logins, logins_of
from tests.properties.lawful import LawfulFleet

Open = Callable[[str], Session]


@pytest.fixture
def logins(fleet: LawfulFleet) -> Iterator[Logins]:
    with logins_of(fleet.database) as made:
        yield made


@pytest.fixture
def worker(fleet: LawfulFleet, logins: Logins) -> Open:
    """Opens a session of a new worker login."""
    return lambda short: Session(fleet.database, logins.connect(logins.worker(short)))


def _register(session: Session) -> dict[str, object]:
    [row] = session.call("register_instance", instance_id="fv-1", max_streams=4)
    return {"instance_id": "fv-1", "incarnation": row["incarnation"]}


@pytest.mark.parametrize("is_known", [False, True])
def test_of_two_logins_that_take_one_free_name_one_gets_it(
    fleet: LawfulFleet, logins: Logins, worker: Open, is_known: bool
) -> None:
    one, two = worker("one"), worker("two")
    if is_known:
        first = worker("first")
        first.call("deregister_instance", **_register(first))
    with one.transaction():
        who = _register(one)
        waiting = two.start_and_wait_for(lambda: _register(two), one)
    assert refusal(waiting) == "OR106"
    one.call("heartbeat", **who)
    with fleet.conn.cursor() as cursor:
        owners = cursor.execute(f"select login from {fleet.conn.names.api}.instances".encode()).fetchall()
    assert owners == [{"login": logins.name("one")}]


def test_a_name_is_taken_or_handed_over_and_not_both(fleet: LawfulFleet, logins: Logins, worker: Open) -> None:
    """A free name that a login takes in the same moment is handed over from that login."""
    first, taker = worker("first"), worker("taker")
    first.call("deregister_instance", **_register(first))
    admin, heir = Session(fleet.database), logins.worker("heir")
    with taker.transaction():
        who = _register(taker)
        waiting = admin.start_and_wait_for(
            lambda: admin.call("set_instance_owner", instance_id="fv-1", role=heir), taker
        )
    [row] = result(waiting)
    assert row["former_login"] == logins.name("taker")
    assert refusal(taker.start(lambda: taker.call("heartbeat", **who))) == "OR106"


@pytest.mark.parametrize("function", ["acknowledge", "release_streams", "deregister_instance", "report_streams"])
def test_what_waits_for_a_hand_over_is_refused_after_it(
    fleet: LawfulFleet, logins: Logins, worker: Open, function: str
) -> None:
    """It was the owner when it called, and is not when its words would count."""
    old = worker("old")
    who = _register(old)
    stream_id = fleet.call("add_stream", url="http://radio.example/1")[0]["stream_id"]
    fleet.settle()
    [row] = old.call("get_assignments", **who)
    old.call("acknowledge", **who, started=[stream_id], started_epochs=[row["epoch"]])
    said = {
        "acknowledge": {"stopped": [stream_id]},
        "release_streams": {"streams": [stream_id]},
        "deregister_instance": {},
        "report_streams": {"streams": [], "epochs": []},
    }[function]
    admin, new = Session(fleet.database), logins.worker("new")
    with admin.transaction():
        admin.call("set_instance_owner", instance_id="fv-1", role=new)
        waiting = old.start_and_wait_for(lambda: old.call(function, **who, **said), admin)
    assert refusal(waiting) == "OR106"
    assert refusal(old.start(lambda: old.call("heartbeat", **who))) == "OR106"
    assert fleet.look_again().assignments[stream_id]["instance_id"] == "fv-1"
