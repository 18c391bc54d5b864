"""How an instance is lost, fastest first: goodbye, its session gone, silence; and when none is lost."""

from datetime import timedelta
from typing import Any

from orchestrator.database import db
from orchestrator.lab.waiting import wait_until
from tests.fleet import Fleet, Worker, refused


def _kill(fleet: Fleet, *sessions: db.Connection) -> None:
    """End these connections as `kill -9` of their processes would, and wait until the server has noticed."""
    pids = [session.info.backend_pid for session in sessions]
    fleet.query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where pid = any(%s)", pids)
    wait_until(
        lambda: not fleet.query("select pid from pg_stat_activity where pid = any(%s)", pids), seconds=10, every=0.01
    )
    for session in sessions:
        session.close()


def _restart_server(fleet: Fleet) -> None:
    """The database server is back from a restart, as far as the orchestrator can tell."""
    fleet.query(
        "create or replace function {p}.server_started_at() returns timestamptz language sql volatile "
        "set search_path = pg_catalog, pg_temp as $$ select timestamptz '" + fleet.clock.now.isoformat() + "' $$"
    )


def _watch(fleet: Fleet) -> Any:
    return fleet.run("watch_instances")


def _attached(fleet: Fleet, count: int, **parameters: Any) -> tuple[list[Worker], list[db.Connection]]:
    workers = [fleet.register(f"fv-{number}", **parameters) for number in range(1, count + 1)]
    fleet.add_streams(2 * count)
    fleet.settle()
    return workers, [worker.attach() for worker in workers]


# -- the session rule --------------------------------------------------------------------------------------------------


def test_a_session_that_came_and_went_between_two_looks_is_gone(fleet: Fleet) -> None:
    """R1.2: the locks are as they were at the last look, and yet an instance has lost its session."""
    workers = [fleet.register(f"fv-{number}") for number in range(1, 4)]
    assert _watch(fleet) is None
    _kill(fleet, workers[0].attach())
    fleet.clock.advance("1 second")
    _watch(fleet)
    assert workers[0].row["has_session"] is False


def test_a_lost_session_that_no_lock_told_of_is_noticed_within_ten_seconds(fleet: Fleet) -> None:
    workers, _ = _attached(fleet, 3)
    assert _watch(fleet) is None
    fleet.query("update {p}.instance set session_key = 1 where instance_id = 'fv-1'")
    _watch(fleet)
    assert workers[0].row["has_session"] is True
    fleet.clock.advance("10 seconds")
    _watch(fleet)
    assert workers[0].row["has_session"] is False


def test_an_instance_whose_session_is_gone_is_lost_after_the_grace(fleet: Fleet) -> None:
    """R1.2: its streams are with others within 60 s; here within disconnect_grace."""
    workers, sessions = _attached(fleet, 3)
    assert all(worker.row["has_session"] for worker in workers)
    assert _watch(fleet) is None
    _kill(fleet, sessions[0])
    assert _watch(fleet) is None
    assert workers[0].row["has_session"] is False
    fleet.clock.advance("9 seconds")
    assert _watch(fleet) is None
    fleet.clock.advance("1 second")
    result = _watch(fleet)
    assert (result["lost"], result["rule"], result["moves"], result["least_moves"]) == (["fv-1"], "session lost", 2, 2)
    assert workers[0].status == "inactive"
    assert fleet.loads() == {"fv-1": 0, "fv-2": 3, "fv-3": 3}
    assert fleet.waiting() == []
    [decision] = fleet.decisions("session lost")
    [evidence] = decision["detail"]["evidence"]
    assert evidence["instance_id"] == "fv-1"


def test_the_grace_begins_when_the_session_is_gone_however_old_the_last_beat(fleet: Fleet) -> None:
    """Between two beats every connection may break for a moment."""
    _, sessions = _attached(fleet, 3)
    fleet.clock.advance("29 seconds")
    _kill(fleet, sessions[0])
    assert _watch(fleet) is None
    fleet.clock.advance("9 seconds")
    assert _watch(fleet) is None
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1"]


def test_the_driver_alone_notices_a_lost_session(fleet: Fleet) -> None:
    """R1.2, through run_due_jobs() as psql or pg_cron would call it."""
    _, sessions = _attached(fleet, 3)
    fleet.run_due_jobs()
    _kill(fleet, sessions[0])
    for _ in range(60):
        if "lost" in (fleet.pass_time("1 second").get("watch_instances") or {}):
            break
        fleet.all_obey(but="fv-1")
    assert fleet.loads()["fv-1"] == 0
    assert fleet.waiting() == []


def test_an_instance_that_beats_is_alive_also_without_its_session(fleet: Fleet) -> None:
    workers, sessions = _attached(fleet, 3)
    _kill(fleet, sessions[0])
    for _ in range(10):
        _watch(fleet)
        fleet.clock.advance("9 seconds")
        fleet.all_obey()
    assert _watch(fleet) is None
    assert workers[0].status == "active"


def test_an_instance_that_returns_within_the_grace_keeps_everything(fleet: Fleet) -> None:
    """Design §5: same instance id back within the grace: same streams, nothing moves."""
    workers, sessions = _attached(fleet, 3)
    before = fleet.owners()
    _kill(fleet, sessions[0])
    _watch(fleet)
    fleet.clock.advance("9 seconds")
    again = fleet.register("fv-1", process="2")
    again.attach()
    again.obey()
    fleet.clock.advance("30 seconds")
    _watch(fleet)
    fleet.settle()
    assert fleet.owners() == before
    assert workers[0].status == "active"


def test_a_session_that_is_attached_again_is_trusted_again(fleet: Fleet) -> None:
    workers, sessions = _attached(fleet, 3)
    _kill(fleet, sessions[0])
    _watch(fleet)
    workers[0].attach()
    fleet.clock.advance("20 seconds")
    assert _watch(fleet) is None
    assert workers[0].row["has_session"] is True


def test_a_left_over_session_of_a_former_life_counts_for_nothing(fleet: Fleet) -> None:
    """A half-open connection may keep the old lock for hours."""
    workers, sessions = _attached(fleet, 3)
    new = fleet.register("fv-1", process="2", takeover=True)
    session = new.attach()
    assert new.row["has_session"] is True
    _kill(fleet, session)
    _watch(fleet)
    fleet.clock.advance("10 seconds")
    assert _watch(fleet)["lost"] == ["fv-1"]
    assert not sessions[0].closed
    assert workers[0].status == "inactive"


def test_an_old_life_cannot_attach(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    fleet.register("fv-1", process="2", takeover=True)
    with refused("OR301"):
        worker.attach()
    assert fleet.query("select * from {p}.held_sessions()") == []


# -- silence -----------------------------------------------------------------------------------------------------------


def test_a_silent_instance_is_lost_after_heartbeat_timeout(fleet: Fleet) -> None:
    """R4.1: silent for 5 minutes, marked inactive, streams redistributed."""
    first, second = fleet.start(10, 10, streams=6)
    fleet.clock.advance("299 seconds")
    second.beat()
    assert _watch(fleet) == {"late": ["fv-1"]}
    fleet.clock.advance("1 second")
    result = _watch(fleet)
    assert (result["lost"], result["rule"], result["moves"]) == (["fv-1"], "silence", 3)
    assert (first.status, second.status) == ("inactive", "active")
    assert fleet.loads() == {"fv-1": 0, "fv-2": 6}
    assert _watch(fleet) is None


def test_several_instances_that_fall_silent_together_are_lost_in_one_decision(fleet: Fleet) -> None:
    *_, third, fourth = fleet.start(10, 10, 10, 10, streams=12)
    fleet.clock.advance("299 seconds")
    third.beat()
    fourth.beat()
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1", "fv-2"]
    [decision] = fleet.decisions("silence")
    assert (decision["moves"], decision["least_moves"]) == (6, 6)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 0, "fv-3": 6, "fv-4": 6}


def test_a_lease_replaces_heartbeat_timeout_in_both_directions(fleet: Fleet) -> None:
    fleet.set("max_lease", "10 minutes")
    fleet.register("fv-short", lease="60 seconds")
    fleet.register("fv-long", lease="10 minutes")
    fleet.clock.advance("59 seconds")
    assert _watch(fleet) is None
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-short"]
    fleet.clock.advance("539 seconds")
    assert _watch(fleet) == {"late": ["fv-long"]}
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-long"]


def test_a_long_lost_instance_is_removed(fleet: Fleet) -> None:
    """removal_timeout"""
    worker = fleet.register("fv-1")
    fleet.clock.advance("300 seconds")
    _watch(fleet)
    fleet.clock.advance("23 hours 59 minutes 59 seconds")
    assert _watch(fleet) is None
    fleet.clock.advance("1 second")
    assert _watch(fleet) == {"removed": ["fv-1"]}
    assert worker.status == "removed"
    assert fleet.register("fv-1").status == "registered"


def test_several_instances_are_late_and_lost_and_removed_together(fleet: Fleet) -> None:
    workers = fleet.start(10, 10, 10, 10, 10, streams=5)
    for passed, event, status in (
        ("90 seconds", "late", "warning"),
        ("210 seconds", "lost", "inactive"),
        ("24 hours", "removed", "removed"),
    ):
        fleet.clock.advance(passed)
        for worker in workers[2:]:
            worker.beat()
        assert _watch(fleet)[event] == ["fv-1", "fv-2"]
        assert [worker.status for worker in workers] == [status, status, "active", "active", "active"]


# -- a lease is honoured by every rule ---------------------------------------------------------------------------------


def test_an_instance_with_a_lease_is_not_lost_by_its_session_before_the_lease_is_over(fleet: Fleet) -> None:
    """Design §5: until then it may listen, by its own clock."""
    _, sessions = _attached(fleet, 3, lease="2 minutes")
    _kill(fleet, sessions[0])
    for _ in range(11):
        assert "lost" not in (_watch(fleet) or {})
        fleet.clock.advance("10 seconds")
        fleet.all_obey(but="fv-1")
    fleet.clock.advance("9 seconds")
    assert "lost" not in (_watch(fleet) or {})
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1"]


def test_an_instance_with_a_lease_is_not_lost_by_its_suspension_before_the_lease_is_over(fleet: Fleet) -> None:
    worker = fleet.register("fv-1", lease="2 minutes")
    worker.call("suspend_instance", **{"for": "10 seconds"})
    fleet.clock.advance("119 seconds")
    assert _watch(fleet) is None
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1"]


def test_the_lease_counts_from_the_last_beat(fleet: Fleet) -> None:
    worker = fleet.register("fv-1", lease="2 minutes")
    fleet.clock.advance("119 seconds")
    worker.beat()
    fleet.clock.advance("119 seconds")
    assert "lost" not in (_watch(fleet) or {})
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1"]


# -- the database was away, not the fleet ------------------------------------------------------------------------------


def test_a_database_restart_loses_no_instance(fleet: Fleet) -> None:
    """A database restart moves nothing."""
    workers, sessions = _attached(fleet, 3)
    before = fleet.owners()
    _kill(fleet, *sessions)
    fleet.clock.advance("20 seconds")
    _restart_server(fleet)
    assert _watch(fleet) == {"server_returned": True}
    for _ in range(5):
        fleet.clock.advance("10 seconds")
        _watch(fleet)
    for worker in workers:
        worker.attach()
        worker.beat()
    fleet.clock.advance("60 seconds")
    for worker in workers:
        worker.beat()
    assert _watch(fleet) is None
    assert fleet.owners() == before
    assert {worker.status for worker in workers} == {"active"}


def test_a_database_that_was_away_for_longer_than_the_timeout_loses_no_instance(fleet: Fleet) -> None:
    """Silence counts from the server's return: no instance could have beaten."""
    workers = fleet.start(10, 10, streams=4)
    before = fleet.owners()
    fleet.clock.advance("2 hours")
    _restart_server(fleet)
    assert _watch(fleet) == {"server_returned": True}
    fleet.clock.advance("80 seconds")
    assert _watch(fleet) is None
    for worker in workers:
        worker.beat()
    assert fleet.owners() == before


def test_an_instance_that_does_not_return_after_a_restart_is_lost_after_restart_grace(fleet: Fleet) -> None:
    workers, sessions = _attached(fleet, 3)
    _kill(fleet, *sessions)
    fleet.clock.advance("20 seconds")
    _restart_server(fleet)
    _watch(fleet)
    for worker in workers[1:]:
        worker.attach()
    fleet.clock.advance("59 seconds")
    for worker in workers[1:]:
        worker.beat()
    assert _watch(fleet) is None
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1"]


def test_a_promoted_standby_is_a_restart(fleet: Fleet) -> None:
    _, sessions = _attached(fleet, 2)
    fleet.query(
        "create or replace function {p}.server_timeline() returns integer language sql volatile "
        "set search_path = pg_catalog, pg_temp as $$ select 99 $$"
    )
    _kill(fleet, *sessions)
    assert _watch(fleet) == {"server_returned": True}
    fleet.clock.advance("59 seconds")
    assert _watch(fleet) is None


def test_when_most_sessions_vanish_together_none_is_lost_until_they_had_time_to_return(fleet: Fleet) -> None:
    """A pooler or the network went away, and hardly the workers."""
    workers, sessions = _attached(fleet, 3)
    before = fleet.owners()
    _kill(fleet, *sessions[:2])
    _watch(fleet)
    for _ in range(5):
        fleet.clock.advance("10 seconds")
        fleet.workers["fv-3"].beat()
        assert _watch(fleet) is None
    workers[0].attach()
    workers[0].beat()
    fleet.clock.advance("10 seconds")
    assert _watch(fleet)["lost"] == ["fv-2"]
    assert {stream_id for stream_id, owner in fleet.owners().items() if owner == "fv-1"} >= {
        stream_id for stream_id, owner in before.items() if owner == "fv-1"
    }


def test_when_exactly_half_of_the_sessions_vanish_together_they_are_lost(fleet: Fleet) -> None:
    """Half is not most: the others show that the server and the network are there."""
    _, sessions = _attached(fleet, 4)
    _kill(fleet, *sessions[:2])
    _watch(fleet)
    fleet.clock.advance("9 seconds")
    assert _watch(fleet) is None
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1", "fv-2"]
    assert fleet.loads() == {"fv-1": 0, "fv-2": 0, "fv-3": 4, "fv-4": 4}


def test_sessions_that_vanish_one_after_the_other_within_the_grace_vanished_together(fleet: Fleet) -> None:
    _, sessions = _attached(fleet, 3)
    _kill(fleet, sessions[0])
    _watch(fleet)
    fleet.clock.advance("8 seconds")
    _kill(fleet, sessions[1])
    _watch(fleet)
    fleet.clock.advance("10 seconds")
    assert _watch(fleet) is None
    fleet.clock.advance(timedelta(seconds=42))
    fleet.workers["fv-3"].beat()
    assert _watch(fleet)["lost"] == ["fv-1", "fv-2"]


def test_a_single_instance_that_dies_is_lost_like_any_other(fleet: Fleet) -> None:
    """All sessions of a fleet of one are one."""
    _, sessions = _attached(fleet, 1)
    _kill(fleet, *sessions)
    _watch(fleet)
    fleet.clock.advance("10 seconds")
    assert _watch(fleet)["lost"] == ["fv-1"]


# -- what a loss is answered with --------------------------------------------------------------------------------------


def test_a_lost_instance_moves_only_its_own_streams(fleet: Fleet) -> None:
    """Provably few moves."""
    fleet.start(100, 150, 50, streams=150)
    before = fleet.owners()
    fleet.admin("remove_instance", instance_id="fv-3")
    after = fleet.owners()
    moved = {stream_id for stream_id in before if before[stream_id] != after[stream_id]}
    assert moved == {stream_id for stream_id, owner in before.items() if owner == "fv-3"}
    assert fleet.loads() == {"fv-1": 60, "fv-2": 90, "fv-3": 0}
    decision = fleet.last_decision()
    assert (decision["moves"], decision["least_moves"]) == (25, 25)


def test_what_finds_no_room_waits_and_is_placed_as_soon_as_room_appears(fleet: Fleet) -> None:
    fleet.start(5, 5, streams=8)
    fleet.admin("remove_instance", instance_id="fv-1")
    assert fleet.loads()["fv-2"] == 5
    assert len(fleet.waiting()) == 3
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=8)
    fleet.settle()
    assert fleet.waiting() == []


def test_failover_is_not_paused(fleet: Fleet) -> None:
    """R4.3: balancing frozen, failover never."""
    fleet.start(10, 10, streams=6)
    fleet.admin("pause_balancing")
    fleet.admin("remove_instance", instance_id="fv-1")
    assert fleet.loads()["fv-2"] == 6


def test_an_instance_that_froze_and_came_back_is_watched_by_its_session_again(fleet: Fleet) -> None:
    """R1.2 holds for its second death, too: its connection was there all the time."""
    workers, sessions = _attached(fleet, 3)
    fleet.clock.advance("299 seconds")
    fleet.all_obey(but="fv-1")
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1"]
    fleet.all_obey()
    workers[0].obey()
    assert workers[0].row["has_session"] is True
    fleet.settle()
    _kill(fleet, sessions[0])
    _watch(fleet)
    fleet.clock.advance("10 seconds")
    assert _watch(fleet)["lost"] == ["fv-1"]
