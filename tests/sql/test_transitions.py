"""The life of an assignment is data: each step in the table is taken by a public function, and no other is possible."""

import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, product
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.fleet import Fleet, Worker


class Step(NamedTuple):
    from_state: str
    to_state: str
    event: str


_RECORDER = """
create table {p}.step_taken (from_state text, to_state text, event text);
create function {p}.record_step() returns trigger language plpgsql security definer as $function$
begin
    if tg_op = 'INSERT' then
        insert into {p}.step_taken values ('unknown', new.state, 'add');
    else
        insert into {p}.step_taken values (old.state, new.state, {p}.assignment_event(
            old.state, new.state, old.instance_id, new.instance_id, old.next_instance_id, new.next_instance_id,
            new.epoch - old.epoch, old.make_before_break, new.make_before_break
        ));
    end if;
    return null;
end
$function$;
create trigger record_added after insert on {p}.assignment for each row execute function {p}.record_step();
create trigger record_changed after update on {p}.assignment for each row when (
    old.state <> new.state or old.instance_id is distinct from new.instance_id or old.epoch <> new.epoch
    or old.next_instance_id is distinct from new.next_instance_id
    or (old.state = 'releasing' and old.make_before_break <> new.make_before_break)
) execute function {p}.record_step();
"""


def _table(fleet: Fleet) -> set[Step]:
    rows = fleet.view("state_machine", subject="assignment")
    assert all(row["meaning"] for row in rows)
    return {Step(row["from_status"], row["to_status"], row["event"]) for row in rows}


class Place:
    """Instances and streams that have only to do with one another: a capability of their own sees to that."""

    _numbers = count(1)

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.number = next(self._numbers)
        self.capability = f"place {self.number}"
        self.workers: list[Worker] = []

    def register(self, name: str, **parameters: Any) -> Worker:
        able = ["audio_fingerprinting", self.capability]
        worker = self.fleet.register(f"{name}-{self.number}", 10, capabilities=able, **parameters)
        self.workers.append(worker)
        return worker

    def add(self) -> int:
        url = f"http://radio.example/{uuid.uuid4()}"
        row = self.fleet.one("add_stream", url=url, required_capabilities=[self.capability])
        return int(row["stream_id"])

    def move(self, stream_id: int, worker: Worker) -> None:
        self.fleet.admin("move_stream", stream_id=stream_id, instance_id=worker.instance_id)

    def late(self, worker: Worker) -> None:
        """It gets nothing now, and keeps what it has."""
        self.fleet.clock.advance("91 seconds")
        for other in self.workers:
            if other is not worker:
                other.beat()
        self.fleet.run("watch_instances")
        assert worker.status == "warning"

    def switch(self, stream_id: int, active: bool) -> None:
        self.fleet.admin("set_stream_active", stream_id=stream_id, active=active)

    def was_shown_a_later_epoch(self, worker: Worker, stream_id: int) -> None:
        epoch = self.fleet.value("select epoch from {p}.assignment where stream_id = %s", stream_id)
        worker.call("report_streams", streams=[stream_id], epochs=[epoch + 5])

    def waiting(self) -> int:
        return self.add()

    def assigned(self) -> tuple[Worker, int]:
        owner = self.register("owner")
        return owner, self.add()

    def running(self) -> tuple[Worker, int]:
        owner, stream_id = self.assigned()
        owner.obey()
        return owner, stream_id

    def releasing(self) -> tuple[Worker, Worker, int]:
        owner, stream_id = self.running()
        heir = self.register("next")
        self.move(stream_id, heir)
        return owner, heir, stream_id

    def synchronised(self, *, url: str = "", active: bool = True) -> int:
        """The one stream of a source."""
        name = f"source-{self.number}"
        if not self.fleet.view("sources", source=name):
            self.fleet.admin("add_source", source=name, conninfo="host=db.example.org dbname=x", table_name="streams")
        batch = uuid.uuid4()
        self.fleet.query(
            "insert into {a}.stream_staging (batch, line, external_id, url, active) values (%s, 1, '1', %s, %s)",
            batch,
            url or f"http://radio.example/{batch}",
            active,
        )
        self.fleet.admin("sync_streams", source=name, batch=batch, force=True)
        return int(self.fleet.value("select stream_id from {p}.stream where source = %s", name))


def _add_idle(place: Place) -> None:
    place.synchronised(active=False)


def _activate(place: Place) -> None:
    stream_id = place.add()
    place.switch(stream_id, False)
    place.switch(stream_id, True)


def _withdraw_waiting(place: Place) -> None:
    place.switch(place.waiting(), False)


def _withdraw_assigned(place: Place) -> None:
    place.switch(place.assigned()[1], False)


def _withdraw_running(place: Place) -> None:
    place.switch(place.running()[1], False)


def _withdraw_releasing(place: Place) -> None:
    place.switch(place.releasing()[2], False)


def _restart(place: Place) -> None:
    owner, _, stream_id = place.releasing()
    place.move(stream_id, owner)
    owner.acknowledge(stopped=[stream_id])


def _reassign_assigned(place: Place) -> None:
    owner, _ = place.assigned()
    place.register("other")
    owner.call("deregister_instance")


def _reassign_running(place: Place) -> None:
    owner, stream_id = place.running()
    place.register("other")
    owner.call("release_streams", streams=[stream_id])


def _reassign_releasing(place: Place) -> None:
    owner, heir, _ = place.releasing()
    place.register("other")
    place.late(heir)
    owner.call("deregister_instance")


def _unassign_assigned(place: Place) -> None:
    owner, stream_id = place.assigned()
    owner.call("release_streams", streams=[stream_id])


def _unassign_running(place: Place) -> None:
    owner, stream_id = place.running()
    owner.call("release_streams", streams=[stream_id])


def _unassign_releasing(place: Place) -> None:
    owner, heir, stream_id = place.releasing()
    place.late(heir)
    owner.acknowledge(stopped=[stream_id])


def _hand_over_assigned(place: Place) -> None:
    _, stream_id = place.assigned()
    place.move(stream_id, place.register("next"))


def _redirect(place: Place) -> None:
    *_, stream_id = place.releasing()
    place.move(stream_id, place.register("other"))


def _fall_back(place: Place) -> None:
    place.fleet.set("handoff_mode", "make_before_break")
    owner = place.register("owner", metadata={"make_before_break": True})
    stream_id = place.add()
    owner.obey()
    place.move(stream_id, place.register("next", metadata={"make_before_break": True}))
    place.fleet.query(
        "update {p}.assignment set releasing_since = releasing_since - interval '31 seconds' where stream_id = %s",
        stream_id,
    )
    place.fleet.run("finish_handoffs")
    place.fleet.set("handoff_mode", "break_before_make")


def _call_off(place: Place) -> None:
    _, heir, _ = place.releasing()
    place.fleet.admin("drain_instance", instance_id=heir.instance_id)


def _complete(place: Place) -> None:
    owner, _, stream_id = place.releasing()
    owner.acknowledge(stopped=[stream_id])


def _renew_assigned(place: Place) -> None:
    place.assigned()
    place.register("owner", process="2", takeover=True)


def _renew_running(place: Place) -> None:
    place.running()
    place.register("owner", process="2", takeover=True)


def _renew_releasing(place: Place) -> None:
    owner = place.register("owner")
    stream_id = place.synchronised()
    place.fleet.settle()
    if place.fleet.stream(stream_id)["instance_id"] == owner.instance_id:
        place.move(stream_id, place.register("next"))
    else:
        place.move(stream_id, owner)
    place.synchronised(url="http://radio.example/moved")


def _adopt(place: Place) -> None:
    place.was_shown_a_later_epoch(*place.running())


ACTS: dict[Step, Callable[[Place], object]] = {
    Step("unknown", "waiting", "add"): Place.waiting,
    Step("unknown", "idle", "add"): _add_idle,
    Step("idle", "waiting", "activate"): _activate,
    Step("waiting", "idle", "withdraw"): _withdraw_waiting,
    Step("assigned", "idle", "withdraw"): _withdraw_assigned,
    Step("running", "idle", "withdraw"): _withdraw_running,
    Step("releasing", "idle", "withdraw"): _withdraw_releasing,
    Step("waiting", "assigned", "place"): Place.assigned,
    Step("assigned", "running", "start"): Place.running,
    Step("running", "assigned", "restart"): _restart,
    Step("assigned", "assigned", "reassign"): _reassign_assigned,
    Step("running", "assigned", "reassign"): _reassign_running,
    Step("releasing", "assigned", "reassign"): _reassign_releasing,
    Step("assigned", "waiting", "unassign"): _unassign_assigned,
    Step("running", "waiting", "unassign"): _unassign_running,
    Step("releasing", "waiting", "unassign"): _unassign_releasing,
    Step("assigned", "releasing", "hand over"): _hand_over_assigned,
    Step("running", "releasing", "hand over"): Place.releasing,
    Step("releasing", "releasing", "redirect"): _redirect,
    Step("releasing", "releasing", "fall back"): _fall_back,
    Step("releasing", "running", "call off"): _call_off,
    Step("releasing", "assigned", "complete"): _complete,
    Step("assigned", "assigned", "renew"): _renew_assigned,
    Step("running", "assigned", "renew"): _renew_running,
    Step("releasing", "releasing", "renew"): _renew_releasing,
    Step("running", "running", "adopt"): _adopt,
}


def test_every_step_of_the_table_is_taken_by_a_public_function_and_no_other_is(fleet: Fleet) -> None:
    fleet.query(_RECORDER)
    taken: set[Step] = set()
    for step, act in ACTS.items():
        act(Place(fleet))
        rows = fleet.query("delete from {p}.step_taken returning from_state, to_state, event")
        now = {Step(**row) for row in rows}
        assert step in now, (step, now)
        taken |= now
    assert taken == _table(fleet)


# -- all others --------------------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """What an update makes of one assignment; its owner was "a", its next owner "b", if it had any."""

    from_state: str
    to_state: str
    owner: str | None
    next_owner: str | None
    epochs: int


def _allowed() -> set[Change]:
    """What may change in a step, from scratch: the owner, the next owner, by how much the epoch grows."""
    found = {Change("idle", "waiting", None, None, 0), Change("waiting", "idle", None, None, 0)}
    found |= {Change(state, state, None, None, 0) for state in ("idle", "waiting")}
    more = (1, 2)
    found |= {Change("waiting", "assigned", owner, None, epochs) for owner in ("a", "b", "c") for epochs in more}
    for state in ("assigned", "running", "releasing"):
        found |= {Change(state, to_state, None, None, epochs) for to_state in ("idle", "waiting") for epochs in more}
        found |= {Change(state, "assigned", owner, None, epochs) for owner in ("b", "c") for epochs in more}
    for state in ("assigned", "running"):
        found |= {Change(state, "assigned", "a", None, epochs) for epochs in (0, 1, 2)}
        found |= {Change(state, "running", "a", None, 0)}
        found |= {Change(state, "releasing", "a", next_owner, 0) for next_owner in ("b", "c")}
    found |= {Change("running", "running", "a", None, epochs) for epochs in more}
    found |= {Change("releasing", "running", "a", None, 0), Change("releasing", "releasing", "a", "c", 0)}
    return found | {Change("releasing", "releasing", "a", "b", epochs) for epochs in (0, 1, 2)}


def _all_changes() -> Iterator[Change]:
    """All that the other constraints of the table let through."""
    states = ("idle", "waiting", "assigned", "running", "releasing")
    for change in (Change(*c) for c in product(states, states, (None, *"abc"), (None, *"abc"), (-1, 0, 1, 2))):
        held = change.to_state in ("assigned", "running", "releasing")
        released = change.to_state == "releasing"
        another = change.owner is None or change.owner != change.next_owner
        if (change.owner is not None) == held and (change.next_owner is not None) == released and another:
            yield change


_WRITE = """
update {p}.assignment set
    state = %s, instance_id = %s, next_instance_id = %s, epoch = epoch + %s,
    waiting_since = case when %s = 'waiting' then {p}.now() end,
    releasing_since = case when %s = 'releasing' then {p}.now() end
where stream_id = any(%s)
"""
_LIVES: dict[str, list[tuple[str, str | None, str | None, int]]] = {
    "idle": [("idle", None, None, 0)],
    "waiting": [],
    "assigned": [("assigned", "a", None, 1)],
    "running": [("assigned", "a", None, 1), ("running", "a", None, 0)],
    "releasing": [("assigned", "a", None, 1), ("releasing", "a", "b", 0)],
}


def _write(
    fleet: Fleet, streams: list[int], state: str, owner: str | None, next_owner: str | None, epochs: int
) -> None:
    fleet.query(_WRITE, state, owner, next_owner, epochs, state, state, streams)


def _wait(fleet: Fleet, streams: int) -> list[int]:
    """Three instances, and streams that none of them has been given."""
    ids = fleet.add_streams(streams)
    for name in "abc":
        fleet.register(name, 1000)
    return ids


def _is_refused(fleet: Fleet, write: Callable[[], object]) -> bool:
    """The write is taken back."""
    try:
        with fleet.owner_conn.transaction(force_rollback=True):
            write()
    except psycopg.DatabaseError as error:
        assert error.sqlstate == "OR901", error
        assert error.diag.message_primary and error.diag.message_detail and error.diag.message_hint
        return True
    return False


def test_every_other_step_is_refused_even_to_an_administrator_of_the_database(fleet: Fleet) -> None:
    [stream_id] = _wait(fleet, 1)
    passed = set()
    for state, life in _LIVES.items():
        with fleet.owner_conn.transaction(force_rollback=True):
            _write(fleet, [stream_id], "assigned", "a", None, 5)
            _write(fleet, [stream_id], "waiting", None, None, 1)
            for step in life:
                _write(fleet, [stream_id], *step)
            for change in _all_changes():
                write = partial(_write, fleet, [stream_id], *change[1:])
                if change.from_state == state and not _is_refused(fleet, write):
                    passed.add(change)
    assert passed == _allowed()


def test_one_wrong_step_among_many_right_ones_is_found(fleet: Fleet) -> None:
    streams = _wait(fleet, 50)
    with (
        pytest.raises(psycopg.DatabaseError, match="no such step") as caught,
        fleet.owner_conn.transaction(),
    ):
        _write(fleet, streams[:-1], "assigned", "a", None, 1)
        fleet.query("update {p}.assignment set state = 'running', instance_id = 'a', waiting_since = null")
    assert json.loads(caught.value.diag.message_detail or "") == {
        "stream_id": streams[-1],
        "from_state": "waiting",
        "to_state": "running",
        "event": None,
    }


def test_a_life_begins_with_waiting_or_idle(fleet: Fleet) -> None:
    [stream_id] = _wait(fleet, 1)

    def born(state: str) -> None:
        fleet.query("delete from {p}.assignment")
        fleet.query(
            "insert into {p}.assignment (stream_id, requirement_id, state, instance_id, waiting_since) "
            "select s.stream_id, s.requirement_id, %s::text, case when %s = 'assigned' then 'a' end, "
            "case when %s = 'waiting' then {p}.now() end from {p}.stream as s where s.stream_id = %s",
            state,
            state,
            state,
            stream_id,
        )

    states = ("waiting", "idle", "assigned")
    assert [_is_refused(fleet, partial(born, state)) for state in states] == [False, False, True]


def test_an_owner_that_was_asked_to_stop_is_not_asked_to_go_on(fleet: Fleet) -> None:
    """make_before_break of a hand-over goes one way."""
    [stream_id] = _wait(fleet, 1)
    change = partial(fleet.query, "update {p}.assignment set make_before_break = %s")
    with fleet.owner_conn.transaction(force_rollback=True):
        for step in _LIVES["releasing"]:
            _write(fleet, [stream_id], *step)
        assert _is_refused(fleet, partial(change, True))
        assert not _is_refused(fleet, partial(change, False))
