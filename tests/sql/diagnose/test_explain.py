"""R6.1: why a stream is where it is, or has no owner, and what became of an instance."""

from typing import Any

from tests.fleet import Fleet, refused


def _now(fleet: Fleet, stream_id: int) -> dict[str, Any]:
    first, *_ = fleet.admin("explain_stream", stream_id=stream_id)
    assert first["what"].startswith("now ")
    detail = first["detail"]
    assert isinstance(detail, dict)
    return detail


def _excluded(detail: dict[str, Any]) -> dict[str, str | None]:
    return {row["instance_id"]: row["excluded_by"] for row in detail["candidates"]}


def test_a_waiting_stream_says_what_excludes_each_candidate(fleet: Fleet) -> None:
    """R6.1: every reason there is."""
    able = ["audio_fingerprinting", "aac"]
    fleet.register("late", capabilities=able).beat()
    fleet.register("lost", capabilities=able).beat()
    fleet.query(
        "update {p}.instance set status = 'warning', status_event = 'late' where instance_id in ('late', 'lost')"
    )
    fleet.query("update {p}.instance set status = 'inactive', status_event = 'lost' where instance_id = 'lost'")
    fleet.register("full", 1, capabilities=able).beat()
    fleet.register("drained", capabilities=able).beat()
    fleet.admin("drain_instance", instance_id="drained")
    fleet.register("suspended", capabilities=able).call("suspend_instance", **{"for": "5 minutes"})
    fleet.register("unable").beat()
    fleet.register("gone").call("deregister_instance")
    first, second = fleet.add_streams(2, required_capabilities=["aac"])
    assert _now(fleet, first)["candidates"] == []
    detail = _now(fleet, second)
    assert detail["waits_because"] == "every able instance is full"
    assert detail["requires"] == ["aac"]
    excluded = _excluded(detail)
    assert excluded.pop("suspended", "").startswith("it is suspended until 2026-")  # type: ignore[union-attr]  # it is excluded
    assert excluded == {
        "late": "it is late",
        "lost": "it is lost",
        "full": "it is full",
        "drained": "it is being drained",
        "unable": "it lacks aac",
    }


def test_a_refused_stream_says_who_gave_it_back_and_why(fleet: Fleet) -> None:
    """R6.1"""
    [worker] = fleet.start(10, streams=1)
    worker.call("release_streams", streams=[1], reason="no disk")
    detail = _now(fleet, 1)
    assert detail["waits_because"] == "every able instance with room gave it back lately"
    [candidate] = detail["candidates"]
    assert candidate["excluded_by"].startswith("it gave the stream back (no disk), and gets it no more until 2026-")
    fleet.clock.advance("1 hour")
    worker.beat()
    assert _excluded(_now(fleet, 1)) == {"fv-1": None}


def test_the_least_loaded_candidate_comes_first_and_the_excluded_last(fleet: Fleet) -> None:
    """R6.1: of a stream that is heard, that waits, and that no instance is able to take."""
    fleet.start(10, 10, 10, streams=5)
    [least] = [name for name, streams in fleet.loads().items() if streams == 1]
    first, second = sorted({"fv-1", "fv-2", "fv-3"} - {least})
    stream_id = fleet.streams_of(first)[0]
    candidates = [(row["instance_id"], row["streams"]) for row in _now(fleet, stream_id)["candidates"]]
    assert candidates == [(least, 1), (second, 2)]
    fleet.admin("pin_stream", stream_id=stream_id)
    assert _now(fleet, stream_id)["pinned_to"] == first
    for name in fleet.workers:
        fleet.admin("set_capacity", instance_id=name, max_streams=1)
    [waiting] = fleet.add_streams(1, first=6)
    for name in fleet.workers:
        fleet.admin("set_capacity", instance_id=name, max_streams=10)
    fleet.query("update {p}.instance set probation_until = {p}.now() + '1 minute' where instance_id = %s", least)
    detail = _now(fleet, waiting)
    assert (detail["waits_because"], detail["instances"]) == ("it could be placed: the next settlement does", 3)
    assert [row["instance_id"] for row in detail["candidates"]] == [first, second, least]
    assert detail["candidates"][2]["excluded_by"].startswith("it is on probation until 2026-")
    [unable] = fleet.add_streams(1, first=7, required_capabilities=["aac"])
    assert _now(fleet, unable)["waits_because"] == "no instance has the capabilities"


def test_a_stream_that_is_heard_says_who_else_could_have_it(fleet: Fleet) -> None:
    """R6.1: alternatives."""
    fleet.start(10, 10, 10, streams=3)
    owner = fleet.stream(1)["instance_id"]
    since = fleet.stream(1)["assigned_at"]
    fleet.clock.advance("1 hour")
    now, *_ = fleet.admin("explain_stream", stream_id=1)
    assert (now["what"], now["from_instance_id"], now["epoch"], now["at"]) == ("now running", owner, 1, since)
    [decision] = [row for row in fleet.decisions() if row["decision_id"] == now["decision_id"]]
    for column in ("rule", "trigger", "actor"):
        assert now[column] == decision[column] is not None
    detail = _now(fleet, 1)
    assert "waits_because" not in detail
    assert {row["instance_id"] for row in detail["candidates"]} == {"fv-1", "fv-2", "fv-3"} - {owner}


def test_each_move_has_the_alternatives_of_its_moment(fleet: Fleet) -> None:
    """R6.1: the loads, the thresholds, the actor, and who else could have got it."""
    fleet.start(10, 10, 10, streams=6)
    owner = fleet.stream(1)["instance_id"]
    fleet.workers[owner].call("deregister_instance")
    _, last, *_ = fleet.admin("explain_stream", stream_id=1)
    assert (last["what"], last["from_instance_id"]) == ("goodbye", owner)
    [alternative] = last["detail"]["alternatives"]
    assert alternative["instance_id"] not in (owner, last["to_instance_id"])
    assert (alternative["before"], alternative["after"]) == (2, 3)
    assert last["detail"]["thresholds"]
    assert last["actor"]


def test_an_instance_tells_its_life(fleet: Fleet) -> None:
    """R6.1"""
    first, second = fleet.start(10, 10, streams=4)
    for _ in range(9):
        fleet.clock.advance("10 seconds")
        second.beat()
    fleet.admin("request_job", job="watch_instances")
    fleet.run_due_jobs()
    for _ in range(21):
        fleet.clock.advance("10 seconds")
        second.beat()
    fleet.admin("request_job", job="watch_instances")
    fleet.run_due_jobs()
    first = fleet.register("fv-1", process="2")
    first.beat()
    fleet.settle()
    fleet.clock.advance("1 second")
    fleet.admin("drain_instance", instance_id="fv-1", reason="a new disk")
    fleet.settle()
    rows = fleet.admin("explain_instance", instance_id="fv-1")
    assert rows[0]["what"] == "now draining"
    whats = [row["what"] for row in rows]
    assert "registered as incarnation 2" in whats
    assert [what for what in whats if what in ("late", "lost", "drain")] == ["drain", "lost", "late"]
    [drain] = [row for row in rows if row["what"] == "drain"]
    assert drain["reason"] == "a new disk"
    [lost] = [row for row in rows if row["what"] == "lost"]
    assert (lost["lost"], lost["rule"]) == (2, "silence")


def test_a_life_tells_a_goodbye_from_a_removal(fleet: Fleet) -> None:
    """R6.1"""
    first, *_ = fleet.start(10, 10, 10, streams=3)
    first.call("deregister_instance")
    fleet.all_obey(but="fv-1")
    held = fleet.loads()["fv-2"]
    fleet.admin("remove_instance", instance_id="fv-2")
    for instance_id, end in (("fv-1", ("goodbye", 0, 1)), ("fv-2", ("removed", 0, held))):
        rows = fleet.admin("explain_instance", instance_id=instance_id)
        [last] = [row for row in rows if row["what"] in ("goodbye", "removed", "lost")]
        assert (last["what"], last["gained"], last["lost"]) == end


def test_an_unknown_instance_has_no_life(fleet: Fleet) -> None:
    """R6.1"""
    with refused("OR103"):
        fleet.admin("explain_instance", instance_id="unknown")


def test_a_stream_that_a_lost_instance_keeps_waits_and_says_why(fleet: Fleet) -> None:
    """R6.1: no other instance could take it."""
    [worker] = fleet.start(10, streams=1)
    worker.vanish()
    for _ in range(2):
        fleet.clock.advance("6 minutes")
        fleet.run("watch_instances")
    first, *_ = fleet.admin("explain_stream", stream_id=1)
    assert (first["what"], first["from_instance_id"]) == ("now waiting", "fv-1")
    assert first["detail"]["waits_because"] == "no instance may be given any stream now"
