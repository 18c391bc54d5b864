"""No order gives away what a worker with on_isolation = stop may still run (R5.2)."""

import json
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.errors import OrchestratorError
from tests.fleet import Fleet, Worker, refused
from tests.sql.conftest import Login

LEASE: dict[str, Any] = {"lease": "90 seconds", "stop_within": "75 seconds"}
ABLE = ["audio_fingerprinting", "aac"]
OVER, OBEYED = (
    90,
    180,
)  # seconds: the lease of one that is cut off; of one that beats, until it has obeyed or ended itself
STEP = 10
Order = Callable[[Fleet, Worker], object]


@pytest.fixture
def fleet(fleet: Fleet, login: Login) -> Fleet:
    """Workers have a login of their own, and the administrator is another one."""
    fleet.worker_conn = login("worker")
    return fleet


def _pair(fleet: Fleet) -> tuple[Worker, Worker]:
    """fv-1 stops by itself, fv-2 has room for everything. Both run what they have, and fv-1 has just beaten."""
    fleet.set("rebalance_cooldown", "0 seconds")
    first, second = fleet.register("fv-1", capabilities=ABLE, **LEASE), fleet.register("fv-2", capabilities=ABLE)
    fleet.add_streams(4, required_capabilities=["aac"])
    fleet.settle()
    assert len(first.running) == len(second.running) == 2
    fleet.clock.advance("40 seconds")
    second.beat()
    first.beat()
    return first, second


# -- The ways in which a stream can leave an instance, or the instance its process -------------------------------------


def _each(function: str, **parameters: Any) -> Order:
    def order(fleet: Fleet, first: Worker) -> None:
        for stream_id in first.running:
            fleet.admin(function, stream_id=stream_id, **parameters)

    return order


def _off_and_on(fleet: Fleet, first: Worker) -> None:
    _each("set_stream_active", active=False)(fleet, first)
    _each("set_stream_active", active=True)(fleet, first)


def _added_again(fleet: Fleet, first: Worker) -> None:
    urls = [fleet.stream(stream_id)["url"] for stream_id in first.running]
    _each("remove_stream")(fleet, first)
    for number, url in enumerate(urls):
        # under the same number as before, and under another
        fleet.admin("add_stream", url=url, **({"external_id": f"again {number}"} if number else {}))


def _listed(fleet: Fleet, urls: Sequence[str]) -> None:
    """A source has these stations, and no others."""
    batch = str(uuid.uuid4())
    fleet.admin("add_source", source="list")
    for line, url in enumerate(urls, start=1):
        fleet.query(
            "insert into {a}.stream_staging (batch, line, external_id, url, metadata)"
            " values (%s, %s, %s, %s, %s) returning line",
            *(batch, line, f"{uuid.uuid4()}", url, '{"required_capabilities": ["aac"]}'),
        )
    fleet.admin("sync_streams", source="list", batch=batch, force=True)


def _from_a_source(fleet: Fleet, first: Worker) -> None:
    urls = [fleet.stream(stream_id)["url"] for stream_id in first.running]
    _each("remove_stream")(fleet, first)
    _listed(fleet, urls)


def _removed(fleet: Fleet, first: Worker) -> None:
    assert fleet.one("remove_instance", instance_id="fv-1")["free_at"] is not None


def _removed_and_readmitted(fleet: Fleet, first: Worker) -> None:
    _removed(fleet, first)
    fleet.admin("readmit_instance", instance_id="fv-1")


def _drained_and_removed(fleet: Fleet, first: Worker) -> None:
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.pass_time("3 seconds")
    _removed(fleet, first)


def _switched_off_removed_and_on(fleet: Fleet, first: Worker) -> None:
    _each("set_stream_active", active=False)(fleet, first)
    fleet.admin("remove_instance", instance_id="fv-1")
    _each("set_stream_active", active=True)(fleet, first)


def _without_an_ability(fleet: Fleet, first: Worker) -> None:
    """The same process registers, and its handlers go on."""
    fleet.register("fv-1", **LEASE)


def _failed(fleet: Fleet, first: Worker) -> None:
    for stream_id in first.running:
        for _ in range(3):
            first.fail(stream_id)


def _levelled(fleet: Fleet, first: Worker) -> None:
    fleet.register("fv-3", 1000, capabilities=ABLE)
    fleet.pass_time("3 seconds")
    fleet.admin("rebalance")


def _planned(fleet: Fleet, first: Worker) -> None:
    fleet.register("fv-3", 1000, capabilities=ABLE)
    plan = fleet.admin("plan_rebalance")
    fleet.admin("apply_plan", plan_id=plan[0]["plan_id"])


def _make_before_break(fleet: Fleet, first: Worker) -> None:
    fleet.set("handoff_mode", "make_before_break")
    _each("move_stream", instance_id="fv-2")(fleet, first)


def _deleted_over_http(fleet: Fleet, first: Worker) -> None:
    fleet.admin("http_remove_instance", request=json.dumps({"server_id": "fv-1"}))


def _registered_over_http(fleet: Fleet, first: Worker) -> None:
    with suppress(OrchestratorError):
        fleet.admin("http_register", request=json.dumps({"instance_id": "fv-1", "max_streams": 10}))


def _nothing(fleet: Fleet, first: Worker) -> None:
    pass


def _by_another_login(function: str, **parameters: Any) -> Order:
    def order(fleet: Fleet, first: Worker) -> None:
        who = {"instance_id": "fv-1", "incarnation": first.incarnation}
        with refused("OR407") as refusal:
            fleet.admin(function, **who, **parameters)
        assert refusal.value.hint and "p_force" in refusal.value.hint

    return order


LIVING: dict[str, Order] = {
    "drained": lambda fleet, first: fleet.admin("drain_instance", instance_id="fv-1"),
    "made smaller": lambda fleet, first: fleet.admin("set_capacity", instance_id="fv-1", max_streams=1),
    "moved": _each("move_stream", instance_id="fv-2"),
    "pinned": _each("pin_stream", instance_id="fv-2"),
    "off and on": _off_and_on,
    "removed and added": _added_again,
    "removed and in a source": _from_a_source,
    "capability lost": _without_an_ability,
    "failed": _failed,
    "levelled": _levelled,
    "planned": _planned,
    "make before break": _make_before_break,
    "repaired": lambda fleet, first: fleet.admin("repair_record"),
}
# what is nobody's in the end goes to the one that has least, which is the instance itself
BACK_TO_IT = ("off and on", "removed and added", "removed and in a source", "repaired")
GONE: dict[str, Order] = {
    "nothing": _nothing,
    "instance removed": _removed,
    "instance removed and readmitted": _removed_and_readmitted,
    "drained and removed": _drained_and_removed,
    "off, removed and on": _switched_off_removed_and_on,
    "deleted over HTTP": _deleted_over_http,
    "registered over HTTP": _registered_over_http,
    "goodbye by another": _by_another_login("deregister_instance"),
    "suspended by another": _by_another_login("suspend_instance", **{"for": "1 minute"}),
}


def _others_run(fleet: Fleet, urls: set[str], first: Worker) -> set[str]:
    """Those of these addresses that a process but the first has been told to start."""
    others = [worker for worker in fleet.workers.values() if worker is not first]
    told = {stream_id for worker in others for stream_id in worker.running}
    return {row["url"] for row in fleet.view("streams") if row["stream_id"] in told} & urls


def _a_second_process_tries(fleet: Fleet) -> None:
    """Under the same id: by itself, and by order."""
    for takeover in (False, True):
        with suppress(OrchestratorError):
            fleet.register("fv-1", process="2", capabilities=ABLE, takeover=takeover, **LEASE)
            return


def _seconds_until_another_runs_one(fleet: Fleet, urls: set[str], *, beats: bool) -> int | None:
    """None when no other is given one for as long as anything may take."""
    first = fleet.workers["fv-1"]
    for seconds in range(0, 400, STEP):
        if not beats:
            _a_second_process_tries(fleet)
        for name, worker in list(fleet.workers.items()):
            if worker is not first and name in fleet.loads():
                worker.obey()
        if _others_run(fleet, urls, first):
            return seconds
        fleet.clock.advance(timedelta(seconds=STEP))
        if beats:
            first.beat()
        fleet.run_due_jobs()
    return None


def _ordered(fleet: Fleet, order: str) -> tuple[set[str], float]:
    """What the instance runs when the order is given, and how long that took."""
    first, _ = _pair(fleet)
    began = fleet.clock.now
    urls = {fleet.stream(stream_id)["url"] for stream_id in first.running}
    (LIVING | GONE)[order](fleet, first)
    return urls, (fleet.clock.now - began).total_seconds()


@pytest.mark.parametrize("order", [*LIVING, *GONE])
def test_no_order_gives_away_what_an_instance_that_is_cut_off_may_still_run(fleet: Fleet, order: str) -> None:
    urls, took = _ordered(fleet, order)
    seconds = _seconds_until_another_runs_one(fleet, urls, beats=False)
    assert seconds is not None and OVER <= seconds + took <= OVER + STEP
    fleet.check_counts()


@pytest.mark.parametrize("order", LIVING)
def test_no_order_gives_away_what_an_instance_that_beats_has_not_stopped(fleet: Fleet, order: str) -> None:
    """Within one lease it has heard of it; within another it has obeyed, or has ended itself."""
    urls, took = _ordered(fleet, order)
    seconds = _seconds_until_another_runs_one(fleet, urls, beats=True)
    if order in BACK_TO_IT:
        assert seconds is None
    else:
        assert seconds is not None and OBEYED <= seconds + took <= OBEYED + STEP


@pytest.mark.parametrize("order", ["removed and added", "removed and in a source"])
def test_what_an_instance_that_beats_never_says_that_it_has_stopped_waits_for_two_leases(
    fleet: Fleet, order: str
) -> None:
    """Whoever gets it then."""
    _ordered(fleet, order)
    waited = 0
    while len(fleet.waiting()) == 2:
        fleet.clock.advance(timedelta(seconds=STEP))
        waited += STEP
        fleet.workers["fv-1"].beat()
        fleet.workers["fv-2"].obey()
        fleet.run_due_jobs()
    assert OBEYED <= waited <= OBEYED + STEP
    assert fleet.waiting() == []


@pytest.mark.parametrize("order", ["removed and added", "removed and in a source"])
@pytest.mark.parametrize("word", ["goodbye", "suspension"])
def test_what_was_taken_from_an_instance_before_is_free_when_it_says_that_it_has_stopped_all(
    fleet: Fleet, order: str, word: str
) -> None:
    urls, _ = _ordered(fleet, order)
    first = fleet.workers["fv-1"]
    fleet.clock.advance("5 seconds")
    assert len(fleet.waiting()) == 2
    if word == "goodbye":
        first.call("deregister_instance")
    else:
        first.call("suspend_instance", **{"for": "1 minute"})
    fleet.pass_time("3 seconds")
    fleet.workers["fv-2"].obey()
    assert _others_run(fleet, urls, first) == urls


@pytest.mark.parametrize("order", ["the batch lacks them", "the source is removed"])
def test_what_its_source_takes_and_brings_again_waits_until_it_was_stopped(fleet: Fleet, order: str) -> None:
    fleet.register("fv-1", capabilities=ABLE, **LEASE)
    urls = [f"http://radio.example/{number}" for number in range(4)]
    _listed(fleet, urls)
    fleet.settle()
    fleet.register("fv-2", capabilities=ABLE)
    if order == "the source is removed":
        fleet.admin("remove_source", source="list", remove_streams=True)
    else:
        _listed(fleet, ["http://radio.example/another"])
    _listed(fleet, urls)
    assert OVER <= (_seconds_until_another_runs_one(fleet, set(urls), beats=False) or 0) <= OVER + STEP


# -- Its own word, and force -------------------------------------------------------------------------------------------


def test_a_stream_that_was_removed_and_added_is_free_when_its_old_owner_has_stopped_it(fleet: Fleet) -> None:
    first, _ = _pair(fleet)
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=2)
    before = set(first.running)
    _added_again(fleet, first)
    assert len(fleet.waiting()) == 2
    first.running = {}
    first.acknowledge(stopped=list(before))
    fleet.settle()
    assert fleet.waiting() == []


def test_its_own_goodbye_and_its_own_suspension_need_no_force(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    assert first.call("suspend_instance", **{"for": "1 minute"})
    again = fleet.register("fv-1", process="2", capabilities=ABLE, **LEASE)
    assert again.call("deregister_instance") == [{"moved": 2, "still_waiting": 0}]
    assert len(second.assignments()) == 4
    assert fleet.register("fv-1", process="3", **LEASE).status == "registered"


def test_an_instance_that_has_stopped_for_a_restart_is_not_waited_for_when_it_is_removed(fleet: Fleet) -> None:
    first, _ = _pair(fleet)
    first.call("suspend_instance", **{"for": "1 minute"})
    removed = fleet.one("remove_instance", instance_id="fv-1")
    assert (removed["moved"], removed["free_at"]) == (2, None)


@pytest.mark.parametrize("order", ["remove_instance", "deregister_instance", "suspend_instance", "register_instance"])
def test_force_waits_for_nothing(fleet: Fleet, order: str) -> None:
    first, second = _pair(fleet)
    who: dict[str, Any] = {"instance_id": "fv-1", "incarnation": first.incarnation}
    if order == "remove_instance":
        removed = fleet.one(order, instance_id="fv-1", force=True)
        assert (removed["moved"], removed["free_at"]) == (2, None)
    elif order == "deregister_instance":
        assert fleet.admin(order, **who, force=True) == [{"moved": 2, "still_waiting": 0}]
    elif order == "suspend_instance":
        fleet.admin(order, **who, force=True, **{"for": "1 minute"})
        assert fleet.register("fv-1", process="2", **LEASE).status == "registered"
        return
    else:
        with refused("OR104") as refusal:
            fleet.register("fv-1", process="2", takeover=True, **LEASE)
        assert refusal.value.hint is not None and "p_force" in refusal.value.hint
        again = fleet.register("fv-1", process="2", takeover=True, force=True, capabilities=ABLE, **LEASE)
        assert len(again.assignments()) == 2
        return
    assert len(second.assignments()) == 4


def test_what_waits_for_a_removed_instance_is_free_by_force(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    removed = fleet.one("remove_instance", instance_id="fv-1")
    assert (removed["moved"], removed["still_waiting"]) == (0, 2)
    assert removed["free_at"] == fleet.clock.now + timedelta(seconds=OVER)
    with refused("OR405"):
        fleet.admin("move_stream", stream_id=next(iter(first.running)), instance_id="fv-2")
    assert fleet.one("remove_instance", instance_id="fv-1", force=True)["free_at"] is None
    fleet.settle()
    assert len(second.running) == 4
    fleet.admin("readmit_instance", instance_id="fv-1")
    assert fleet.register("fv-1", process="2", **LEASE).status == "registered"


@pytest.mark.parametrize("lease", [None, "90 seconds"])
def test_nobody_waits_for_an_instance_that_has_promised_nothing(fleet: Fleet, lease: str | None) -> None:
    first, _ = fleet.register("fv-1", lease=lease), fleet.register("fv-2")
    fleet.add_streams(4)
    fleet.settle()
    [stream_id, _] = first.running
    url = fleet.stream(stream_id)["url"]
    fleet.admin("remove_stream", stream_id=stream_id)
    assert fleet.one("add_stream", url=url)["state"] == "assigned"
    assert fleet.register("fv-1", process="2", takeover=True, lease=lease).status == "registered"
    removed = fleet.one("remove_instance", instance_id="fv-1")
    assert (removed["still_waiting"], removed["free_at"]) == (0, None)


# -- How long a lease may be -------------------------------------------------------------------------------------------


def test_a_lease_is_no_longer_than_max_lease(fleet: Fleet) -> None:
    """R1.2, R4.1: what is gone is not lost before."""
    with refused("OR101") as refusal:
        fleet.register("fv-1", lease="301 seconds", stop_within="200 seconds")
    assert refusal.value.hint is not None
    assert "2 × heartbeat_interval = 00:01:00 and at most max_lease = 00:05:00" in refusal.value.hint
    fleet.register("fv-1", lease="300 seconds", stop_within="200 seconds")
    fleet.set("max_lease", "10 minutes")
    fleet.register("fv-2", lease="10 minutes")


def test_a_lease_that_was_allowed_before_is_kept_until_it_registers_again(fleet: Fleet) -> None:
    first = fleet.register("fv-1", lease="300 seconds", stop_within="200 seconds")
    fleet.set("max_lease", "2 minutes")
    fleet.register("fv-2")
    fleet.clock.advance("290 seconds")
    fleet.workers["fv-2"].beat()
    fleet.run("watch_instances")
    assert first.status == "warning"
    with refused("OR101"):
        fleet.register("fv-1", lease="300 seconds", stop_within="200 seconds")
