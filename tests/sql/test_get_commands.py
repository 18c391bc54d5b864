"""What a notified worker asks for, and how a session is given back."""

from orchestrator.database import db
from tests.fleet import Fleet, refused


def test_commands_are_those_of_a_beat_and_asking_for_them_writes_nothing(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=4)
    assert first.call("get_commands") == []
    stream_id, epoch = min(first.running.items())
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    before = first.row
    asked = first.call("get_commands")
    assert [(row["action"], row["stream_id"], row["epoch"]) for row in asked] == [("remove", stream_id, epoch)]
    assert first.row == before and asked == first.beat()
    first.follow(asked)
    [add] = second.call("get_commands")
    assert (add["action"], add["stream_id"], add["epoch"]) == ("add", stream_id, epoch + 1)
    second.follow([add])
    assert second.call("get_commands") == first.call("get_commands") == []


def test_who_was_replaced_hears_of_no_commands(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    with refused("OR301"):
        db.call(fleet.worker_conn, "get_commands", instance_id="fv-1", incarnation=worker.incarnation - 1)


def test_a_session_that_is_given_back_counts_as_ended_and_the_others_of_its_connection_do_not(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=2)
    session = first.attach()
    db.call(session, "attach_session", instance_id="fv-2", incarnation=second.incarnation)
    detach = {"instance_id": "fv-1", "incarnation": first.incarnation}
    assert db.call(session, "detach_session", **detach) == [{"detached": True}]
    assert db.call(session, "detach_session", **detach) == [{"detached": False}]
    fleet.run("watch_instances")
    lost = "select instance_id from {p}.instance where session_lost_at is not null"
    assert [row["instance_id"] for row in fleet.query(lost)] == ["fv-1"]
    with refused("OR101"):
        db.call(session, "detach_session", instance_id="fv-1", incarnation=None)
    session.close()
