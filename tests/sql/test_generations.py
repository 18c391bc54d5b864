"""A database that may be another one than it was: no epoch and no incarnation comes twice, and owners go on."""

from typing import Any

import pytest

from orchestrator.database import db
from tests.fleet import Fleet, Worker

ADOPTS: dict[str, Any] = {"metadata": {"adopts": True}}
ABLE: dict[str, Any] = {"metadata": {"adopts": True, "make_before_break": True}}


def _became_another(fleet: Fleet, how: str = "start") -> None:
    """As far as the orchestrator can tell."""
    if how == "start":
        moment = f"timestamptz '{fleet.clock.now.isoformat()}'"
        fleet.query(
            "create or replace function {p}.server_started_at() returns timestamptz language sql volatile "
            "set search_path = pg_catalog, pg_temp as $$ select " + moment + " $$"
        )
    elif how == "promotion":
        fleet.query(
            "create or replace function {p}.server_timeline() returns integer language sql volatile "
            "set search_path = pg_catalog, pg_temp as $$ select 99 $$"
        )
    else:  # the rows were written anew, as pg_restore does
        fleet.query("with gone as (delete from {p}.database_mark returning *) select mark from gone")
        fleet.query("insert into {p}.database_mark (mark) values ('4711')")


def _least(fleet: Fleet) -> int:
    least = fleet.value("select {p}.least_number() as least")
    assert isinstance(least, int)
    return least


def _current(fleet: Fleet, stream_id: int, epoch: int) -> bool:
    is_current = fleet.one("is_current", stream_id=stream_id, epoch=epoch)["is_current"]
    assert isinstance(is_current, bool)
    return is_current


def _start(fleet: Fleet, *kinds: dict[str, Any], streams: int) -> list[Worker]:
    workers = [fleet.register(f"fv-{number}", **kind) for number, kind in enumerate(kinds, 1)]
    fleet.add_streams(streams)
    fleet.settle()
    return workers


@pytest.mark.parametrize("how", ["start", "promotion", "restore"])
def test_owners_go_on_under_new_epochs_in_one_decision_of_no_moves(fleet: Fleet, how: str) -> None:
    one, two = _start(fleet, ADOPTS, {}, streams=4)
    before = {**one.running, **two.running}
    owners = fleet.owners()
    assert _least(fleet) == 0
    fleet.clock.advance("1 minute")
    _became_another(fleet, how)
    fleet.run("watch_instances")

    assert _least(fleet) == int(fleet.clock.now.timestamp()) << 20
    assert fleet.owners() == owners
    [decision] = fleet.decisions("new generation")
    assert (decision["moves"], decision["detail"]["streams"]) == (0, 4)
    epochs = {row["stream_id"]: row["epoch"] for row in fleet.view("streams")}
    assert set(epochs.values()) == {_least(fleet)}
    # every rightful owner passes the fence at once, whether or not it has heard
    assert all(_current(fleet, s, epoch) and _current(fleet, s, epochs[s]) for s, epoch in before.items())
    # who can goes on, others start anew
    assert {row["action"] for row in one.beat()} == {"adopt"}
    assert {row["action"] for row in two.beat()} == {"add"}
    for worker in (one, two):
        worker.running = {row["stream_id"]: row["epoch"] for row in worker.beat()}
        worker.acknowledge(started=worker.running)
        assert worker.beat() == []
    assert not any(_current(fleet, s, epoch) for s, epoch in before.items())
    assert fleet.view("repairs") == []
    fleet.check_counts()
    # and that is all
    fleet.clock.advance("1 second")
    assert fleet.run("watch_instances") is None
    assert len(fleet.decisions("new generation")) == 1


def test_the_first_look_begins_no_generation(fleet: Fleet) -> None:
    fleet.start(10, streams=2)
    assert (_least(fleet), fleet.decisions("new generation")) == (0, [])


def test_each_generation_is_above_the_last_also_when_the_clock_is_behind(fleet: Fleet) -> None:
    _start(fleet, ADOPTS, streams=1)
    seen = [_least(fleet)]
    for how in ("start", "promotion", "restore"):
        _became_another(fleet, how)
        fleet.run("watch_instances")
        seen.append(_least(fleet))
        fleet.clock.step("-1 hour")
    assert seen == sorted(set(seen))
    assert max(seen) < 2**53


@pytest.mark.parametrize(
    "say",
    [
        lambda worker: worker.report_streams(),
        lambda worker: worker.assignments(),
        lambda worker: worker.call("get_commands"),
        lambda worker: worker.call("heartbeat", digest=4711),
        lambda worker: worker.acknowledge(started=worker.running),
        lambda worker: worker.fleet.register("fv-2"),
        lambda worker: worker.fleet.admin("rebalance"),
    ],
)
def test_no_call_says_or_hears_an_epoch_before_the_new_generation_has_begun(fleet: Fleet, say: Any) -> None:
    [worker] = _start(fleet, ADOPTS, streams=2)
    _became_another(fleet)
    said = say(worker)
    assert _least(fleet) > 0
    epochs = (
        [row["epoch"] for row in said if row.get("action") != "remove" and "epoch" in row]
        if isinstance(said, list)
        else []
    )
    assert all(epoch >= _least(fleet) for epoch in epochs)


def test_an_incarnation_is_of_its_generation(fleet: Fleet) -> None:
    one, _ = _start(fleet, ADOPTS, {}, streams=2)
    _became_another(fleet)
    fleet.run("watch_instances")
    assert one.incarnation == 1
    assert one.beat() != [], "it is known under its incarnation still"
    again = fleet.register("fv-1", process="2", takeover=True)
    new = fleet.register("fv-3")
    assert min(again.incarnation, new.incarnation) >= _least(fleet)


def test_what_is_prepared_goes_on_being_prepared(fleet: Fleet) -> None:
    fleet.set("handoff_mode", "make_before_break")
    one, two = _start(fleet, ABLE, ABLE, streams=4)
    [stream_id, *_] = one.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    [prepared] = [row for row in two.beat() if row["action"] == "prepare"]
    _became_another(fleet)
    [row] = [row for row in two.beat() if row["action"] == "prepare"]
    assert row["epoch"] > prepared["epoch"]
    assert row["epoch"] == fleet.stream(stream_id)["epoch"] + 1
    assert two.acknowledge(started={stream_id: prepared["epoch"]})["ignored"] == 1
    assert two.acknowledge(started={stream_id: row["epoch"]})["started"] == 1
    assert (fleet.owners()[stream_id], fleet.stream(stream_id)["epoch"]) == ("fv-2", row["epoch"])


def test_what_an_instance_is_still_to_stop_holds_of_whatever_it_runs(fleet: Fleet) -> None:
    """It may run it under an epoch that was given in the time that is forgotten."""
    one, _ = _start(fleet, ADOPTS, ADOPTS, streams=2)
    [stream_id] = one.running
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    _became_another(fleet)
    [row] = one.beat()
    assert (row["action"], row["stream_id"]) == ("remove", stream_id)
    assert row["epoch"] == _least(fleet) - 1


def test_a_step_that_was_forgotten_is_never_given_again(fleet: Fleet) -> None:
    """The database forgets a move, as after a restore: the new owner's epoch is not given to another."""
    one, two = _start(fleet, ADOPTS, ADOPTS, streams=2)
    [stream_id] = one.running
    with fleet.owner_conn.transaction(force_rollback=True):
        fleet.query(
            "select {p}.give_streams("
            "{p}.open_decision('a move', 'test', null), array[%s::bigint], array['fv-1'], array['fv-2'], '')",
            stream_id,
        )
        [row] = fleet.query("select epoch from {p}.assignment where stream_id = %s", stream_id)
    forgotten = row["epoch"]
    _became_another(fleet, "restore")
    two.running[stream_id] = forgotten
    assert [(c["action"], c["stream_id"]) for c in two.report_streams() if c["action"] == "remove"] == [
        ("remove", stream_id)
    ]
    assert not _current(fleet, stream_id, forgotten)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    one.obey()
    assert fleet.owners()[stream_id] == "fv-2"
    assert fleet.stream(stream_id)["epoch"] > forgotten


def test_a_decision_is_there_after_a_crash_whatever_the_session_says(fleet: Fleet) -> None:
    for said, is_done in (("off", "local"), ("on", "on"), ("remote_apply", "remote_apply")):
        with fleet.owner_conn.transaction():
            fleet.owner_conn.execute(f"set local synchronous_commit = {said}".encode())
            db.call(fleet.owner_conn, "rebalance")
            [row] = fleet.query("select current_setting('synchronous_commit') as setting")
            assert row["setting"] == is_done


def test_an_owner_whom_a_fence_refused_gets_a_later_epoch(fleet: Fleet) -> None:
    one, two = _start(fleet, ADOPTS, ADOPTS, streams=2)
    [mine], [theirs] = one.running, two.running
    assert one.call("renew_epoch", stream_id=mine, above=7) == [{"epoch": 8}]
    assert one.call("renew_epoch", stream_id=mine, above=3) == [{"epoch": 8}], "it is above that already"
    assert one.call("renew_epoch", stream_id=theirs, above=7) == []
    assert (fleet.stream(theirs)["epoch"], fleet.stream(mine)["state"]) == (1, "running")
    assert [(row["action"], row["epoch"]) for row in one.beat()] == [("adopt", 8)]
    assert all(_current(fleet, mine, epoch) for epoch in (1, 8))
    in_31_days = int(fleet.clock.now.timestamp() + 31 * 86400) << 20
    assert one.call("renew_epoch", stream_id=mine, above=in_31_days) == []
    assert [alert["subject"] for alert in fleet.view("alerts", code="epoch_refused")] == ["fv-1"]
    assert [d["trigger"] for d in fleet.decisions("epoch ahead")] == ["renew_epoch"]
