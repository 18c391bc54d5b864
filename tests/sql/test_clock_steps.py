"""The server's clock steps: as much time has passed, and is left, as before. Silence counts while somebody looks."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet, Worker, refused
from tests.sql.pull import PullClient, add_numbered

MINUTE, HOUR = 60, 3600
STEPS = pytest.mark.parametrize("seconds", [-8 * HOUR, -HOUR, -MINUTE, MINUTE, HOUR, 8 * HOUR])


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _record(fleet: Fleet, seconds: float, *, within: float = 1, stepped: float | None = None) -> bool:
    """The clock steps, and a driver that has measured it says so."""
    known = fleet.one("read_clock")["stepped"] if stepped is None else _seconds(stepped)
    row = fleet.one("record_clock_step", step=_seconds(seconds), within=_seconds(within), stepped=known, driver="one")
    recorded = row["recorded"]
    assert isinstance(recorded, bool)
    return recorded


def _step(fleet: Fleet, seconds: float, *, within: float = 1) -> None:
    fleet.clock.step(_seconds(seconds))
    assert _record(fleet, seconds, within=within)


def _look(fleet: Fleet, seconds: int, *beating: Worker) -> None:
    """Time passes in which these beat, and somebody looks every second."""
    for _ in range(seconds):
        fleet.clock.advance("1 second")
        for worker in beating:
            worker.beat()
        fleet.run_due_jobs()


# -- the list ----------------------------------------------------------------------------------------------------------


def test_every_stored_moment_is_on_the_list(fleet: Fleet) -> None:
    stored = fleet.query(
        """
        select c.relname || '.' || a.attname as name
        from pg_attribute as a
        join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p')
        join pg_namespace as n on n.oid = c.relnamespace and n.nspname in (%s, %s)
        join pg_type as t on t.oid = a.atttypid
        where not a.attisdropped and c.relname <> 'test_clock'
            and t.typname ~ '^_?(timestamp|timestamptz|date|tsrange|tstzrange|tsmultirange|tstzmultirange)$'
        """,
        fleet.database.names.api,
        fleet.database.names.private,
    )
    listed = fleet.query("select table_name || '.' || column_name as name, kind, horizon from {p}.stored_times()")
    assert sorted(row["name"] for row in listed) == sorted(row["name"] for row in stored)
    assert {row["kind"] for row in listed} == {"past", "deadline", "with", "due", "record"}
    assert all((row["horizon"] is not None) == (row["kind"] in ("deadline", "with")) for row in listed)


LIVED = """
    update {p}.instance set
        session_lost_at = {p}.now() - interval '3 seconds', last_lost_at = {p}.now() - interval '20 seconds',
        suspended_until = {p}.now() + interval '100 seconds', probation_until = {p}.now() + interval '1000 seconds'
    where instance_id = 'fv-2';
    update {p}.controller set
        last_balanced_at = {p}.now() - interval '50 seconds', paused_at = {p}.now() - interval '70 seconds',
        pull_cold_since = {p}.now() - interval '7 seconds', pull_trusted_from = {p}.now() + interval '8 seconds',
        recovery_since = {p}.now() - interval '40 seconds', recovery_ended_at = {p}.now() - interval '90 seconds',
        sessions_trusted_from = {p}.now() + interval '20 seconds',
        silence_trusted_from = {p}.now() + interval '30 seconds',
        silence_counts_from = {p}.now() - interval '500 seconds',
        generation_at = {p}.now() - interval '600 seconds';
    update {p}.job set claimed_until = {p}.now() + interval '20 seconds' where job = 'sync_source';
    update {p}.heartbeat set progress_at = {p}.now() - interval '12 seconds';
    update {p}.alert_target set
        last_sent_at = {p}.now() - interval '9 seconds', retry_at = {p}.now() + interval '99 seconds';
    update {p}.session_watch set
        compared_at = {p}.now() - interval '5 seconds', driver_missed_at = {p}.now() - interval '4 seconds';
    update {p}.alert set reminded_at = {p}.now() - interval '30 seconds';
"""
"""Moments that a quiet fleet has none of."""


def _ages(fleet: Fleet) -> dict[str, list[float]]:
    """Of each column that moves with the clock, how many seconds ago its moments were (less than 0: to come)."""
    found = {}
    for row in fleet.query(
        "select table_name as t, column_name as c from {p}.stored_times()"
        " where kind <> 'record' and column_name <> 'unwatched'"
    ):
        ages = fleet.query(
            f"select extract(epoch from {{p}}.now() - {row['c']})::float8 as age from {{p}}.{row['t']}"
            f" where {row['c']} is not null and {row['c']} <> 'infinity' order by 1"
        )
        if ages:
            found[f"{row['t']}.{row['c']}"] = [age["age"] for age in ages]
    return found


@STEPS
def test_of_every_moment_as_much_has_passed_and_is_left_as_before(fleet: Fleet, seconds: int) -> None:
    fleet.admin("set_alert_target", target="phone")
    one, two, _ = fleet.start(10, 10, 2, streams=30)
    fleet.clock.advance("30 seconds")
    two.beat()
    one.call("release_streams", streams=fleet.streams_of("fv-1")[:1], reason="no")
    one.call("report_failures", failures=Jsonb([{"function": "beat", "message": "gone", "count": 2}]))
    fleet.admin("drain_instance", instance_id="fv-3")
    fleet.clock.advance("65 seconds")
    fleet.run("evaluate_alerts")
    fleet.run("sample_fleet")
    fleet.query(LIVED)
    before = _ages(fleet)
    cron = fleet.value("select next_run_at from {p}.job where job = 'purge_history'")
    assert len(before) >= 38, sorted(before)

    _step(fleet, seconds)
    after = _ages(fleet)
    for name in ("job.next_run_at", "clock_step.found_at"):
        before.pop(name, None)
        after.pop(name)
    assert after == {name: pytest.approx(ages, abs=0.01) for name, ages in before.items()}
    # what is due at a time of the day is due then
    now = fleet.clock.now
    due = fleet.value("select next_run_at from {p}.job where job = 'purge_history'")
    assert due == min(
        cron, now.replace(hour=3, minute=17, second=0) + timedelta(days=now.hour * 60 + now.minute >= 197)
    )
    lateness = fleet.query(
        "select next_run_at - {p}.now() as left, schedule from {p}.job where schedule like '%%second%%'"
    )
    assert all(row["left"] <= timedelta(seconds=int(row["schedule"].split()[0])) for row in lateness)


def test_what_was_written_between_the_step_and_its_discovery_is_of_the_new_time(fleet: Fleet) -> None:
    worker, other = fleet.start(10, 10)
    fleet.clock.advance("50 seconds")
    for seconds in (-HOUR, HOUR):
        fleet.clock.step(_seconds(seconds))
        worker.beat()
        fleet.clock.advance("1 second")
        assert _record(fleet, seconds, within=2)
        assert worker.row["silent_for"] == timedelta(seconds=1)
        other.beat()
        fleet.clock.advance("10 seconds")


def test_of_two_drivers_that_notice_a_step_one_counts(fleet: Fleet) -> None:
    fleet.clock.step("1 hour")
    assert _record(fleet, HOUR, stepped=0) is True
    assert _record(fleet, HOUR, stepped=0) is False
    [step] = fleet.view("clock_steps")
    assert (step["step"], step["is_measured"], step["found_by"]) == (timedelta(hours=1), True, "one")
    assert fleet.one("read_clock")["stepped"] == timedelta(hours=1)


@pytest.mark.parametrize(
    "wrong",
    [{"step": "0.5 seconds"}, {"step": None}, {"within": "-1 second"}, {"within": None}, {"stepped": None}],
)
def test_what_is_no_step_is_refused(fleet: Fleet, wrong: dict[str, Any]) -> None:
    with refused("OR101"):
        fleet.admin("record_clock_step", **{"step": "1 hour", "within": "1 second", "stepped": "0", **wrong})
    assert fleet.view("clock_steps") == []


# -- who is lost -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measured", [True, False])
@STEPS
def test_no_lease_is_cut_short_by_a_step_nor_made_longer(fleet: Fleet, seconds: int, measured: bool) -> None:
    silent, beating = fleet.register("fv-1", lease="60 seconds"), fleet.register("fv-2")
    fleet.add_streams(4)
    fleet.settle()
    silent.beat()
    _look(fleet, 20, beating)
    if measured:
        _step(fleet, seconds)
    else:
        fleet.clock.step(_seconds(seconds))
    _look(fleet, 30, beating)
    assert (silent.status, len(fleet.streams_of("fv-1"))) == ("active", 2)
    _look(fleet, 20, beating)
    assert (silent.status, fleet.streams_of("fv-1")) == ("inactive", [])
    assert [d["rule"] for d in fleet.decisions() if d["rule"] in ("silence", "session lost")] == ["silence"]


def test_ahead_for_a_moment_and_back_with_nobody_who_measures(fleet: Fleet) -> None:
    silent, beating = fleet.register("fv-1", lease="60 seconds"), fleet.register("fv-2")
    fleet.add_streams(4)
    fleet.settle()
    silent.beat()
    _look(fleet, 10, beating)
    for seconds in (HOUR, -HOUR, 8 * HOUR, -8 * HOUR, -HOUR, HOUR):
        fleet.clock.step(_seconds(seconds))
        _look(fleet, 3, beating)
    assert silent.status == "active"
    _look(fleet, 60, beating)
    assert silent.status == "inactive"
    assert (beating.status, len(fleet.streams_of("fv-2"))) == ("active", 4)


def test_jobs_go_on_at_the_next_call_after_the_clock_went_back(fleet: Fleet) -> None:
    fleet.start(10, streams=2)
    _look(fleet, 5)
    fleet.clock.step("-1 hour")
    [health] = [row for row in fleet.admin("health") if row["component"] == "clock"]
    assert health["status"] == "unhealthy" and "3600.0 s" in health["finding"]
    [finding] = [row for row in fleet.admin("diagnose") if row["code"] == "clock_stepped"]
    assert finding["severity"] == "critical" and "3600.0 s" in finding["finding"]
    assert {"watch_instances", "settle", "finish_handoffs"} <= {row["job"] for row in fleet.admin("run_due_jobs")}
    [step] = fleet.view("clock_steps")
    assert (step["step"], step["is_measured"]) == (timedelta(hours=-1), False)
    [health] = [row for row in fleet.admin("health") if row["component"] == "clock"]
    assert (health["status"], health["finding"]) == (
        "degraded",
        "the clock of the database server stepped by at least -3600.0 s",
    )


def test_a_promised_return_and_a_hand_over_take_as_long_as_before(fleet: Fleet) -> None:
    """Nothing is moved for the step itself."""
    leaving, other = fleet.start(10, 10, streams=4)
    _look(fleet, 2, leaving, other)
    leaving.call("suspend_instance", **{"for": "120 seconds"})
    before = fleet.owners()
    _step(fleet, HOUR)
    _look(fleet, 110, other)
    assert fleet.owners() == before
    _step(fleet, -HOUR)
    _look(fleet, 15, other)
    assert set(fleet.owners().values()) == {"fv-2"}


# -- who looks ---------------------------------------------------------------------------------------------------------


def test_silence_does_not_count_while_nobody_looks(fleet: Fleet) -> None:
    silent, beating = fleet.start(10, 10, streams=4)
    _look(fleet, 200, beating)
    fleet.clock.step("20 minutes")
    beating.beat()
    _look(fleet, 90, beating)
    assert silent.status == "warning"
    _look(fleet, 20, beating)
    assert silent.status == "inactive"


def test_who_looks_once_a_minute_notices_silence_as_well(fleet: Fleet) -> None:
    """As pg_cron did before its version 1.5."""
    silent, beating = fleet.start(10, 10, streams=4)
    fleet.run_due_jobs()
    for _ in range(8):
        fleet.clock.step("1 minute")
        beating.beat()
        fleet.run_due_jobs()
    assert silent.status == "inactive"


# -- what else goes by the clock ---------------------------------------------------------------------------------------


def test_a_source_is_merged_after_the_clock_went_back(fleet: Fleet) -> None:
    fleet.query(
        "insert into {p}.source (source, kind, created_at, last_success_at, last_result)"
        " values ('s', 'list', {p}.now(), {p}.now(), jsonb_build_object('read_at', {p}.now()))"
    )
    fleet.clock.advance("1 minute")
    _step(fleet, -HOUR)
    assert fleet.value("select {p}.last_read_at(s) <= {p}.now() from {p}.source as s where source = 's'")


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_a_moment_that_the_server_noted_is_read_by_the_new_clock(fleet: Fleet, seconds: int) -> None:
    noted = fleet.clock.now
    fleet.clock.advance("10 seconds")
    _step(fleet, seconds)
    fleet.clock.advance("5 seconds")
    assert fleet.value("select {p}.now() - {p}.on_this_clock(%s::timestamptz)", noted) == timedelta(seconds=15)
    since = fleet.clock.now
    fleet.clock.advance("5 seconds")
    assert fleet.value("select {p}.now() - {p}.on_this_clock(%s::timestamptz)", since) == timedelta(seconds=5)
    _step(fleet, -seconds)
    assert fleet.value("select {p}.now() - {p}.on_this_clock(%s::timestamptz)", noted) == timedelta(seconds=20)


def test_a_driver_whose_reading_is_out_of_date_runs_nothing(fleet: Fleet) -> None:
    clock = fleet.one("read_clock")["clock"]
    fleet.query("update {p}.job set next_run_at = {p}.now() where job = 'settle'")
    for seconds in (-2, 3):
        fleet.clock.step(_seconds(seconds))
        run = fleet.one("run_next_job", driver="one", clock=clock)
        assert (run["job"], run["next_due_in"]) == (None, timedelta(0))
        fleet.clock.step(_seconds(-seconds))
    assert fleet.one("run_next_job", driver="one", clock=clock)["job"] is not None


@pytest.mark.parametrize("measured", [True, False])
def test_a_client_that_was_just_answered_is_no_ghost_for_a_step(fleet: Fleet, measured: bool) -> None:
    """It asks for its streams over HTTP, and has not been heard since it was given them."""
    add_numbered(fleet, *range(4))
    client = PullClient(fleet, "a", peer="192.0.2.1")
    client.register()
    fleet.run_due_jobs()
    assert len(client.ask()) == 4
    _look(fleet, 5)
    if measured:
        _step(fleet, HOUR)
    else:
        fleet.clock.step(_seconds(HOUR))
    _look(fleet, 3)
    assert client.booked == {*range(4)}
