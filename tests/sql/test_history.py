"""Who had what at a moment of the past, and what moved in a time and why."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from orchestrator import templates
from orchestrator.database import db
from tests.fleet import Fleet, Row, refused
from tests.support import statement

COLUMNS = ("stream_id", "instance_id", "epoch", "state")
A_BLINK = timedelta(microseconds=1)


def _at(fleet: Fleet, moment: datetime) -> list[Row]:
    return fleet.admin("assignments_at", at=moment)


def _now(fleet: Fleet) -> list[Row]:
    """What the view shows, in the same columns."""
    rows = db.view(fleet.admin_conn, "assignments", order_by=["stream_id"])
    return [{column: row[column] for column in COLUMNS} for row in rows]


class Seen:
    """What the view showed at each moment at which a test looked."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.at: dict[datetime, list[Row]] = {}

    def look(self, *, then: str = "1 minute") -> list[Row]:
        """Look, and let time pass."""
        moment = self.fleet.clock.now
        self.at[moment] = _now(self.fleet)
        self.fleet.clock.advance(then)
        return self.at[moment]

    def check(self) -> None:
        for moment, rows in self.at.items():
            assert _at(self.fleet, moment) == rows, moment
            assert _at(self.fleet, moment + A_BLINK) == rows, moment


def _between(fleet: Fleet, since: datetime, until: datetime | None = None, **filters: Any) -> list[Row]:
    return fleet.admin("decisions_between", **{"from": since, "to": until}, **filters)


# -- assignments_at ----------------------------------------------------------------------------------------------------


def test_each_step_of_an_assignment_can_be_gone_back_to(fleet: Fleet) -> None:
    """Placed, started, asked for, called off, handed over, renewed, given back, withdrawn, placed anew."""
    seen = Seen(fleet)
    assert seen.look() == []
    one, two = fleet.register("fv-1"), fleet.register("fv-2")
    [first, *_] = fleet.add_streams(4)
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    assert {row["state"] for row in seen.look()} == {"assigned"}
    fleet.all_obey()
    assert {row["state"] for row in seen.look()} == {"running"}
    owner = fleet.owners()[first]
    other = "fv-2" if owner == "fv-1" else "fv-1"
    fleet.admin("move_stream", stream_id=first, instance_id=other)
    assert "releasing" in {row["state"] for row in seen.look()}
    fleet.admin("move_stream", stream_id=first, instance_id=owner)
    assert {row["state"] for row in seen.look()} == {"running"}
    fleet.admin("move_stream", stream_id=first, instance_id=other)
    seen.look()
    fleet.all_obey()
    assert fleet.owners()[first] == other
    seen.look()
    fleet.register("fv-1", process="2", takeover=True)
    seen.look()
    two.beat()
    fleet.all_obey()
    seen.look()
    fleet.admin("set_stream_active", stream_id=first, active=False)
    assert len(seen.look()) == 3
    fleet.all_obey()
    fleet.admin("set_stream_active", stream_id=first, active=True)
    seen.look()
    fleet.settle()
    seen.look()
    db.call(fleet.worker_conn, "deregister_instance", instance_id="fv-2", incarnation=two.incarnation)
    seen.look()
    assert len({str(rows) for rows in seen.at.values()}) >= 10
    seen.check()
    assert one.instance_id == "fv-1"


def test_streams_that_were_removed_are_there_and_later_ones_are_not(fleet: Fleet) -> None:
    fleet.start(10, streams=2)
    [first, _] = fleet.owners()
    seen = Seen(fleet)
    seen.look()
    fleet.admin("remove_stream", stream_id=first)
    seen.look()
    [last] = fleet.add_streams(1, first=3)
    seen.look()
    fleet.settle()
    seen.look()
    assert [len(rows) for rows in seen.at.values()] == [2, 1, 2, 2]
    assert [last in {row["stream_id"] for row in rows} for rows in seen.at.values()] == [False, False, True, True]
    seen.check()


def test_what_a_lost_instance_kept_was_not_heard(fleet: Fleet) -> None:
    """state waiting, until the instance is heard again."""
    fleet.start(10, streams=3)
    seen = Seen(fleet)
    seen.look(then="301 seconds")
    fleet.run_due_jobs()
    fleet.pass_time("2 minutes")
    assert {row["state"] for row in seen.look()} == {"waiting"}
    fleet.all_obey()
    fleet.workers["fv-1"].obey()
    assert {row["state"] for row in seen.look()} == {"running"}
    seen.check()


def test_a_new_generation_has_its_epochs_and_the_old_one_had_its_own(fleet: Fleet) -> None:
    fleet.start(10, streams=3)
    seen = Seen(fleet)
    seen.look()
    fleet.query("with gone as (delete from {p}.database_mark returning *) select mark from gone")
    fleet.query("insert into {p}.database_mark (mark) values ('4711')")
    fleet.run("watch_instances")
    assert {row["epoch"] for row in seen.look()} == {fleet.value("select {p}.least_number() as least")}
    fleet.all_obey()
    seen.look()
    seen.check()


@pytest.mark.parametrize("measured", [True, False])
def test_a_moment_that_the_clock_says_twice_is_the_second_one(fleet: Fleet, measured: bool) -> None:
    fleet.start(10, 10, streams=4)
    [stream_id, *_] = fleet.streams_of("fv-1")
    seen = Seen(fleet)
    seen.look(then="50 minutes")
    fleet.admin("remove_stream", stream_id=stream_id)
    fleet.clock.advance("5 minutes")

    def change_something() -> None:
        fleet.admin("move_stream", stream_id=fleet.streams_of("fv-2")[0], instance_id="fv-1")
        fleet.all_obey()

    change_something()
    fleet.run_due_jobs()
    fleet.clock.step("-30 minutes")
    if measured:
        stepped = fleet.one("read_clock")["stepped"]
        fleet.one("record_clock_step", step=timedelta(minutes=-30), within=timedelta(seconds=1), stepped=stepped)
    else:
        fleet.run_due_jobs()
    assert fleet.view("clock_steps")
    seen.look(then="10 minutes")  # before the first changes, by the clock
    change_something()
    fleet.clock.advance("2 minutes")
    seen.look()
    seen.check()


def test_changes_between_a_step_back_and_its_discovery_stay_in_order(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=2)
    seen = Seen(fleet)
    seen.look(then="10 minutes")
    [stream_id, _] = fleet.owners()
    owner = str(fleet.owners()[stream_id])
    for to in ({"fv-1": "fv-2", "fv-2": "fv-1"}[owner], owner):
        fleet.admin("move_stream", stream_id=stream_id, instance_id=to)
        fleet.all_obey()
        if to != owner:
            fleet.clock.step("-5 minutes")
    fleet.clock.step("1 second")
    stepped = fleet.one("read_clock")["stepped"]
    fleet.one("record_clock_step", step=timedelta(minutes=-5), within=timedelta(seconds=2), stepped=stepped)
    seen.look()
    seen.check()


def test_a_moment_outside_the_history_is_refused_and_the_oldest_is_told(fleet: Fleet) -> None:
    fleet.start(10, streams=1)
    fleet.clock.advance("40 days")
    oldest = fleet.clock.now - timedelta(days=30)

    assert len(_at(fleet, oldest)) == 1
    for moment in (oldest - A_BLINK, fleet.clock.now + A_BLINK, "-infinity", "infinity", None):
        with refused("OR101") as caught:
            fleet.admin("assignments_at", at=moment)
        assert caught.value.detail
        assert datetime.fromisoformat(caught.value.detail["oldest"]) == oldest
        with refused("OR101"):
            fleet.admin("decisions_between", **{"from": moment})


def test_what_was_purged_is_not_known_when_more_is_to_be_kept_later(fleet: Fleet) -> None:
    fleet.start(10, streams=2)
    began = fleet.clock.now
    fleet.clock.advance("2 days")
    fleet.set("history_retention", "1 day")
    while fleet.run("purge_history"):
        pass
    fleet.set("history_retention", "30 days")

    with refused("OR101") as caught:
        _at(fleet, began - timedelta(minutes=1))
    assert caught.value.detail
    known_from = datetime.fromisoformat(caught.value.detail["oldest"])
    assert known_from <= began
    assert _at(fleet, known_from) == _now(fleet) == _at(fleet, fleet.clock.now)
    assert fleet.value("select count(*) from {p}.past_assignment") == 0


def test_the_purge_keeps_every_moment_within_the_history(fleet: Fleet) -> None:
    """Of a stream that never moves nothing is kept; of one that moved often, what is newer."""
    fleet.set("history_retention", "1 day")
    fleet.start(10, 10, streams=4)
    seen = Seen(fleet)
    for day in range(3):
        for stream_id in fleet.streams_of("fv-1")[:1] + fleet.streams_of("fv-2")[:1]:
            to = "fv-2" if fleet.owners()[stream_id] == "fv-1" else "fv-1"
            fleet.admin("move_stream", stream_id=stream_id, instance_id=to)
            fleet.all_obey()
            seen.look(then="5 hours")
        if day == 0:
            fleet.admin("remove_stream", stream_id=stream_id)
        while fleet.run("purge_history"):
            pass
    seen.at = {moment: rows for moment, rows in seen.at.items() if moment >= fleet.clock.now - timedelta(days=1)}
    assert len(seen.at) >= 3
    assert fleet.value("select count(*) from {p}.past_assignment where until < {p}.now() - interval '1 day'") == 0
    seen.check()


def test_a_history_from_before_the_upgrade_knows_the_owners_and_no_states(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    seen = Seen(fleet)
    seen.look()
    [stream_id, *_] = fleet.streams_of("fv-1")
    fleet.register("fv-1", process="2", takeover=True)
    fleet.all_obey()
    seen.look()
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.all_obey()
    seen.look()
    # as if it had been upgraded now
    conn = fleet.owner_conn
    conn.execute(statement("set role {owner}", conn.names))
    conn.execute(
        statement("drop table {private}.past_assignment, {private}.past_instance, {private}.history_bound", conn.names)
    )
    conn.execute(templates.render("0026_past_assignments.sql", conn.names, root=templates.MIGRATIONS_ROOT).encode())
    conn.execute("reset role")
    fleet.query("update {p}.history_bound set recorded_from = {p}.now(), known_from = {p}.now() - interval '30 days'")
    upgraded = fleet.clock.now
    fleet.clock.advance("1 minute")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.all_obey()
    fleet.clock.advance("1 minute")

    for moment, rows in seen.at.items():
        told = _at(fleet, moment)
        assert [(row["stream_id"], row["instance_id"]) for row in told] == [
            (row["stream_id"], row["instance_id"]) for row in rows
        ]
        assert {row["state"] for row in told} == {None}
        # never a wrong one
        known = {row["stream_id"]: row["epoch"] for row in rows}
        assert all(row["epoch"] in (None, known[row["stream_id"]]) for row in told)
    assert _at(fleet, upgraded) == list(seen.at.values())[-1]
    assert _at(fleet, fleet.clock.now) == _now(fleet)


# -- decisions_between -------------------------------------------------------------------------------------------------


def test_a_night_is_told_a_line_for_each_decision(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    evening = fleet.clock.advance("1 second")
    fleet.clock.advance("1 hour")
    [first, second] = fleet.streams_of("fv-1")
    fleet.admin("move_stream", stream_id=first, instance_id="fv-2", reason="quieter there")
    midnight = fleet.clock.advance("1 second")
    fleet.all_obey()
    fleet.clock.advance("1 hour")
    fleet.admin("move_stream", stream_id=second, instance_id="fv-2")

    [moved, asked] = _between(fleet, evening)

    assert (moved["streams"], moved["what"]) == (1, f"stream {first} fv-1 → fv-2")
    assert "quieter there" in moved["why"]
    assert moved["rule"] in moved["why"]
    assert moved["changes"][0]["stream_ids"] == [first]
    assert asked["what"] == f"stream {second} fv-1 → fv-2 (asked)"
    # a hand-over that ended in a time is told, whenever it was decided
    assert [row["decision_id"] for row in _between(fleet, midnight)] == [moved["decision_id"], asked["decision_id"]]
    assert [row["what"] for row in _between(fleet, evening, midnight)] == ["nothing moved"]
    assert _between(fleet, evening, evening) == []


def test_what_moved_of_one_stream_or_instance_is_told_alone(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, streams=6)
    evening = fleet.clock.advance("1 second")
    [stream_id, _] = fleet.streams_of("fv-1")
    [of_three, _] = fleet.streams_of("fv-3")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.all_obey()
    fleet.workers["fv-3"].call("deregister_instance")

    assert [row["streams"] for row in _between(fleet, evening)] == [1, 2]
    [moved] = _between(fleet, evening, stream_id=stream_id)
    assert moved["what"] == f"stream {stream_id} fv-1 → fv-2"
    [left] = _between(fleet, evening, instance_id="fv-3")
    assert left["streams"] == 2
    [one_of_them] = _between(fleet, evening, stream_id=of_three, instance_id="fv-3")
    assert (one_of_them["decision_id"], one_of_them["streams"]) == (left["decision_id"], 1)
    assert _between(fleet, evening, instance_id="unknown") == []


def test_a_time_that_ends_before_it_begins_is_refused(fleet: Fleet) -> None:
    with refused("OR101"):
        _between(fleet, fleet.clock.now, fleet.clock.now - A_BLINK)


def test_what_an_old_decision_moved_lately_is_kept(fleet: Fleet) -> None:
    """A stream that its owner gives back is given on by the decision that gave it, however old that is."""
    fleet.start(10, 10, streams=2)
    [stream_id] = fleet.streams_of("fv-1")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.clock.advance("33 days")
    began = fleet.clock.now
    fleet.all_obey()
    fleet.clock.advance("1 hour")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.all_obey()
    while fleet.run("purge_history"):
        pass

    assert next(row["what"] for row in _between(fleet, began, stream_id=stream_id)) == f"stream {stream_id} fv-1 → fv-2"
    assert not [row for row in fleet.admin("diagnose") if row["code"] == "history_not_purged"]


@pytest.mark.parametrize("role", ["reader", "worker"])
def test_readers_may_ask_and_workers_may_not(fleet: Fleet, role: str) -> None:
    conn = fleet.database.connect(role)
    asked = [("assignments_at", {"at": fleet.clock.now}), ("decisions_between", {"from": fleet.clock.now})]
    for function, given in asked:
        if role == "reader":
            assert db.call(conn, function, **given) == []
        else:
            with pytest.raises(Exception, match="permission denied") as caught:
                db.call(conn, function, **given)
            assert isinstance(caught.value.__cause__, psycopg.errors.InsufficientPrivilege)
