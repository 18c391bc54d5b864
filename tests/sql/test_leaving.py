"""How instances give streams back and leave: release, suspend, goodbye, drain, removal."""

from datetime import timedelta

from orchestrator.database import db
from tests.fleet import Fleet, refused

# -- release_streams ---------------------------------------------------------------------------------------------------


def test_released_streams_go_to_others_at_once(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=4)
    released = sorted(first.running)
    rows = first.call("release_streams", streams=released, reason="no bandwidth")
    assert rows == [{"stream_id": stream_id, "to_instance_id": "fv-2"} for stream_id in released]
    [decision] = fleet.decisions("released")
    assert (decision["reason"], decision["moves"], decision["least_moves"]) == ("no bandwidth", 2, 2)
    second.obey()
    assert len(second.running) == 4


def test_a_released_stream_goes_to_the_least_loaded_for_its_capacity(fleet: Fleet) -> None:
    first, *_ = fleet.start(4, 20, 4, streams=14)
    assert fleet.loads() == {"fv-1": 2, "fv-2": 10, "fv-3": 2}
    fleet.admin("remove_stream", stream_id=min(fleet.workers["fv-2"].running))
    [row] = first.call("release_streams", streams=[min(first.running)])
    assert row["to_instance_id"] == "fv-2"  # 10 of 20 then, and fv-3 would have 3 of 4


def test_released_streams_do_not_come_back_at_once(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=4)
    released = sorted(first.running)
    first.call("release_streams", streams=released)
    first.running = {}
    fleet.settle()
    fleet.admin("rebalance")
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 2, "fv-2": 2}  # two others came instead
    assert not set(released) & set(fleet.streams_of("fv-1"))


def test_many_released_streams_go_where_none_of_them_was_refused_and_spread_evenly(fleet: Fleet) -> None:
    """They are placed in groups, by who has refused them before: here none, one and two others."""
    workers = fleet.start(100, 100, 100, 100, streams=0)
    first, second, third, _fourth = workers
    for worker in workers[1:]:
        fleet.one("drain_instance", instance_id=worker.instance_id)
    streams = fleet.add_streams(24)
    fleet.settle()
    fleet.all_obey()
    assert fleet.loads()["fv-1"] == 24
    for worker in workers[1:]:
        fleet.one("undrain_instance", instance_id=worker.instance_id)
    refused_by: dict[int, list[str]] = {stream: [] for stream in streams[:12]}
    refused_by |= {stream: ["fv-2"] for stream in streams[12:18]} | {
        stream: ["fv-2", "fv-3"] for stream in streams[18:]
    }
    for worker, given in ((second, streams[12:]), (third, streams[18:])):
        for stream in given:
            fleet.query(
                "insert into {p}.refusal (stream_id, instance_id, reason, refused_at, until, times, for_failing) "
                "values (%s, %s, 'x', {p}.now(), {p}.now() + interval '1 minute', 1, false)",
                stream,
                worker.instance_id,
            )

    first.call("release_streams", streams=streams)

    owners = fleet.owners()
    assert all(owners[stream] not in [None, "fv-1", *refused_by[stream]] for stream in streams)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 8, "fv-3": 8, "fv-4": 8}


def test_released_streams_that_wait_are_placed_together_and_not_where_they_were_refused(fleet: Fleet) -> None:
    [first] = fleet.start(10, streams=6)
    streams = sorted(first.running)
    first.call("release_streams", streams=streams)
    first.obey()
    assert fleet.waiting() == streams
    for name in ("fv-2", "fv-3"):
        fleet.register(name, 2).beat()
    fleet.settle()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 2, "fv-3": 2}
    assert len(fleet.waiting()) == 2


def test_a_stream_that_is_released_again_stays_away_for_longer(fleet: Fleet) -> None:
    """The time doubles, up to an hour."""
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    away = []
    for _ in range(9):
        worker.call("release_streams", streams=[stream_id])
        away.append(fleet.value("select extract(epoch from until - refused_at)::integer from {p}.refusal"))
        fleet.clock.advance(timedelta(seconds=away[-1] + 1))
        worker.obey()
        fleet.run("check_balance")
        fleet.settle()
        assert fleet.streams_of("fv-1") == [stream_id]
    assert away == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_several_released_streams_that_waited_are_placed_together(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    worker.call("release_streams", streams=sorted(worker.running))
    assert len(fleet.waiting()) == 3
    fleet.register("fv-2", 10)
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    assert (fleet.waiting(), fleet.loads()) == ([], {"fv-1": 0, "fv-2": 3})


def test_a_released_stream_that_no_other_can_take_waits_and_is_seen_to_wait(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    kept, released = sorted(worker.running)
    assert worker.call("release_streams", streams=[released]) == [{"stream_id": released, "to_instance_id": None}]
    del worker.running[released]
    assert fleet.waiting() == [released]
    assert worker.beat() == []
    fleet.register("fv-2")
    fleet.settle()
    assert fleet.owners() == {kept: "fv-1", released: "fv-2"}


def test_a_stream_that_was_to_be_handed_over_anyway_goes_where_it_was_meant_to(fleet: Fleet) -> None:
    first, *_ = fleet.start(10, 10, 10, streams=6)
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-3")
    rows = first.call("release_streams", streams=[stream_id])
    assert rows == [{"stream_id": stream_id, "to_instance_id": "fv-3"}]


def test_only_its_own_streams_are_released(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=2)
    assert first.call("release_streams", streams=[*second.running, 999, None]) == []
    assert first.call("release_streams", streams=[]) == []
    with refused("OR101"):
        first.call("release_streams", streams=None)
    assert fleet.decisions("released") == []


def test_a_released_pinned_stream_does_not_go_home_at_once(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    fleet.admin("pin_stream", stream_id=stream_id)
    first.call("release_streams", streams=[stream_id])
    first.running = {}
    fleet.admin("rebalance")
    fleet.all_obey()
    assert stream_id in second.running
    fleet.clock.advance("61 seconds")
    fleet.admin("rebalance")
    fleet.all_obey()
    assert stream_id in first.running


# -- suspend_instance --------------------------------------------------------------------------------------------------


def test_a_suspended_instance_keeps_its_streams_through_a_restart(fleet: Fleet) -> None:
    worker, other = fleet.start(10, 10, streams=4)
    session = worker.attach()
    [row] = worker.call("suspend_instance", **{"for": "2 minutes"})
    assert row["suspended_until"] == fleet.clock.now + timedelta(minutes=2)
    session.close()
    for _ in range(11):
        assert "watch_instances" not in fleet.pass_time("10 seconds")
        other.beat()
    before = fleet.owners()
    again = fleet.register("fv-1", process="2")  # a process that said it would go needs no takeover
    assert again.row["suspended_until"] is None
    again.obey()
    assert fleet.owners() == before
    fleet.settle()
    assert fleet.owners() == before


def test_a_suspended_instance_gets_nothing_new(fleet: Fleet) -> None:
    worker, _ = fleet.start(10, 10, streams=2)
    worker.call("suspend_instance", **{"for": "2 minutes"})
    fleet.add_streams(4, first=3)
    assert fleet.loads() == {"fv-1": 1, "fv-2": 5}
    worker.beat()  # it is back before it had to be
    assert worker.row["suspended_until"] is None


def test_a_suspension_ends_and_then_the_instance_is_lost(fleet: Fleet) -> None:
    worker, other = fleet.start(10, 10, streams=4)
    worker.call("suspend_instance", **{"for": "2 minutes"})
    fleet.clock.advance("119 seconds")
    other.beat()
    assert "watch_instances" not in fleet.run_due_jobs()
    result = fleet.pass_time("1 second")["watch_instances"]
    assert (result["lost"], result["rule"], result["moves"]) == (["fv-1"], "suspension over", 2)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 4}


def test_a_suspension_has_bounds(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    for how_long in (None, "0 seconds", "-1 second", "301 seconds"):
        with refused("OR101"):
            worker.call("suspend_instance", **{"for": how_long})
    assert worker.row["suspended_until"] is None
    worker.call("suspend_instance", **{"for": "300 seconds"})


# -- deregister_instance -----------------------------------------------------------------------------------------------


def test_a_goodbye_moves_the_streams_at_once(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=6)
    assert first.call("deregister_instance") == [{"moved": 3, "still_waiting": 0}]
    assert first.status == "removed"
    second.obey()
    assert len(second.running) == 6
    [decision] = fleet.decisions("goodbye")
    assert (decision["moves"], decision["least_moves"]) == (3, 3)


def test_a_goodbye_without_others_leaves_the_streams_waiting(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    assert worker.call("deregister_instance") == [{"moved": 0, "still_waiting": 3}]
    waiting = next(row["finding"] for row in fleet.admin("health") if row["component"] == "streams")
    assert waiting == "3 streams wait: no instance is there to take them"
    assert len(fleet.waiting()) == 3
    fleet.register("fv-2")
    fleet.settle()
    assert fleet.waiting() == []


def test_after_a_goodbye_nothing_is_heard_of_it(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    worker.call("deregister_instance")
    for function in ("heartbeat", "get_assignments", "get_commands", "deregister_instance", "acknowledge"):
        with refused("OR301"):
            worker.call(function)


# -- drain_instance, undrain_instance ----------------------------------------------------------------------------------


def test_a_drained_instance_hands_over_everything_without_losing_a_second(fleet: Fleet) -> None:
    """Operations: drain."""
    first, second = fleet.start(10, 10, streams=6)
    [row] = fleet.admin("drain_instance", instance_id="fv-1", reason="new kernel")
    event_id = fleet.decisions("drain")[0]["event_id"]
    assert row == {"instance_id": "fv-1", "status": "draining", "streams_to_hand_over": 3, "event_id": event_id}
    [decision] = fleet.decisions("drain")
    assert decision["reason"] == "new kernel"
    fleet.clock.advance("2 seconds")
    fleet.run("settle")
    assert fleet.instance("fv-1")["outgoing"] == 3
    assert second.beat() == []  # each is heard by its owner until that has stopped
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 6}
    assert first.running == {}
    assert first.call("deregister_instance") == [{"moved": 0, "still_waiting": 0}]


def test_a_drain_with_too_little_room_goes_on_listening_and_completes_when_room_appears(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=14)
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 4, "fv-2": 10}
    assert len(first.running) == 4
    assert fleet.waiting() == []
    fleet.register("fv-3")
    fleet.settle()
    assert fleet.loads()["fv-1"] == 0
    assert first.running == {}


def test_a_draining_instance_gets_nothing_new(fleet: Fleet) -> None:
    fleet.start(10, 10)
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.add_streams(4)
    fleet.settle()
    fleet.admin("rebalance")
    assert fleet.loads() == {"fv-1": 0, "fv-2": 4}


def test_an_undrained_instance_gets_its_share_again(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=6)
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.settle()
    assert fleet.admin("undrain_instance", instance_id="fv-1") == [{"instance_id": "fv-1", "status": "active"}]
    fleet.settle()
    assert fleet.loads() == {"fv-1": 3, "fv-2": 3}
    assert fleet.admin("undrain_instance", instance_id="fv-1") == [{"instance_id": "fv-1", "status": "active"}]


def test_an_ordered_drain_outlives_the_process(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=6)
    fleet.admin("drain_instance", instance_id="fv-1")
    again = fleet.register("fv-1", process="2", takeover=True)
    assert again.status == "draining"
    fleet.settle()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 6}


def test_an_ordered_drain_outlives_the_loss_of_the_instance(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=6)
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.clock.advance("299 seconds")
    second.beat()
    fleet.clock.advance("1 second")
    fleet.run("watch_instances")
    assert first.status == "inactive"
    fleet.all_obey()
    fleet.register("fv-1").obey()
    fleet.settle()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 6}
    fleet.admin("undrain_instance", instance_id="fv-1")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 3, "fv-2": 3}


def test_a_removed_instance_cannot_be_drained_back_into_the_fleet(fleet: Fleet) -> None:
    fleet.register("fv-1")
    fleet.admin("remove_instance", instance_id="fv-1")
    with refused("OR404"):
        fleet.admin("drain_instance", instance_id="fv-1")
    with refused("OR404"):
        fleet.register("fv-1")


# -- remove_instance, readmit_instance ---------------------------------------------------------------------------------


def test_a_removed_instance_gives_up_its_streams_at_once_and_is_fenced(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=6)
    removed = fleet.one("remove_instance", instance_id="fv-1", reason="broken")
    [decision] = fleet.decisions("removed")
    assert decision["reason"] == "broken"
    assert removed == {
        "instance_id": "fv-1",
        "moved": 3,
        "still_waiting": 0,
        "event_id": decision["event_id"],
        "free_at": None,
    }
    with refused("OR301"):
        first.beat()
    for stream_id, epoch in first.running.items():
        assert db.call(fleet.worker_conn, "is_current", stream_id=stream_id, epoch=epoch) == [{"is_current": False}]
    again = fleet.one("remove_instance", instance_id="fv-1")
    assert again["moved"] == 0


def test_administrators_are_told_of_unknown_instances(fleet: Fleet) -> None:
    for function in ("drain_instance", "undrain_instance", "remove_instance", "readmit_instance"):
        for instance_id in ("fv-9", None):
            with refused("OR103"):
                fleet.admin(function, instance_id=instance_id)
    with refused("OR103"):
        fleet.admin("set_capacity", instance_id="fv-9", max_streams=1)


# -- set_capacity ------------------------------------------------------------------------------------------------------


def test_less_capacity_hands_over_what_is_too_much_and_no_more(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=10)
    row = fleet.one("set_capacity", instance_id="fv-1", max_streams=2)
    assert row == {"instance_id": "fv-1", "max_streams": 2, "assigned_streams": 5}
    fleet.settle()
    assert fleet.loads() == {"fv-1": 2, "fv-2": 8}
    assert fleet.last_decision()["least_moves"] == fleet.last_decision()["moves"] == 3


def test_less_capacity_hands_over_no_more_of_several_instances_and_whatever_their_streams_require(fleet: Fleet) -> None:
    able = ["audio_fingerprinting", "aac", "mp3"]
    for name in ("fv-1", "fv-2"):
        fleet.register(name, 9, capabilities=able)
    fleet.add_streams(6, required_capabilities=["aac"])
    fleet.add_streams(6, first=7, required_capabilities=["mp3"])
    fleet.add_streams(6, first=13, region="south")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 9, "fv-2": 9}
    fleet.admin("pause_balancing")  # so that nothing but the lack of room moves anything
    fleet.register("fv-3", 18, capabilities=able)
    fleet.settle()
    for name, capacity in (("fv-1", 4), ("fv-2", 5)):
        fleet.admin("set_capacity", instance_id=name, max_streams=capacity)

    fleet.settle()

    assert fleet.loads() == {"fv-1": 4, "fv-2": 5, "fv-3": 9}
    [moves] = [d["moves"] for d in fleet.decisions("settle") if d["moves"] and d["trigger"] == "capacity"]
    assert moves == 9


def test_less_capacity_without_room_elsewhere_goes_on_listening(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=10)
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=4)
    fleet.settle()
    assert len(worker.running) == 10
    fleet.register("fv-2", 4)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 6, "fv-2": 4}


def test_more_capacity_takes_what_waits_and_then_its_share(fleet: Fleet) -> None:
    fleet.start(2, 10, streams=14)
    assert len(fleet.waiting()) == 2
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=10)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 7, "fv-2": 7}
    assert fleet.waiting() == []


def test_a_capacity_of_an_administrator_has_the_same_bounds(fleet: Fleet) -> None:
    fleet.register("fv-1")
    for max_streams in (None, 0, 1001):
        with refused("OR101"):
            fleet.admin("set_capacity", instance_id="fv-1", max_streams=max_streams)
    assert fleet.instance("fv-1")["max_streams"] == 10
