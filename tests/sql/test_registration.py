"""register_instance: how a process comes to life under its instance's name, and who is refused."""

from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.fleet import Fleet, refused
from tests.sql.conftest import Login


def _register(conn: db.Connection, **parameters: Any) -> db.Row:
    [row] = db.call(conn, "register_instance", **parameters)
    return row


def test_a_new_instance_is_told_all_it_needs(fleet: Fleet) -> None:
    """R1.1; design §4."""
    row = _register(fleet.worker_conn, instance_id="fv-1", max_streams=10)
    assert row["instance_id"] == "fv-1"
    assert row["incarnation"] == 1
    assert row["status"] == "registered"
    assert row["channel"] == f"{fleet.database.names.api}.fv-1"
    assert row["heartbeat_interval"].total_seconds() == 30
    assert row["heartbeat_timeout"].total_seconds() == 300
    assert row["assigned_streams"] == 0
    assert fleet.instance("fv-1")["capabilities"] == ["audio_fingerprinting"]


def test_what_an_instance_says_of_itself_can_be_seen(fleet: Fleet) -> None:
    fleet.register(
        "fv-1",
        7,
        capabilities=["audio_fingerprinting", "aac"],
        version="7.3",
        location="sp",
        lease="2 minutes",
        metadata={"host": "worker-1"},
    )
    row = fleet.instance("fv-1")
    assert (row["max_streams"], row["version"], row["location"]) == (7, "7.3", "sp")
    assert row["capabilities"] == ["audio_fingerprinting", "aac"]
    assert row["lease"].total_seconds() == 120
    assert row["metadata"] == {"process": "1", "host": "worker-1"}


def test_a_lease_is_the_timeout_that_the_instance_is_told(fleet: Fleet) -> None:
    row = _register(fleet.worker_conn, instance_id="fv-1", max_streams=1, lease="60 seconds")
    assert row["heartbeat_timeout"].total_seconds() == 60


def test_the_same_process_registers_again_and_keeps_its_streams_under_their_epochs(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    before = worker.assignments()
    again = fleet.register("fv-1")
    assert again.incarnation == worker.incarnation + 1
    assert [(row["stream_id"], row["epoch"]) for row in again.assignments()] == [
        (row["stream_id"], row["epoch"]) for row in before
    ]
    assert again.beat() == []  # what it runs is still what it should


def test_another_process_is_refused_while_the_first_lives(fleet: Fleet) -> None:
    fleet.register("fv-1")
    with refused("OR104") as refusal:
        fleet.register("fv-1", process="2")
    assert refusal.value.detail is not None
    assert refusal.value.detail["instance_id"] == "fv-1"
    assert fleet.instance("fv-1")["incarnation"] == 1


def test_a_process_that_does_not_name_itself_is_another_one(fleet: Fleet) -> None:
    _register(fleet.worker_conn, instance_id="fv-1", max_streams=10)
    with refused("OR104"):
        _register(fleet.worker_conn, instance_id="fv-1", max_streams=10)


def test_another_process_takes_over_when_it_says_so_and_the_old_one_is_fenced(fleet: Fleet) -> None:
    """R3.3: the old process's epochs own nothing any more."""
    [old] = fleet.start(10, streams=2)
    new = fleet.register("fv-1", process="2", takeover=True)
    with refused("OR301"):
        old.beat()
    for stream_id, epoch in old.running.items():
        assert db.call(fleet.worker_conn, "is_current", stream_id=stream_id, epoch=epoch) == [{"is_current": False}]
    assert {row["stream_id"]: row["epoch"] for row in new.assignments()} == {
        stream_id: epoch + 1 for stream_id, epoch in old.running.items()
    }
    [decision] = fleet.decisions("new process")
    assert (decision["moves"], decision["least_moves"]) == (0, 0)


def test_another_process_may_come_once_the_first_has_missed_two_beats(fleet: Fleet) -> None:
    fleet.register("fv-1")
    fleet.clock.advance("59 seconds")
    with refused("OR104"):
        fleet.register("fv-1", process="2")
    fleet.clock.advance("1 second")
    assert fleet.register("fv-1", process="2").incarnation == 2


def test_an_attached_session_is_proof_of_life_however_old_its_beat(fleet: Fleet) -> None:
    session = fleet.register("fv-1").attach()
    fleet.clock.advance("2 minutes")
    with refused("OR104"):
        fleet.register("fv-1", process="2")
    session.close()
    _wait_until_the_session_is_gone(fleet)
    assert fleet.register("fv-1", process="2").incarnation == 2


def _wait_until_the_session_is_gone(fleet: Fleet) -> None:
    for _ in range(1000):
        if not fleet.query("select pid from {p}.held_sessions()"):
            return
    raise AssertionError("the session holds its lock although it is closed")


def test_a_new_process_ends_the_hand_overs_of_the_old_one(fleet: Fleet) -> None:
    """The old process cannot confirm any more that it has stopped, and it has."""
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.register("fv-1", process="2", takeover=True)
    assert fleet.owners()[stream_id] == "fv-2"
    assert [row["action"] for row in second.beat()] == ["add"]


def test_a_new_process_with_less_capacity_gives_up_what_is_too_much(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=10)
    fleet.register("fv-1", 2, process="2", takeover=True)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 2, "fv-2": 8}


def test_a_process_that_lost_an_ability_gives_up_the_streams_that_need_it(fleet: Fleet) -> None:
    fleet.register("fv-1", capabilities=["audio_fingerprinting", "aac"])
    [needs_aac] = fleet.add_streams(1, required_capabilities=["aac"])
    [plain] = fleet.add_streams(1, first=2)
    assert fleet.streams_of("fv-1") == [needs_aac, plain]
    fleet.register("fv-1")
    assert fleet.streams_of("fv-1") == [plain]
    assert fleet.waiting() == [needs_aac]


def test_an_instance_must_be_able_to_fingerprint(fleet: Fleet) -> None:
    for capabilities in ([], ["aac"]):
        with refused("OR105"):
            fleet.register("fv-1", capabilities=capabilities)
    for nameless in ([None], ["audio_fingerprinting", None]):
        with refused("OR101") as refusal:
            fleet.register("fv-1", capabilities=nameless)
        assert refusal.value.detail == {"argument": "p_capabilities", "given": nameless}
    assert fleet.view("instances") == []


def test_a_bad_id_is_refused(fleet: Fleet) -> None:
    too_long, quoted = "x" * 49, "fv'1"
    for instance_id in (None, "", " ", "fv 1", "-fv", ".fv", "fv/1", "fv\n1", "fv-1\n", "é", quoted, too_long):
        with refused("OR101") as refusal:
            _register(fleet.worker_conn, instance_id=instance_id, max_streams=1)
        assert refusal.value.detail == {"argument": "p_instance_id", "given": instance_id}
    assert fleet.view("instances") == []


def test_a_good_id_is_accepted(fleet: Fleet) -> None:
    for instance_id in ("a", "7", "Finger.V7_a-1", "x" * 48):
        assert _register(fleet.worker_conn, instance_id=instance_id, max_streams=1)["incarnation"] == 1


def test_a_capacity_is_from_1_to_1000(fleet: Fleet) -> None:
    for max_streams in (None, 0, -1, 1001):
        with refused("OR101") as refusal:
            _register(fleet.worker_conn, instance_id="fv-1", max_streams=max_streams)
        assert refusal.value.detail == {"argument": "p_max_streams", "given": max_streams}
    assert fleet.view("instances") == []
    assert fleet.register("fv-1", 1).row["max_streams"] == 1
    assert fleet.register("fv-2", 1000).row["max_streams"] == 1000


def test_a_lease_too_short_for_two_beats_or_longer_than_max_lease_is_refused(fleet: Fleet) -> None:
    for lease in ("59 seconds", "0 seconds", "-1 hour", "301 seconds", "24 hours"):
        with refused("OR101") as refusal:
            fleet.register("fv-1", lease=lease)
        assert refusal.value.hint is not None
        assert "2 × heartbeat_interval = 00:01:00 and at most max_lease = 00:05:00" in refusal.value.hint


def test_metadata_that_is_no_object_is_refused(fleet: Fleet) -> None:
    for metadata in ([], ["process"], "process", 1, True):
        with refused("OR101"):
            _register(fleet.worker_conn, instance_id="fv-1", max_streams=1, metadata=Jsonb(metadata))


def test_nulls_in_place_of_the_optional_parts_are_their_defaults(fleet: Fleet) -> None:
    row = _register(
        fleet.worker_conn,
        instance_id="fv-1",
        max_streams=1,
        capabilities=None,
        version=None,
        location=None,
        lease=None,
        takeover=None,
        metadata=None,
    )
    assert row["status"] == "registered"
    assert fleet.instance("fv-1")["metadata"] == {}


def test_another_login_is_refused_even_when_the_first_is_gone(fleet: Fleet, login: Login) -> None:
    """OR106: a name belongs to the login that registered it."""
    first, second = login("worker"), login("worker")
    _register(first, instance_id="fv-1", max_streams=1)
    fleet.pass_time("10 minutes")
    assert fleet.instance("fv-1")["status"] == "inactive"
    with refused("OR106"):
        _register(second, instance_id="fv-1", max_streams=1, takeover=True)
    calls: dict[str, dict[str, Any]] = {
        "heartbeat": {},
        "get_assignments": {},
        "get_commands": {},
        "acknowledge": {},
        "report_streams": {"streams": [], "epochs": []},
        "release_streams": {"streams": []},
        "suspend_instance": {"for": "1 minute"},
        "attach_session": {},
        "deregister_instance": {},
    }
    for function, parameters in calls.items():
        with refused("OR106"):
            db.call(second, function, instance_id="fv-1", incarnation=1, **parameters)
    assert _register(first, instance_id="fv-1", max_streams=1)["incarnation"] == 2


def test_an_administrator_may_speak_for_any_instance_without_owning_it(fleet: Fleet, login: Login) -> None:
    worker, admin = login("worker"), login("admin")
    _register(worker, instance_id="fv-1", max_streams=1)
    db.call(admin, "heartbeat", instance_id="fv-1", incarnation=1)
    row = _register(admin, instance_id="fv-1", max_streams=2, takeover=True)
    assert worker.execute("select session_user::text as login").fetchone() == {"login": fleet.instance("fv-1")["login"]}
    db.call(worker, "heartbeat", instance_id="fv-1", incarnation=row["incarnation"])


def test_a_removed_instance_stays_away_until_it_is_readmitted(fleet: Fleet) -> None:
    fleet.register("fv-1")
    fleet.admin("remove_instance", instance_id="fv-1")
    with refused("OR404") as refusal:
        fleet.register("fv-1", takeover=True)
    assert refusal.value.hint is not None
    assert "readmit_instance('fv-1')" in refusal.value.hint
    fleet.admin("readmit_instance", instance_id="fv-1")
    worker = fleet.register("fv-1")
    assert (worker.status, worker.incarnation) == ("registered", 2)


def test_an_instance_that_said_goodbye_may_come_back_at_once(fleet: Fleet) -> None:
    fleet.register("fv-1").call("deregister_instance")
    worker = fleet.register("fv-1", process="2")
    assert (worker.status, worker.incarnation) == ("registered", 2)


def test_a_registration_asks_for_a_rebalance(fleet: Fleet) -> None:
    """R1.1"""
    fleet.start(10, streams=10)
    fleet.register("fv-2")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 5, "fv-2": 5}


def test_a_refused_return_changes_nothing(fleet: Fleet) -> None:
    fleet.register("fv-1", 5, version="7.3")
    before = fleet.instance("fv-1")
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"max_streams": 0}, "OR101"),
        ({"lease": "1 second"}, "OR101"),
        ({"capabilities": ["aac"]}, "OR105"),
        ({"process": "2"}, "OR104"),
    ]
    for parameters, code in refusals:
        with refused(code):
            fleet.register("fv-1", **{"max_streams": 6, "version": "7.4", **parameters})
    assert fleet.instance("fv-1") == before
