"""An account of every second: which were heard, which were not, and why."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrator.database import db
from tests.fleet import Fleet, Row, Worker, refused
from tests.sql.test_generations import _became_another
from tests.sql.test_make_before_break import ABLE

ALL = datetime.fromisoformat("2020-01-01T00:00+00:00")


def _coverage(fleet: Fleet, **parameters: Any) -> list[Row]:
    return fleet.admin("coverage", **({"from": ALL} | parameters))


def _gaps(fleet: Fleet, **parameters: Any) -> dict[tuple[int, str], tuple[float, float]]:
    """(stream, cause) → seconds uncertain and uncovered."""
    return {
        (row["stream_id"], row["cause"]): (row["uncertain"], row["uncovered"])
        for row in _coverage(fleet, **parameters)
        if row["cause"] and row["cause"] != "waiting"
    }


def _account(fleet: Fleet) -> None:
    """A look at what owners say; then every second is in the account once."""
    fleet.run("watch_coverage")
    lost: dict[int, float] = {}
    rows = _coverage(fleet)
    for row in rows:
        lost[row["stream_id"]] = lost.get(row["stream_id"], 0) + row["uncovered"] + row["uncertain"]
    for row in rows:
        assert row["expected"] == pytest.approx(row["covered"] + lost[row["stream_id"]], abs=0.01)
        assert 0 <= row["unwitnessed"] <= row["covered"] + 0.01
    by_day: dict[int, float] = {}
    for row in fleet.view("coverage"):
        assert row["expected"] == pytest.approx(row["covered"] + row["uncovered"] + row["uncertain"], abs=0.01)
        by_day[row["stream_id"]] = by_day.get(row["stream_id"], 0) + row["uncovered"] + row["uncertain"]
    assert by_day == pytest.approx(lost, abs=0.01)
    assert not fleet.query(
        "select from {p}.gap as g join {p}.gap as o on o.stream_id = g.stream_id and o.gap_id > g.gap_id "
        "and o.began_at < g.ended_at and g.began_at < o.ended_at"
    )


def _lose(fleet: Fleet, worker: Worker, after: str = "10 seconds") -> None:
    """Its session is gone 10 s after its last beat; the grace passes."""
    fleet.run("watch_instances")
    fleet.clock.advance(after)
    worker.vanish()
    fleet.run("watch_instances")
    fleet.clock.advance("10 seconds")
    assert fleet.run("watch_instances")["lost"] == [worker.instance_id]


# -- losses ------------------------------------------------------------------------------------------------------------


def test_a_crash_is_uncertain_from_the_last_beat_and_uncovered_from_the_end_of_the_session(fleet: Fleet) -> None:
    dead, heir = fleet.start(10, 10, streams=4)
    session = dead.attach()
    dead.beat()
    fleet.run("watch_instances")
    fleet.clock.advance("10 seconds")
    session.close()
    dead.vanish()
    fleet.run("watch_instances")
    fleet.clock.advance("10 seconds")
    fleet.run("watch_instances")
    fleet.clock.advance("2 seconds")
    assert set(_gaps(fleet).values()) == {(10, 12)}  # as long as it lasts
    heir.obey()
    fleet.clock.advance("1 hour")
    assert _gaps(fleet) == {(stream_id, "crash"): (10, 12) for stream_id in dead.running}
    _account(fleet)


def test_a_silent_owner_is_uncertain_until_the_decision(fleet: Fleet) -> None:
    dead, heir = fleet.start(10, 10, streams=4)
    dead.beat()
    for _ in range(10):
        fleet.clock.advance("30 seconds")
        heir.beat()
    assert fleet.run("watch_instances")["lost"] == ["fv-1"]
    fleet.clock.advance("1 second")
    heir.obey()
    assert _gaps(fleet) == {(stream_id, "crash"): (300, 1) for stream_id in dead.running}
    _account(fleet)


def test_an_owner_that_was_given_up_and_is_heard_again_was_isolated(fleet: Fleet) -> None:
    cut_off, heir = fleet.start(10, 10, streams=4)
    moved = set(cut_off.running)
    cut_off.beat()
    for _ in range(10):
        fleet.clock.advance("30 seconds")
        heir.beat()
    fleet.run("watch_instances")
    heir.obey()
    cut_off.obey()
    fleet.run("watch_coverage")
    assert _gaps(fleet) == {(stream_id, "isolation"): (300, 0) for stream_id in moved}
    _account(fleet)


def test_what_a_lost_instance_kept_is_covered_when_the_same_process_returns_in_step(fleet: Fleet) -> None:
    [alone] = fleet.start(10, streams=2)
    alone.beat()
    fleet.clock.advance("5 minutes")
    assert fleet.run("watch_instances")["lost"] == ["fv-1"]
    fleet.run("watch_coverage")
    assert set(_gaps(fleet).values()) == {(300, 0)}
    assert {row["why"] for row in _coverage(fleet, cause="crash")} == {"no capacity"}
    fleet.clock.advance("1 minute")
    alone.beat()
    fleet.run("watch_coverage")
    assert _gaps(fleet) == {}
    _account(fleet)


def test_what_a_lost_instance_kept_is_not_covered_when_another_process_returns(fleet: Fleet) -> None:
    [alone] = fleet.start(10, streams=2)
    alone.beat()
    fleet.clock.advance("5 minutes")
    fleet.run("watch_instances")
    fleet.clock.advance("1 minute")
    fleet.register("fv-1", process="2").obey()
    assert _gaps(fleet) == {(stream_id, "crash"): (300, 60) for stream_id in alone.running}
    _account(fleet)


def test_a_new_process_within_the_grace_is_a_crash_too(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    worker.beat()
    fleet.clock.advance("4 seconds")
    again = fleet.register("fv-1", process="2", takeover=True)
    fleet.clock.advance("3 seconds")
    again.obey()
    assert set(_gaps(fleet).values()) == {(4, 3)}
    assert {cause for _, cause in _gaps(fleet)} == {"crash"}
    _account(fleet)


def test_a_planned_restart_is_named_so(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    worker.beat()
    worker.call("suspend_instance", **{"for": "2 minutes"})
    fleet.clock.advance("20 seconds")
    fleet.register("fv-1", process="2").obey()
    assert _gaps(fleet) == {(stream_id, "planned restart"): (20, 0) for stream_id in worker.running}
    _account(fleet)


def test_a_goodbye_is_a_planned_restart(fleet: Fleet) -> None:
    leaving, heir = fleet.start(10, 10, streams=2)
    leaving.beat()
    fleet.clock.advance("2 seconds")
    leaving.call("deregister_instance")
    fleet.clock.advance("1 second")
    heir.obey()
    assert _gaps(fleet) == {(stream_id, "planned restart"): (2, 1) for stream_id in leaving.running}


def test_a_database_that_was_away_leaves_no_gap_where_the_same_process_returns_in_step(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    worker.beat()
    fleet.clock.step("1 hour")
    _became_another(fleet, "start")
    fleet.run("watch_instances")
    worker.obey()
    fleet.run("watch_coverage")
    assert _gaps(fleet) == {}
    _account(fleet)


@pytest.mark.parametrize("how", ["promotion", "restore"])
def test_after_a_restore_nobody_knows_what_was_heard_since_the_last_sign_in_it(fleet: Fleet, how: str) -> None:
    [worker] = fleet.start(10, streams=2)
    worker.beat()
    fleet.run_due_jobs()
    fleet.clock.step("1 hour")
    _became_another(fleet, how)
    fleet.run("watch_instances")
    worker.obey()
    fleet.run("watch_coverage")
    assert _gaps(fleet) == {(stream_id, "restored"): (3600, 0) for stream_id in worker.running}
    _account(fleet)


# -- hand-overs --------------------------------------------------------------------------------------------------------


def test_a_hand_over_is_uncertain_until_its_owner_has_stopped_and_uncovered_until_the_next_has_started(
    fleet: Fleet,
) -> None:
    first, second = fleet.start(10, 10, streams=2)
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.clock.advance("3 seconds")
    first.obey()
    fleet.clock.advance("2 seconds")
    second.obey()
    fleet.clock.advance("2 seconds")
    assert _gaps(fleet) == {(stream_id, "hand-over"): (3, 2)}
    _account(fleet)


def test_a_hand_over_in_which_the_next_owner_hears_first_leaves_no_gap(fleet: Fleet) -> None:
    fleet.set("handoff_mode", "make_before_break")
    first, second = (fleet.register(f"fv-{number}", metadata=ABLE) for number in (1, 2))
    fleet.add_streams(2)
    fleet.settle()
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.clock.advance("3 seconds")
    [asked] = [row for row in second.beat() if row["action"] == "prepare"]
    second.acknowledge(started={stream_id: asked["epoch"]})
    fleet.all_obey()
    fleet.clock.advance("3 seconds")
    assert _gaps(fleet) == {}
    # and its owner is lost like any other
    for _ in range(10):
        fleet.clock.advance("30 seconds")
        first.beat()
    fleet.run("watch_instances")
    assert (stream_id, "crash") in _gaps(fleet)
    _account(fleet)


def test_an_owner_that_heard_before_it_confirmed_closes_the_gap_where_it_began_to_hear(fleet: Fleet) -> None:
    """What a promoted standby says when it starts."""
    dead, heir = fleet.start(10, 10, streams=4)
    dead.beat()
    for _ in range(10):
        fleet.clock.advance("30 seconds")
        heir.beat()
    fleet.run("watch_instances")
    first, second = sorted(dead.running)
    now = fleet.clock.now
    heard = [now - timedelta(seconds=290), now - timedelta(hours=1)]
    fleet.query("select {p}.end_gaps(%s::bigint[], %s::timestamptz[])", [first, second], heard)
    heir.obey()
    assert _gaps(fleet) == {(first, "crash"): (10, 0)}
    _account(fleet)


# -- waiting -----------------------------------------------------------------------------------------------------------


def _waits(fleet: Fleet) -> dict[tuple[int, str | None], float]:
    fleet.run("watch_coverage")
    return {(row["stream_id"], row["why"]): row["uncovered"] for row in _coverage(fleet, cause="waiting")}


def test_what_waits_says_for_what(fleet: Fleet) -> None:
    fleet.start(2, streams=0)
    first, second, third = fleet.add_streams(3)
    unable = fleet.one("add_stream", url="http://radio.example/hd", required_capabilities=["hd"])["stream_id"]
    fleet.settle()
    fleet.clock.advance("10 seconds")
    assert _waits(fleet) == {
        (first, None): 3,
        (second, None): 3,
        (third, "no capacity"): 13,
        (unable, "no capability"): 13,
    }
    _account(fleet)


def test_what_waits_while_balancing_is_paused_says_so(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    fleet.admin("pause_balancing", reason="a test")
    worker.call("release_streams", streams=[stream_id], reason="too loud")
    fleet.query("delete from {p}.refusal returning stream_id")
    fleet.clock.advance("10 seconds")
    assert _waits(fleet)[stream_id, "paused"] == 10


def test_after_a_crash_that_no_other_can_take_over_a_stream_waits(fleet: Fleet) -> None:
    leaving, full = fleet.start(2, 2, streams=4)
    del full
    leaving.beat()
    fleet.clock.advance("1 second")
    leaving.call("deregister_instance")
    fleet.clock.advance("10 seconds")
    fleet.run("watch_coverage")
    for stream_id in leaving.running:
        rows = {
            row["cause"]: row
            for row in _coverage(fleet, stream_id=stream_id)
            if row["why"] or row["cause"] != "waiting"
        }
        assert (rows["planned restart"]["uncertain"], rows["planned restart"]["uncovered"]) == (1, 0)
        assert (rows["waiting"]["why"], rows["waiting"]["uncovered"]) == ("no capacity", 10)
    _account(fleet)


# -- silence -----------------------------------------------------------------------------------------------------------


def _pass_silently(fleet: Fleet, seconds: int, silent: int | None, silent_for: float = 0) -> None:
    for passed in range(10, seconds + 1, 10):
        fleet.pass_time("10 seconds")
        for worker in fleet.workers.values():
            mine = [
                {"stream_id": silent, "epoch": worker.running[silent], "silent_for": silent_for + passed}
                for _ in range(1)
                if silent in worker.running
            ]
            commands = worker.beat(progressing=len(worker.running) - len(mine), **({"stalled": mine} if mine else {}))
            worker.follow([row for row in commands if row["action"] != "restart"])
        fleet.run("watch_coverage")


def test_a_stall_is_uncovered_from_when_it_fell_silent_to_a_beat_after_it_was_last_named(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    silent = min(worker.running)
    _pass_silently(fleet, 120, None)
    _pass_silently(fleet, 80, silent)
    _pass_silently(fleet, 240, None)
    [(key, (uncertain, uncovered))] = _gaps(fleet).items()
    assert (key, uncertain) == ((silent, "stall"), 0)
    assert 80 <= uncovered <= 80 + 30
    _account(fleet)


def test_a_station_that_is_silent_everywhere_is_to_blame(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, streams=12)
    _pass_silently(fleet, 600, 1, silent_for=100)
    assert [row["stream_id"] for row in fleet.view("failing_stations")] == [1]
    _pass_silently(fleet, 600, 1, silent_for=700)
    before = _gaps(fleet)
    assert before[1, "station fault"][1] > 590
    _pass_silently(fleet, 300, None)
    after = _gaps(fleet)[1, "station fault"][1]
    assert after <= before[1, "station fault"][1] + 40
    _account(fleet)


def test_an_owner_that_does_not_say_what_it_hears_is_covered_and_not_witnessed(fleet: Fleet) -> None:
    says, says_not = fleet.start(10, 10, streams=2)
    for _ in range(10):
        fleet.clock.advance("10 seconds")
        says.beat(progressing=1)
        says_not.beat()
    witnessed = {row["stream_id"]: row["unwitnessed"] for row in _coverage(fleet)}
    assert [witnessed[stream_id] for stream_id in says.running] == [0]
    assert [witnessed[stream_id] for stream_id in says_not.running] == [100]
    _account(fleet)


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_gap_over_midnight_belongs_to_both_days_whatever_the_readers_zone(fleet: Fleet, zone: str) -> None:
    fleet.clock.set("2026-10-25T00:59:50+02:00")  # Berlin goes back one hour two hours later
    [stream_id] = fleet.add_streams(1)
    fleet.clock.set("2026-10-27T00:00:10+01:00")
    fleet.admin_conn.execute(f"set timezone = '{zone}'")
    days = {
        row["day"].isoformat(): (row["expected"], row["uncovered"])
        for row in db.view(fleet.admin_conn, "coverage", where={"stream_id": stream_id}, order_by=["day"])
    }
    hour = 3600
    assert days == {
        "2026-10-24": (hour + 10, hour + 10),
        "2026-10-25": (24 * hour, 24 * hour),
        "2026-10-26": (23 * hour + 10, 23 * hour + 10),
    }
    # a day of Berlin is the time between two of its midnights
    [berlin] = _coverage(fleet, **{"from": "2026-10-25 00:00 Europe/Berlin", "to": "2026-10-26 00:00 Europe/Berlin"})
    assert (berlin["expected"], berlin["uncovered"]) == (24 * hour + 10, 24 * hour + 10)


def test_only_what_is_active_is_expected(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    fleet.clock.advance("100 seconds")
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    worker.obey()
    fleet.clock.advance("1 hour")
    [row] = _coverage(fleet)
    assert (row["expected"], row["covered"]) == (103, 100)
    fleet.admin("set_stream_active", stream_id=stream_id, active=True)
    fleet.settle()
    fleet.clock.advance("7 seconds")
    fleet.admin("remove_stream", stream_id=stream_id)
    fleet.clock.advance("1 hour")
    assert {(row["name"], row["cause"], row["expected"]) for row in _coverage(fleet)} == {(None, "waiting", 113)}
    _account(fleet)


@pytest.mark.parametrize("step", ["1 hour", "-1 hour"])
def test_a_step_of_the_clock_makes_an_open_gap_neither_longer_nor_shorter(fleet: Fleet, step: str) -> None:
    fleet.start(1, streams=0)
    [_, waiting] = fleet.add_streams(2)
    fleet.settle()
    fleet.clock.advance("10 seconds")
    stepped = fleet.one("read_clock")["stepped"]
    fleet.clock.step(step)
    assert fleet.one("record_clock_step", step=step, within="1 second", stepped=stepped)["recorded"]
    fleet.clock.advance("10 seconds")
    [gap] = fleet.query("select {p}.now() - began_at as lasts from {p}.open_gap where stream_id = %s", waiting)
    assert gap["lasts"] == timedelta(seconds=23)


def test_a_part_of_a_time_counts_what_lies_in_it(fleet: Fleet) -> None:
    dead, heir = fleet.start(10, 10, streams=4)
    dead.beat()
    beat_at = fleet.clock.now
    for _ in range(10):
        fleet.clock.advance("30 seconds")
        heir.beat()
    fleet.run("watch_instances")
    fleet.clock.advance("100 seconds")
    heir.obey()
    seen = _gaps(fleet, **{"from": beat_at + timedelta(seconds=100), "to": beat_at + timedelta(seconds=350)})
    assert set(seen.values()) == {(200, 50)}
    assert _gaps(fleet, instance_id="fv-2") == {}
    assert set(_gaps(fleet, instance_id="fv-1", cause="crash")) == set(seen)
    for wrong in ({"cause": "boredom"}, {"to": ALL - timedelta(days=1)}):
        with refused("OR101"):
            _coverage(fleet, **wrong)


def test_gaps_go_with_the_rest_of_history(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    kept, gone = sorted(worker.running)
    fleet.admin("remove_stream", stream_id=gone)
    assert _coverage(fleet, stream_id=gone)
    fleet.clock.advance("31 days")
    for _ in range(3):
        fleet.run("purge_history")
    assert fleet.value("select count(*) from {p}.gap") == 0
    assert fleet.query("select stream_id from {p}.active_time") == [{"stream_id": kept}]
    assert {row["expected"] for row in _coverage(fleet)} == {30 * 86400}


# -- what is told of it ------------------------------------------------------------------------------------------------


def test_the_metric_counts_the_uncovered_seconds_of_gaps_that_are_over(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=2)
    fleet.admin("move_stream", stream_id=min(first.running), instance_id="fv-2")
    first.obey()
    fleet.clock.advance("2 seconds")
    fleet.run("watch_coverage")
    second.obey()
    fleet.run("watch_coverage")
    fleet.run("watch_coverage")
    counted = {
        row["labels"]["cause"]: row["value"]
        for row in fleet.admin("metrics")
        if row["name"] == "orchestrator_uncovered_seconds_total"
    }
    assert set(counted) == {
        *("crash", "hand-over", "isolation", "planned restart", "restored", "stall", "station fault", "waiting")
    }
    assert counted["hand-over"] == 2


def test_a_day_that_falls_below_the_target_raises_an_alert(fleet: Fleet) -> None:
    def open_alerts() -> list[Row]:
        fleet.run("evaluate_alerts")
        return [row for row in fleet.view("alerts", code="coverage_below_target") if row["resolved_at"] is None]

    fleet.clock.set("2026-11-30T00:00:10Z")
    fleet.start(1, 1, streams=3)
    fleet.clock.advance("4 minutes")
    fleet.all_obey()
    assert open_alerts() == []  # 0.1 % of three days of a stream are 259.2 s
    fleet.clock.advance("20 seconds")
    fleet.all_obey()
    [alert] = open_alerts()
    assert alert["severity"] == "warning"
    assert alert["detail"]["seconds_by_cause"] == {"waiting": 269.0}
    [worst, *_] = alert["detail"]["worst_streams"]
    assert worst["stream_id"] in fleet.waiting()
    assert alert["subject"] == "2026-11-30"
    fleet.set("coverage_target", "0.99")
    assert open_alerts() == []
    fleet.set("coverage_target", "0.999")
    fleet.admin("remove_stream", stream_id=worst["stream_id"])
    fleet.clock.set("2026-12-01T00:00:10Z")
    fleet.all_obey()
    assert [row["subject"] for row in open_alerts()] == [
        "2026-11-30"
    ]  # what a day was is told while the next one lasts
    fleet.clock.set("2026-12-02T00:00:10Z")
    fleet.all_obey()
    assert open_alerts() == []
