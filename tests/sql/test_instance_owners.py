"""Whose a name is: when it is free, who may take it then, and how it is handed over."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.database import db
from tests.fleet import Fleet, refused
from tests.logins import Logins, logins_of


@pytest.fixture
def logins(fleet: Fleet) -> Iterator[Logins]:
    with logins_of(fleet.database) as made:
        yield made


WAYS: tuple[dict[str, Any], ...] = ({}, {"takeover": True}, {"takeover": True, "force": True})
"""How a process may register under a name that is in use."""


def _register(conn: db.Connection, instance_id: str = "fv-1", **parameters: Any) -> db.Row:
    [row] = db.call(conn, "register_instance", instance_id=instance_id, max_streams=10, **parameters)
    return row


def _goodbye(conn: db.Connection, row: db.Row, **parameters: Any) -> None:
    db.call(conn, "deregister_instance", instance_id=row["instance_id"], incarnation=row["incarnation"], **parameters)


def _beat(conn: db.Connection, row: db.Row) -> None:
    db.call(conn, "heartbeat", instance_id=row["instance_id"], incarnation=row["incarnation"])


def _owner(fleet: Fleet) -> str:
    return str(fleet.instance("fv-1")["login"])


# -- free again --------------------------------------------------------------------------------------------------------


def _said_goodbye(fleet: Fleet, conn: db.Connection, row: db.Row) -> None:
    _goodbye(conn, row)


def _forgotten(fleet: Fleet, conn: db.Connection, row: db.Row) -> None:
    fleet.pass_time("10 minutes")
    fleet.clock.advance("25 hours")
    fleet.run("watch_instances")


def _removed_and_readmitted(fleet: Fleet, conn: db.Connection, row: db.Row) -> None:
    fleet.admin("remove_instance", instance_id="fv-1")
    fleet.admin("readmit_instance", instance_id="fv-1")


@pytest.mark.parametrize("end", [_said_goodbye, _forgotten, _removed_and_readmitted])
def test_a_name_is_free_when_its_life_has_ended(
    fleet: Fleet, logins: Logins, end: Callable[[Fleet, db.Connection, db.Row], None]
) -> None:
    """Any worker login may take it, and owns it then; the former one is refused as any other."""
    old, new = (logins.connect(logins.worker(name)) for name in ("old", "new"))
    first = _register(old)
    [stream_id] = fleet.add_streams(1)
    [first_epoch] = [row["epoch"] for row in fleet.view("assignments", stream_id=stream_id)]
    end(fleet, old, first)
    assert fleet.instance("fv-1")["status"] == "removed"
    assert fleet.instance("fv-1")["name_is_free"]

    second = _register(new)
    fleet.settle()
    assert second["incarnation"] > first["incarnation"]
    assert _owner(fleet) == logins.name("new")
    assert not fleet.instance("fv-1")["name_is_free"]
    [row] = db.call(new, "get_assignments", instance_id="fv-1", incarnation=second["incarnation"])
    assert (row["stream_id"], row["epoch"] > first_epoch) == (stream_id, True)
    _beat(new, second)
    with refused("OR106"):
        _register(old, takeover=True)
    with refused("OR106"):
        _beat(old, first)


def test_a_name_is_not_free_while_its_instance_may_come_back(fleet: Fleet, logins: Logins) -> None:
    """Living, late, suspended, draining, lost: the name stays its owner's until removal_timeout."""
    old, new = (logins.connect(logins.worker(name)) for name in ("old", "new"))
    row = _register(old)

    def stays(status: str) -> None:
        assert fleet.instance("fv-1")["status"] == status
        for parameters in WAYS:
            with refused("OR106"):
                _register(new, **parameters)
        assert not fleet.instance("fv-1")["name_is_free"]

    stays("registered")
    _beat(old, row)
    stays("active")
    db.call(old, "suspend_instance", instance_id="fv-1", incarnation=row["incarnation"], **{"for": "4 minutes"})
    stays("active")
    _beat(old, row)
    fleet.admin("drain_instance", instance_id="fv-1")
    stays("draining")
    fleet.admin("undrain_instance", instance_id="fv-1")
    fleet.clock.advance("2 minutes")
    fleet.run("watch_instances")
    stays("warning")
    fleet.pass_time("10 minutes")
    stays("inactive")
    fleet.clock.advance("23 hours")
    fleet.run("watch_instances")
    stays("inactive")


def test_a_removed_name_comes_back_by_an_administrator_only(fleet: Fleet, logins: Logins) -> None:
    """The refusal is the same for its login and for others: it is not the login that is wrong."""
    old, new = (logins.connect(logins.worker(name)) for name in ("old", "new"))
    _register(old)
    fleet.admin("remove_instance", instance_id="fv-1")
    assert not fleet.instance("fv-1")["name_is_free"]
    for conn in (old, new):
        with refused("OR404"):
            _register(conn, takeover=True, force=True)


def test_a_free_name_waits_for_the_promise_of_its_last_process(fleet: Fleet, logins: Logins) -> None:
    """It was removed by order, so it may still run what it had until its lease is over."""
    old, new = (logins.connect(logins.worker(name)) for name in ("old", "new"))
    _register(old, lease="90 seconds", stop_within="60 seconds")
    fleet.admin("remove_instance", instance_id="fv-1")
    fleet.admin("readmit_instance", instance_id="fv-1")
    fleet.clock.advance("89 seconds")
    with refused("OR104"):
        _register(new)
    with refused("OR104"):
        _register(new, takeover=True)
    fleet.clock.advance("1 second")
    _register(new)


def test_a_login_that_takes_a_free_name_is_no_process_of_the_former_one(fleet: Fleet, logins: Logins) -> None:
    """The key by which a process knows itself is no secret: it does not keep another login's epochs."""
    old = logins.worker("old")
    conn = logins.connect(old)
    row = _register(conn, metadata={"process": "p"})
    [stream_id] = fleet.add_streams(1)
    [before] = fleet.view("assignments", stream_id=stream_id)
    db.call(conn, "attach_session", instance_id="fv-1", incarnation=row["incarnation"])
    logins.drop(old)
    new = logins.connect(logins.worker("new"))
    _register(new, metadata={"process": "p"})
    [after] = fleet.view("assignments", stream_id=stream_id)
    assert after["instance_id"] == "fv-1"
    assert after["epoch"] > before["epoch"]


# -- a role that changes -----------------------------------------------------------------------------------------------


def test_a_name_whose_owner_was_dropped_is_free_once_no_process_lives(fleet: Fleet, logins: Logins) -> None:
    old, new = logins.worker("old"), logins.connect(logins.worker("new"))
    _register(logins.connect(old))
    logins.drop(old)
    for parameters in WAYS:
        with refused("OR106"):
            _register(new, **parameters)  # its beat is young, and it never had a session
    fleet.clock.advance("61 seconds")
    _register(new)
    assert _owner(fleet) == logins.name("new")


def test_the_promise_of_a_dropped_owner_is_kept(fleet: Fleet, logins: Logins) -> None:
    old, new = logins.worker("old"), logins.connect(logins.worker("new"))
    conn = logins.connect(old)
    row = _register(conn, lease="90 seconds", stop_within="60 seconds")
    db.call(conn, "attach_session", instance_id="fv-1", incarnation=row["incarnation"])
    logins.drop(old)
    fleet.clock.advance("89 seconds")
    with refused("OR106"):
        _register(new, takeover=True)
    fleet.clock.advance("1 second")
    _register(new)


def test_a_role_made_anew_under_the_name_is_the_owner_again(fleet: Fleet, logins: Logins) -> None:
    old, other = logins.worker("old"), logins.connect(logins.worker("other"))
    row = _register(logins.connect(old))
    logins.drop(old)
    again = logins.connect(logins.worker("old"))
    _beat(again, row)
    fleet.clock.advance("61 seconds")
    with refused("OR106"):
        _register(other)


def test_a_renamed_login_keeps_its_names(fleet: Fleet, logins: Logins) -> None:
    """It beats on in the session that it has, whose lock is still its own."""
    old = logins.worker("old")
    conn, other = logins.connect(old), logins.connect(logins.worker("other"))
    row = _register(conn)
    db.call(conn, "attach_session", instance_id="fv-1", incarnation=row["incarnation"])
    new = logins.rename(old, "new")
    _beat(conn, row)
    fleet.query("update {p}.session_watch set checksum = 0")
    fleet.run("watch_instances")
    assert fleet.instance("fv-1")["has_session"]
    assert _owner(fleet) == new
    with refused("OR106"):
        _register(other)
    with refused("OR104"):
        _register(logins.connect(new))  # it lives
    _goodbye(logins.connect(new), row)


# -- handed over -------------------------------------------------------------------------------------------------------


def test_a_name_is_handed_over_and_the_old_process_can_do_nothing_any_more(fleet: Fleet, logins: Logins) -> None:
    old, new = (logins.connect(logins.worker(name)) for name in ("old", "new"))
    fleet.start(10, streams=0)
    row = _register(old, "fv-2")
    fleet.add_streams(4)
    fleet.settle()
    who = {"instance_id": "fv-2", "incarnation": row["incarnation"]}
    theirs = db.call(old, "get_assignments", **who)
    db.call(old, "attach_session", **who)
    handed = fleet.one("set_instance_owner", instance_id="fv-2", role=logins.name("new"), reason="rotation")
    assert (handed["login"], handed["former_login"]) == (logins.name("new"), logins.name("old"))
    calls: dict[str, dict[str, Any]] = {
        "heartbeat": {},
        "get_assignments": {},
        "get_commands": {},
        "acknowledge": {"stopped": [theirs[0]["stream_id"]]},
        "report_streams": {"streams": [], "epochs": []},
        "release_streams": {"streams": [theirs[0]["stream_id"]]},
        "suspend_instance": {"for": "1 minute"},
        "attach_session": {},
        "deregister_instance": {},
    }
    for function, parameters in calls.items():
        with refused("OR106"):
            db.call(old, function, **who, **parameters)
    with refused("OR106"):
        _register(old, "fv-2", takeover=True)
    [decision] = fleet.decisions("new owner")
    assert (decision["moves"], decision["reason"]) == (0, "rotation")

    again = _register(new, "fv-2")  # the old session's lock keeps it out no more
    kept = db.call(new, "get_assignments", instance_id="fv-2", incarnation=again["incarnation"])
    assert {r["stream_id"] for r in kept} == {r["stream_id"] for r in theirs}
    epochs = {r["stream_id"]: r["epoch"] for r in theirs}
    assert all(r["epoch"] > epochs[r["stream_id"]] for r in kept)


def test_the_session_of_the_former_owner_says_nothing_from_the_next_look_on(fleet: Fleet, logins: Logins) -> None:
    old = logins.connect(logins.worker("old"))
    logins.worker("new")
    fleet.start(10, 10, 10)
    row = _register(old, "fv-4")
    others = [fleet.workers[name].attach() for name in ("fv-1", "fv-2", "fv-3")]
    db.call(old, "attach_session", instance_id="fv-4", incarnation=row["incarnation"])
    fleet.add_streams(4)
    fleet.settle()
    fleet.run("watch_instances")
    assert fleet.instance("fv-4")["has_session"]
    fleet.admin("set_instance_owner", instance_id="fv-4", role=logins.name("new"))
    fleet.run("watch_instances")
    assert not fleet.instance("fv-4")["has_session"]
    fleet.clock.advance("11 seconds")
    for name in ("fv-1", "fv-2", "fv-3"):
        fleet.workers[name].beat()
    fleet.run("watch_instances")
    assert fleet.instance("fv-4")["status"] == "inactive"
    assert fleet.waiting() == []
    for conn in others:
        conn.close()


def test_a_name_that_is_handed_over_waits_for_the_promise_of_its_process(fleet: Fleet, logins: Logins) -> None:
    old, new = (logins.connect(logins.worker(name)) for name in ("old", "new"))
    row = _register(old, lease="90 seconds", stop_within="60 seconds")
    fleet.admin("set_instance_owner", instance_id="fv-1", role=logins.name("new"))
    with refused("OR104"):
        _register(new)
    with refused("OR104"):
        _register(new, takeover=True)
    with refused("OR106"):
        _beat(old, row)
    fleet.clock.advance("90 seconds")
    _register(new)


@pytest.mark.parametrize("options", ["", "with admin option"])
def test_a_group_role_owns_a_name_and_its_members_share_it(fleet: Fleet, logins: Logins, options: str) -> None:
    """Membership counts, whether it is inherited or not; what a member registers stays the group's."""
    group = logins.group("fingers")
    logins.worker("one", group, options=options)
    two = logins.worker("two", group)
    logins.do("alter role {} noinherit", two)
    logins.worker("three")
    first, second, third = (logins.connect(logins.name(name)) for name in ("one", "two", "three"))
    second.execute(f"set role {fleet.database.names.worker}".encode())  # as a login must that inherits nothing
    row = _register(first, lease="90 seconds", stop_within="60 seconds")
    fleet.admin("set_instance_owner", instance_id="fv-1", role=group)
    assert _owner(fleet) == group

    _beat(first, row)  # it is a member, and does not notice
    db.call(first, "attach_session", instance_id="fv-1", incarnation=row["incarnation"])
    fleet.run("watch_instances")
    assert fleet.instance("fv-1")["has_session"]
    _beat(second, row)
    with refused("OR104"):
        _register(second)
    with refused("OR106"):
        _register(third)
    with refused("OR106"):
        _beat(third, row)
    _goodbye(second, row)  # its own word, although it has promised

    again = _register(second)
    assert _owner(fleet) == group
    logins.do("revoke {} from {}", group, two)
    with refused("OR106"):
        _beat(second, again)
    _beat(first, again)


def test_a_membership_with_all_options_off_counts_as_any_other(fleet: Fleet, logins: Logins) -> None:
    """PostgreSQL 16 and later: what the membership of the administrator's role counts by, too."""
    if fleet.owner_conn.info.server_version < 160000:
        pytest.skip("this server has no options of memberships")
    group = logins.group("fingers")
    name = logins.worker("one")
    logins.do("grant {} to {} with inherit false, set false", group, name)
    fleet.register("fv-1")
    fleet.admin("set_instance_owner", instance_id="fv-1", role=group)
    _register(logins.connect(name), takeover=True)
    assert _owner(fleet) == group


def test_a_free_name_that_is_handed_over_is_kept_for_the_role(fleet: Fleet, logins: Logins) -> None:
    old, new, other = (logins.connect(logins.worker(name)) for name in ("old", "new", "other"))
    _goodbye(old, _register(old))
    fleet.admin("set_instance_owner", instance_id="fv-1", role=logins.name("new"))
    assert not fleet.instance("fv-1")["name_is_free"]
    for conn in (old, other):
        with refused("OR106"):
            _register(conn)
    _goodbye(new, _register(new))
    _register(other)  # its next life has ended, too


def test_an_administrators_registration_leaves_the_name_where_it_is(fleet: Fleet, logins: Logins) -> None:
    worker, admin = logins.connect(logins.worker("old")), logins.connect(logins.admin("admin"))
    _register(worker)
    _register(admin, takeover=True)
    assert _owner(fleet) == logins.name("old")


def test_a_hand_over_to_what_is_no_role_or_of_what_is_not_known_is_refused(fleet: Fleet, logins: Logins) -> None:
    fleet.register("fv-1")
    for role in (None, "", logins.name("unknown"), "x" * 100_000):
        with refused("OR101"):
            fleet.admin("set_instance_owner", instance_id="fv-1", role=role)
    with refused("OR103"):
        fleet.admin("set_instance_owner", instance_id="unknown", role=logins.worker("new"))
    assert fleet.decisions("new owner") == []


def test_a_hand_over_to_the_owner_changes_nothing(fleet: Fleet, logins: Logins) -> None:
    conn = logins.connect(logins.worker("old"))
    row = _register(conn)
    fleet.admin("set_instance_owner", instance_id="fv-1", role=logins.name("old"))
    _beat(conn, row)
    assert fleet.decisions("new owner") == []


def test_a_refusal_does_not_say_whose_the_name_is_and_names_the_way_out(fleet: Fleet, logins: Logins) -> None:
    row = _register(logins.connect(logins.worker("secret_owner")))
    other = logins.connect(logins.worker("other"))
    for act in (lambda: _register(other), lambda: _beat(other, row)):
        with refused("OR106") as refusal:
            act()
        said = f"{refusal.value.message} {refusal.value.detail} {refusal.value.hint}"
        assert "secret_owner" not in said
        assert "set_instance_owner" in said


def test_clients_over_http_are_handed_over_with_the_login_of_the_face(fleet: Fleet, logins: Logins) -> None:
    """They register at their start only: a face with a new login would refuse them until then."""
    old, new = (logins.connect(logins.worker(name)) for name in ("old", "new"))

    def beat(conn: db.Connection) -> int:
        [row] = db.call(conn, "http_heartbeat", request={"server_id": "server-1", "current_streams": 0})
        return int(row["status"])

    registration = {"server_id": "server-1", "ip": "192.0.2.1", "port": 8000, "max_streams": 5}
    db.call(old, "http_register", request=registration)
    assert beat(old) == 200
    with refused("OR106"):
        beat(new)
    fleet.query(
        "select o.* from {a}.instances as i, {a}.set_instance_owner(i.instance_id, %s) as o where i.login = %s",
        logins.name("new"),
        logins.name("old"),
    )
    assert beat(new) == 200
    with refused("OR106"):
        beat(old)
