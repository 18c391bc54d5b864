"""handoff_mode = make_before_break: the next owner hears the stream before the present one stops."""

from typing import Any

import pytest

from orchestrator.database import db
from tests.fleet import Fleet, Row, Worker, refused

ABLE = {"make_before_break": True}


def _start(fleet: Fleet, *metadata: dict[str, Any], **options: Any) -> list[Worker]:
    """Instances fv-1, fv-2, … with room for ten each; fv-1 and fv-2 share four streams."""
    fleet.set("handoff_mode", "make_before_break")
    workers = [
        fleet.register(f"fv-{n}", metadata=said, **(options if n == 1 else {})) for n, said in enumerate(metadata, 1)
    ]
    fleet.add_streams(4)
    fleet.settle()
    return workers


def _moving(fleet: Fleet, *more: dict[str, Any]) -> tuple[Worker, Worker, int]:
    """fv-2 prepares one of the streams of fv-1."""
    first, second, *_ = _start(fleet, ABLE, ABLE, *more)
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    return first, second, stream_id


def _lose(fleet: Fleet, worker: Worker, other: Worker) -> None:
    """Its session ends and it beats no more, while the other one lives on."""
    worker.vanish()
    fleet.clock.advance("91 seconds")
    other.beat()
    fleet.run("watch_instances")
    fleet.clock.advance("11 seconds")
    other.beat()
    fleet.run("watch_instances")
    assert worker.status == "inactive"


def _is_current(fleet: Fleet, stream_id: int, epoch: int) -> bool:
    [row] = db.call(fleet.worker_conn, "is_current", stream_id=stream_id, epoch=epoch)
    return bool(row["is_current"])


def _prepared(commands: list[Row]) -> dict[int, int]:
    return {row["stream_id"]: row["epoch"] for row in commands if row["action"] == "prepare"}


def _said(commands: list[Row]) -> list[tuple[str, int]]:
    return [(row["action"], row["stream_id"]) for row in commands]


def _is_kept(fleet: Fleet, stream_id: int, epoch: int) -> bool:
    row = fleet.stream(stream_id)
    return (row["instance_id"], row["state"], row["epoch"], row["next_instance_id"]) == ("fv-1", "running", epoch, None)


def test_the_fence_switches_exactly_when_the_next_owner_confirms(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    assert first.beat() == []  # it goes on, and nothing is wrong with that
    assert fleet.query("select * from {p}.repair") == []
    assert {row["stream_id"] for row in first.assignments()} == set(first.running)
    assert first.report_streams() == []

    assert _prepared(second.beat()) == {stream_id: epoch + 1}
    assert (_is_current(fleet, stream_id, epoch), _is_current(fleet, stream_id, epoch + 1)) == (True, False)
    assert second.acknowledge(started={stream_id: epoch + 1})["started"] == 1
    assert (_is_current(fleet, stream_id, epoch), _is_current(fleet, stream_id, epoch + 1)) == (False, True)

    assert _said(second.obey()) == [("add", stream_id)]
    assert _said(first.obey()) == [("remove", stream_id)]
    assert (first.beat(), second.beat()) == ([], [])
    assert fleet.query("select * from {p}.withdrawal") == fleet.query("select * from {p}.repair") == []
    [movement] = fleet.view("movements", stream_id=stream_id, to_instance_id="fv-2")
    assert movement["reason"] == "hand-over"


def test_what_is_confirmed_under_another_epoch_or_by_another_changes_nothing(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet, ABLE)
    epoch = first.running[stream_id]
    assert second.acknowledge(started={stream_id: epoch})["ignored"] == 1
    assert second.acknowledge(started={stream_id: epoch + 2})["ignored"] == 1
    assert fleet.workers["fv-3"].acknowledge(started={stream_id: epoch + 1})["ignored"] == 1
    assert second.acknowledge(failed=[{"stream_id": stream_id, "epoch": epoch, "error": "x"}])["ignored"] == 1
    assert _is_current(fleet, stream_id, epoch)
    second.acknowledge(started={stream_id: epoch + 1})
    assert second.acknowledge(started={stream_id: epoch + 1})["started"] == 1  # once more: its answer was lost


def test_an_owner_that_does_not_stop_is_fenced_and_told_until_it_does(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    second.acknowledge(started={stream_id: epoch + 1})
    for _ in range(2):
        assert _said(first.beat()) == [("remove", stream_id)]
        with refused("OR302"):
            db.call(fleet.worker_conn, "assert_current", stream_id=stream_id, epoch=epoch)
        fleet.clock.advance("31 seconds")
    first.obey()
    assert first.beat() == []


@pytest.mark.parametrize(
    ("owner", "heir", "options"),
    [
        ({}, ABLE, {}),
        (ABLE, {}, {}),
        (ABLE, {"make_before_break": "true"}, {}),
        (ABLE, ABLE, {"lease": "90 seconds", "stop_within": "80 seconds"}),
    ],
)
def test_workers_that_cannot_hand_over_as_ever(
    fleet: Fleet, owner: dict[str, Any], heir: dict[str, Any], options: dict[str, Any]
) -> None:
    """Nor does one that stops by its own clock: it was promised to be alone until then."""
    first, second = _start(fleet, owner, heir, **options)
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert _prepared(second.beat()) == {}
    assert _said(first.obey()) == [("remove", stream_id)]
    assert _said(second.obey()) == [("add", stream_id)]


def test_when_the_mode_is_switched_off_what_is_prepared_already_goes_on(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    fleet.set("handoff_mode", "break_before_make")
    other = max(first.running)
    fleet.admin("move_stream", stream_id=other, instance_id="fv-2")
    asked = _prepared(second.beat())
    assert asked == {stream_id: first.running[stream_id] + 1}
    assert _said(first.beat()) == [("remove", other)]
    second.acknowledge(started=asked)
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 4}


def test_who_was_not_notified_is_asked_to_beat_soon_until_it_hears(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    for _ in range(2):
        [notice] = [row for row in second.beat(heartbeat_interval=30) if row["action"] == "notice"]
        assert notice["metadata"]["next_beat_in"] == 2
    second.acknowledge(started={stream_id: first.running[stream_id] + 1})
    fleet.all_obey()
    assert second.beat(heartbeat_interval=30) == []


def test_without_the_setting_none_prepares(fleet: Fleet) -> None:
    first, second = _start(fleet, ABLE, ABLE)
    fleet.set("handoff_mode", "break_before_make")
    fleet.admin("move_stream", stream_id=min(first.running), instance_id="fv-2")
    assert (_prepared(second.beat()), len(first.beat())) == ({}, 1)


@pytest.mark.parametrize("how", ["goodbye", "loss", "removal", "drain", "suspension", "failure", "by hand"])
def test_a_hand_over_that_is_called_off_costs_nothing(fleet: Fleet, how: str) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    match how:
        case "goodbye":
            second.call("deregister_instance")
        case "loss":
            _lose(fleet, second, first)
        case "removal":
            fleet.admin("remove_instance", instance_id="fv-2")
        case "drain":
            fleet.admin("drain_instance", instance_id="fv-2")
        case "suspension":
            second.call("suspend_instance", **{"for": "1 minute"})
        case "failure":
            second.acknowledge(failed=[{"stream_id": stream_id, "epoch": epoch + 1, "error": "refused"}])
        case "by hand":
            fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    assert _is_kept(fleet, stream_id, epoch)
    assert stream_id not in {row["stream_id"] for row in first.beat()}  # streams of fv-2 may be
    if how in ("failure", "by hand", "drain"):
        assert second.acknowledge(started={stream_id: epoch + 1})["ignored"] == 1
        assert _prepared(second.beat()) == {}
    assert _is_kept(fleet, stream_id, epoch)


def test_a_next_owner_that_asks_to_be_drained_does_not_prepare_any_more(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet, ABLE)
    assert _prepared(second.beat(status="draining")) == {}
    assert fleet.run("finish_handoffs") == {"called_off": 1}
    assert _is_kept(fleet, stream_id, first.running[stream_id])


def test_a_next_owner_that_failed_is_not_asked_again_at_once(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    second.acknowledge(failed=[{"stream_id": stream_id, "epoch": first.running[stream_id] + 1, "error": "refused"}])
    [refusal] = fleet.query("select * from {p}.refusal")
    assert (refusal["stream_id"], refusal["instance_id"], refusal["until"] > refusal["refused_at"]) == (
        stream_id,
        "fv-2",
        True,
    )


@pytest.mark.parametrize("how", ["loss", "removal"])
def test_when_the_owner_is_lost_the_next_one_has_the_stream_at_once(fleet: Fleet, how: str) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    if how == "loss":
        _lose(fleet, first, second)
    else:
        fleet.admin("remove_instance", instance_id="fv-1")
    assert _is_current(fleet, stream_id, epoch + 1)
    assert ("add", stream_id) in _said(second.obey())
    assert second.beat() == []


def test_of_several_without_a_word_in_time_every_owner_is_asked_to_stop_and_notified(fleet: Fleet) -> None:
    _start(fleet, ABLE, ABLE, ABLE)
    for owner in ("fv-1", "fv-2"):
        fleet.admin("move_stream", stream_id=fleet.streams_of(owner)[0], instance_id="fv-3")
    fleet.clock.advance("30 seconds")
    with fleet.database.connect("worker") as listening:
        for name in fleet.workers:
            listening.execute(f'listen "{fleet.database.names.api}.{name}"')
        assert fleet.run("finish_handoffs") == {"fell_back": 2}
        listening.execute("select")
        told = {note.channel.partition(".")[2] for note in listening.notifies(timeout=0)}
    assert told == {"fv-1", "fv-2"}


def test_every_preparation_of_a_next_owner_that_asks_to_be_drained_is_called_off(fleet: Fleet) -> None:
    workers = _start(fleet, ABLE, ABLE, ABLE)
    for owner in ("fv-1", "fv-2"):
        fleet.admin("move_stream", stream_id=fleet.streams_of(owner)[0], instance_id="fv-3")
    workers[2].beat(status="draining")
    assert fleet.run("finish_handoffs") == {"called_off": 2}
    assert {row["state"] for row in fleet.view("streams", instance_id="fv-1")} == {"running"}


def test_without_a_word_in_time_the_owner_is_asked_to_stop_after_all(fleet: Fleet) -> None:
    """A station may admit one listener only, and a drain has to end."""
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    fleet.clock.advance("29 seconds")
    assert fleet.run("finish_handoffs") is None
    fleet.clock.advance("1 second")
    assert fleet.run("finish_handoffs") == {"fell_back": 1}
    assert fleet.run("finish_handoffs") is None  # it has handoff_timeout of its own
    assert _prepared(second.beat()) == {}
    assert second.acknowledge(started={stream_id: epoch + 1})["ignored"] == 1
    assert _said(first.beat()) == [("remove", stream_id)]
    fleet.clock.advance("30 seconds")
    assert fleet.run("finish_handoffs") == {"forced": 1}
    assert _is_current(fleet, stream_id, epoch + 2), "the next owner had prepared under the one between"


def test_a_drain_ends_although_the_next_owner_cannot_prepare(fleet: Fleet) -> None:
    first, second = _start(fleet, ABLE, ABLE)
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    one, other = sorted(first.running)
    asked = _prepared(second.beat())
    assert asked == {stream_id: epoch + 1 for stream_id, epoch in first.running.items()}
    second.acknowledge(
        started={one: asked[one]}, failed=[{"stream_id": other, "epoch": asked[other], "error": "one listener only"}]
    )
    assert sorted(_said(first.obey())) == [("remove", one), ("remove", other)]
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 4}


def test_a_drain_goes_on_when_its_next_owner_is_lost(fleet: Fleet) -> None:
    first, second = _start(fleet, ABLE, ABLE)
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    third = fleet.register("fv-3", metadata=ABLE)
    second.call("deregister_instance")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    third.acknowledge(started=_prepared(third.beat()))
    fleet.all_obey(but="fv-2")
    assert fleet.loads()["fv-1"] == 0
    assert first.running == {}


def test_a_stream_that_goes_while_it_is_prepared_is_prepared_no_more(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    fleet.admin("remove_stream", stream_id=stream_id)
    assert _prepared(second.beat()) == {}
    assert _said(first.obey()) == [("remove", stream_id)]
    assert fleet.instance("fv-2")["incoming"] == 0


def test_another_next_owner_prepares_in_the_place_of_the_first(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet, ABLE)
    epoch = first.running[stream_id]
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-3")
    assert _prepared(second.beat()) == {}
    assert second.acknowledge(started={stream_id: epoch + 1})["ignored"] == 1
    assert _prepared(fleet.workers["fv-3"].beat()) == {stream_id: epoch + 2}, "no two prepare under one epoch"
    assert first.beat() == []


def test_a_next_owner_without_room_does_not_become_the_owner(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=2)
    second.acknowledge(started={stream_id: epoch + 1})
    assert _is_kept(fleet, stream_id, epoch)
    assert first.beat() == []


def test_a_stream_that_its_owner_does_not_run_yet_is_not_prepared(fleet: Fleet) -> None:
    first, second = _start(fleet, ABLE, ABLE)
    [stream_id] = fleet.add_streams(1, first=5)
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    owner = fleet.stream(stream_id)["instance_id"]
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2" if owner == "fv-1" else "fv-1")
    assert _prepared(first.beat()) == _prepared(second.beat()) == {}


@pytest.mark.parametrize("same", [True, False])
def test_an_owner_that_registers_anew_loses_nothing(fleet: Fleet, same: bool) -> None:
    """The same process goes on; of another one's streams the next owner has what it prepared."""
    _, second, stream_id = _moving(fleet)
    first = fleet.register("fv-1", metadata=ABLE, process="1" if same else "2", takeover=True)
    if same:
        assert stream_id in {row["stream_id"] for row in first.assignments()}
        assert first.beat() == []
    else:
        assert fleet.stream(stream_id)["instance_id"] == "fv-2"
        assert ("add", stream_id) in _said(second.beat())


def test_a_join_hands_over_without_a_break(fleet: Fleet) -> None:
    _start(fleet, ABLE, ABLE)
    third = fleet.register("fv-3", metadata=ABLE)
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    asked = _prepared(third.beat())
    assert len(asked) == 1
    third.acknowledge(started=asked)
    fleet.all_obey()
    assert sorted(fleet.loads().values()) == [1, 1, 2]
