"""Jobs: when they are due, who runs them, what is left of a run, and what a failing one does to the others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.fleet import Fleet, Row, refused

# -- schedules ---------------------------------------------------------------------------------------------------------


def _next(fleet: Fleet, schedule: str, after: datetime) -> datetime | None:
    value = fleet.value("select {p}.next_cron_time(%s, %s)", schedule, after)
    assert value is None or isinstance(value, datetime)
    return value


NEW_YEARS_EVE = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * *", NEW_YEARS_EVE, "2027-01-01T00:00Z"),
        ("17 3 * * *", NEW_YEARS_EVE, "2027-01-01T03:17Z"),
        ("0 0 29 2 *", NEW_YEARS_EVE, "2028-02-29T00:00Z"),  # the next leap year
        ("0 0 31 * *", datetime(2026, 4, 1, tzinfo=UTC), "2026-05-31T00:00Z"),  # April has none
        ("30 8 * * 7", NEW_YEARS_EVE, "2027-01-03T08:30Z"),  # 7 is Sunday
        ("30 8 * * 0", NEW_YEARS_EVE, "2027-01-03T08:30Z"),  # and so is 0
        ("30 8 * * 5-7", datetime(2027, 1, 2, 9, 0, tzinfo=UTC), "2027-01-03T08:30Z"),
        ("0 12 13 * 5", datetime(2026, 3, 1, tzinfo=UTC), "2026-03-06T12:00Z"),  # the 13th or a Friday
        ("*/15 * * * *", datetime(2026, 3, 1, 10, 45, tzinfo=UTC), "2026-03-01T11:00Z"),  # not the minute it is
        ("5/20 * * * *", datetime(2026, 3, 1, 10, 46, tzinfo=UTC), "2026-03-01T11:05Z"),
        ("10-20/5,50 4,5 1 */6 *", datetime(2026, 3, 1, tzinfo=UTC), "2026-07-01T04:10Z"),
        ("  0   0  1  1  * ", NEW_YEARS_EVE, "2027-01-01T00:00Z"),
        ("59 23 31 12 *", NEW_YEARS_EVE, "2027-12-31T23:59Z"),
    ],
)
def test_a_cron_schedule_is_next_due_when_cron_says(
    fleet: Fleet, schedule: str, after: datetime, expected: str
) -> None:
    """Design §7; in UTC."""
    assert _next(fleet, schedule, after) == datetime.fromisoformat(expected)


def test_a_cron_schedule_that_never_comes_is_never_due(fleet: Fleet) -> None:
    assert _next(fleet, "0 0 31 2 *", NEW_YEARS_EVE) is None


def _field(minimum: int, maximum: int) -> st.SearchStrategy[str]:
    number = st.integers(minimum, maximum)
    single = number.map(str)
    span = st.tuples(number, number).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    step = st.tuples(st.one_of(st.just("*"), span), st.integers(1, 30)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    part = st.one_of(single, span, step)
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


# cronsim reads "0-7" as one Sunday to the next, as Debian's cron does, and lists of days as sets, as we do.
_SCHEDULES = st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6)).map(" ".join)


def test_cron_schedules_agree_with_a_reference(fleet: Fleet) -> None:
    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        schedule=_SCHEDULES,
        after=st.datetimes(datetime(2025, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)),
    )
    def agrees(schedule: str, after: datetime) -> None:
        try:
            expected = next(CronSim(schedule, after))
        except StopIteration:
            expected = None
        assert _next(fleet, schedule, after) == expected

    agrees()


def test_a_schedule_of_every_minute_is_cheap_to_follow(fleet: Fleet) -> None:
    """It is worked out after each run."""
    [row] = fleet.query("explain (analyze, format json) select {p}.next_cron_time('* * * * *', now())")
    assert row["QUERY PLAN"][0]["Execution Time"] < 200


def test_what_is_no_schedule_is_refused(fleet: Fleet) -> None:
    before = fleet.view("jobs", job="settle")
    for schedule in (
        "",
        "often",
        "0 seconds",
        "-1 second",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "20-10 * * * *",
        "1- * * * *",
        "a * * * *",
        "* * * *",
        "* * * * * *",
        "1,,2 * * * *",
        "999999999 years",
        "11 years",
        "0 0 31 2 *",
    ):
        with refused("OR101"):
            fleet.admin("schedule_job", job="settle", schedule=schedule)
    with refused("OR107"):
        fleet.admin("schedule_job", job="dance", schedule="1 second")
    assert fleet.view("jobs", job="settle") == before


def test_a_job_is_rescheduled_and_switched_off_and_on(fleet: Fleet) -> None:
    row = fleet.one("schedule_job", job="settle", schedule="5 minutes")
    assert (row["schedule"], row["enabled"]) == ("5 minutes", True)
    assert row["next_run_at"] == fleet.clock.now + timedelta(minutes=5)
    row = fleet.one("schedule_job", job="settle", enabled=False)
    assert (row["schedule"], row["enabled"]) == ("5 minutes", False)
    fleet.clock.advance("1 hour")
    assert "settle" not in {row["job"] for row in fleet.admin("run_due_jobs")}
    fleet.admin("schedule_job", job="settle", enabled=True)
    fleet.clock.advance("5 minutes")
    assert "settle" in {row["job"] for row in fleet.admin("run_due_jobs")}


def test_a_job_runs_on_its_beat_and_does_not_make_up_for_missed_ones(fleet: Fleet) -> None:
    def next_run() -> datetime:
        moment = fleet.view("jobs", job="check_balance")[0]["next_run_at"]
        assert isinstance(moment, datetime)
        return moment

    fleet.run_due_jobs()
    due = next_run()
    fleet.clock.set(due + timedelta(seconds=1))
    fleet.run_due_jobs()
    assert next_run() == due + timedelta(seconds=10)
    fleet.clock.advance("1 hour")
    fleet.run_due_jobs()
    assert next_run() == fleet.clock.now + timedelta(seconds=5)


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def jobs(fleet: Fleet) -> Iterator[Fleet]:
    """A fleet in which only the test's own jobs are due."""
    fleet.query("update {p}.job set next_run_at = {p}.now() + interval '1 year'")
    yield fleet


def _add_job(fleet: Fleet, job: str, body: str, *, runs_in: str = "database", timeout: str = "30 seconds") -> None:
    fleet.query(
        f"create function {{p}}.{job}() returns jsonb language plpgsql as $function$ begin {body} end $function$"
    )
    names = fleet.database.names
    fleet.query(f"alter function {{p}}.{job}() owner to {names.owner}")
    fleet.query(
        "insert into {p}.job (job, schedule, function_name, runs_in, next_run_at, description, timeout) "
        "values (%s, '1 minute', %s, %s, {p}.now(), 'a test', %s)",
        job,
        job,
        runs_in,
        timeout,
    )


def _run_next(fleet: Fleet, *, outside: bool = False, driver: str | None = None) -> Row:
    return fleet.one("run_next_job", outside=outside, driver=driver)


def test_a_run_that_did_something_is_recorded(jobs: Fleet) -> None:
    _add_job(jobs, "count_sheep", "return '{{\"sheep\": 3}}'::jsonb;")
    run = _run_next(jobs, driver="driver-1")
    assert (run["job"], run["outcome"], run["result"], run["error"]) == ("count_sheep", "done", {"sheep": 3}, None)
    [record] = jobs.view("job_runs", job="count_sheep")
    assert (record["job_run_id"], record["run_by"], record["outcome"]) == (run["job_run_id"], "driver-1", "done")
    assert record["result"] == {"sheep": 3}
    [job] = jobs.view("jobs", job="count_sheep")
    assert (job["runs"], job["failures"], job["last_outcome"]) == (1, 0, "done")
    assert job["next_run_at"] == jobs.clock.now + timedelta(minutes=1)


def test_a_run_that_found_nothing_only_counts(jobs: Fleet) -> None:
    _add_job(jobs, "look", "return null;")
    assert _run_next(jobs)["outcome"] == "nothing"
    assert jobs.view("job_runs") == []
    assert jobs.view("jobs", job="look")[0]["runs"] == 1


def test_a_failing_job_undoes_only_itself_is_recorded_and_stops_no_other(jobs: Fleet) -> None:
    """R2.4, R4.4; design §7."""
    _add_job(jobs, "a_fails", "update {p}.controller set paused_reason = 'half done'; perform 1 / 0; return '{{}}';")
    _add_job(jobs, "b_works", "return '{{\"done\": true}}'::jsonb;")
    runs = {row["job"]: row for row in jobs.admin("run_due_jobs")}
    assert {job: row["outcome"] for job, row in runs.items()} == {"a_fails": "failed", "b_works": "done"}
    assert runs["a_fails"]["error"]["sqlstate"] == "22012"
    assert runs["a_fails"]["error"]["function"] == "a_fails"
    assert "a_fails" in runs["a_fails"]["error"]["context"]
    assert jobs.value("select paused_reason from {p}.controller") is None
    [record] = jobs.view("job_runs", job="a_fails")
    assert record["outcome"] == "failed"
    assert record["error"]["message"] == "division by zero"
    jobs.clock.advance("1 minute")
    jobs.admin("run_due_jobs")
    [job] = jobs.view("jobs", job="a_fails")
    assert (job["runs"], job["failures"], job["consecutive_failures"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("body", "sqlstate"),
    [
        ("raise exception 'plain';", "P0001"),
        ("raise exception using errcode = 'OR901', message = 'broken';", "OR901"),
        ("raise exception using errcode = 'OR301', message = 'old';", "OR301"),
        ("perform nothing();", "42883"),
        ("perform 'x'::integer;", "22P02"),
        ("set local lock_timeout = '1ms'; perform {p}.lock_decisions();", "55P03"),
        ("set local statement_timeout = '1ms'; perform pg_sleep(5);", "57014"),
        ("insert into {p}.setting select * from {p}.setting;", "23505"),
        ("perform (select s.name from {p}.setting as s);", "21000"),
        ("assert false;", "P0004"),
        ("raise exception using errcode = 'XX000', message = 'internal';", "XX000"),
        ("raise exception using errcode = '40P01', message = 'deadlock';", "40P01"),
        ("raise exception using errcode = '53200', message = 'memory';", "53200"),
        ("raise exception using errcode = '0A000', message = 'not supported';", "0A000"),
    ],
)
def test_all_that_fails_in_a_job_is_recorded(jobs: Fleet, body: str, sqlstate: str) -> None:
    _add_job(jobs, "fails", f"{body} return null;")
    holder = jobs.database.connect(autocommit=False)
    holder.execute(f"select {jobs.database.names.private}.lock_decisions()")
    if sqlstate == "57014":
        # a statement's own timeout is set before it begins
        jobs.query("drop function {p}.fails()")
        _add_function(jobs, "fails", "perform pg_sleep(5); return null;")
        jobs.admin_conn.execute("set statement_timeout = '200ms'")
    run = _run_next(jobs)
    holder.rollback()
    assert (run["job"], run["outcome"]) == ("fails", "failed")
    assert run["error"]["sqlstate"] == sqlstate


def _add_function(fleet: Fleet, name: str, body: str) -> None:
    fleet.query(
        f"create function {{p}}.{name}() returns jsonb language plpgsql as $function$ begin {body} end $function$"
    )
    fleet.query(f"alter function {{p}}.{name}() owner to {fleet.database.names.owner}")


def test_the_most_overdue_job_goes_first(jobs: Fleet) -> None:
    for job in ("b_second", "a_third", "c_first"):
        _add_job(jobs, job, "return null;")
    jobs.query("update {p}.job set next_run_at = next_run_at - interval '1 second' where job = 'c_first'")
    jobs.query("update {p}.job set next_run_at = next_run_at + interval '1 second' where job = 'a_third'")
    jobs.clock.advance("10 seconds")
    assert [row["job"] for row in jobs.admin("run_due_jobs")] == ["c_first", "b_second", "a_third"]


def test_when_nothing_is_due_the_answer_says_for_how_long(jobs: Fleet) -> None:
    _add_job(jobs, "look", "return null;")
    assert _run_next(jobs)["next_due_in"] == timedelta(minutes=1)
    idle = _run_next(jobs)
    assert (idle["job"], idle["outcome"], idle["next_due_in"]) == (None, None, timedelta(minutes=1))
    jobs.query("update {p}.job set enabled = false")
    assert _run_next(jobs)["next_due_in"] is None
    assert jobs.admin("run_due_jobs") == []


def test_two_drivers_share_the_jobs_without_waiting_for_each_other(jobs: Fleet) -> None:
    """Design §1: no leader; claimed row by row."""
    for job in ("a_job", "b_job"):
        _add_job(jobs, job, "return '{{}}'::jsonb;")
    first = jobs.database.connect("admin", autocommit=False)
    assert db.call(first, "run_next_job")[0]["job"] == "a_job"  # and its transaction is open still
    assert _run_next(jobs)["job"] == "b_job"
    assert _run_next(jobs)["job"] is None
    first.rollback()  # the first driver dies: what it did is undone, and its job is due
    assert _run_next(jobs)["job"] == "a_job"


# -- jobs of the driver ------------------------------------------------------------------------------------------------


def test_a_job_of_the_driver_is_only_claimed(jobs: Fleet) -> None:
    _add_job(jobs, "fetch", "return null;", runs_in="driver", timeout="1 minute")
    assert _run_next(jobs)["job"] is None  # psql and pg_cron leave it alone
    claim = _run_next(jobs, outside=True, driver="driver-1")
    assert (claim["job"], claim["outcome"]) == ("fetch", "claimed")
    assert jobs.view("jobs", job="fetch")[0]["claimed_by"] == "driver-1"
    assert _run_next(jobs, outside=True)["job"] is None

    jobs.clock.advance("5 seconds")
    row = jobs.one("finish_job", job_run_id=claim["job_run_id"], result={"rows": 5})
    assert row["job"] == "fetch"
    [record] = jobs.view("job_runs", job="fetch")
    assert (record["outcome"], record["result"], record["run_by"]) == ("done", {"rows": 5}, "driver-1")
    assert record["finished_at"] - record["started_at"] == timedelta(seconds=5)
    [job] = jobs.view("jobs", job="fetch")
    assert (job["claimed_by"], job["runs"], job["last_duration"]) == (None, 1, timedelta(seconds=5))


def test_a_claim_that_failed_is_recorded_as_failed(jobs: Fleet) -> None:
    _add_job(jobs, "fetch", "return null;", runs_in="driver")
    claim = _run_next(jobs, outside=True)
    jobs.admin("finish_job", job_run_id=claim["job_run_id"], error={"message": "no route"})
    [record] = jobs.view("job_runs", job="fetch")
    assert (record["outcome"], record["error"]) == ("failed", {"message": "no route"})
    assert jobs.view("jobs", job="fetch")[0]["consecutive_failures"] == 1


def test_the_claim_of_a_dead_driver_is_abandoned_after_the_jobs_timeout(jobs: Fleet) -> None:
    _add_job(jobs, "fetch", "return null;", runs_in="driver", timeout="1 minute")
    dead = _run_next(jobs, outside=True, driver="dead")
    jobs.clock.advance("59 seconds")
    assert _run_next(jobs, outside=True)["next_due_in"] == timedelta(seconds=1)
    jobs.clock.advance("1 second")
    assert _run_next(jobs, outside=True, driver="living")["job"] == "fetch"
    outcomes = {row["run_by"]: row["outcome"] for row in jobs.view("job_runs")}
    assert outcomes == {"dead": "abandoned", "living": "claimed"}
    with refused("OR107"):
        jobs.admin("finish_job", job_run_id=dead["job_run_id"])
    assert jobs.view("jobs", job="fetch")[0]["claimed_by"] == "living"


def test_a_claim_is_finished_once(jobs: Fleet) -> None:
    _add_job(jobs, "fetch", "return null;", runs_in="driver")
    claim = _run_next(jobs, outside=True)
    jobs.admin("finish_job", job_run_id=claim["job_run_id"], result={"rows": 1})
    for job_run_id in (claim["job_run_id"], 999, None):
        with refused("OR107"):
            jobs.admin("finish_job", job_run_id=job_run_id)
    assert jobs.view("jobs", job="fetch")[0]["runs"] == 1


# -- request_job -------------------------------------------------------------------------------------------------------


def test_a_requested_job_is_due_now_and_a_driver_is_woken(jobs: Fleet) -> None:
    _add_job(jobs, "look", "return null;")
    _run_next(jobs)
    with jobs.database.connect("admin") as listening:
        listening.execute(f'listen "{jobs.database.names.api}.wake"')
        row = jobs.one("request_job", job="look")
        listening.execute("select")
        assert [note.payload for note in listening.notifies(timeout=0)] == ["look"]
    assert row["next_run_at"] == jobs.clock.now
    assert _run_next(jobs)["job"] == "look"
    with refused("OR107"):
        jobs.admin("request_job", job="dance")


def test_a_job_that_is_requested_while_it_is_claimed_runs_once_more(jobs: Fleet) -> None:
    """What was asked for after it began may have been missed by it."""
    _add_job(jobs, "fetch", "return null;", runs_in="driver")
    claim = _run_next(jobs, outside=True)
    jobs.clock.advance("1 second")
    jobs.admin("request_job", job="fetch")
    jobs.admin("finish_job", job_run_id=claim["job_run_id"])
    assert _run_next(jobs, outside=True)["job"] == "fetch"


# -- purge_history -----------------------------------------------------------------------------------------------------


def test_history_older_than_its_retention_is_deleted_and_nothing_else(fleet: Fleet) -> None:
    """history_retention"""
    a_run = "insert into {p}.job_run (job, started_at, run_by, outcome) values ('settle', {p}.now(), 'test', 'done')"
    fleet.start(10, 10, streams=4)
    fleet.admin("plan_rebalance")
    fleet.query(a_run)
    for resolved in ("{p}.now()", "null"):
        fleet.query(
            "insert into {p}.alert (code, subject, severity, message, opened_at, updated_at, resolved_at) "
            f"values ('test', %s, 'info', 'm', {{p}}.now(), {{p}}.now(), {resolved})",
            resolved,
        )
    gone = fleet.add_streams(1, first=5)
    fleet.admin("remove_stream", stream_id=gone[0])
    fleet.one("record_failures", reporter="driver:gone", failures=Jsonb([{"message": "timed out"}]))
    fleet.query(
        "insert into {p}.alert_delivery (alert_id, event, target, happened_at, changed_at) "
        "select alert_id, 'opened', 'log', opened_at, opened_at from {p}.alert"
    )
    fleet.clock.advance("29 days 23 hours")
    assert fleet.run("purge_history") is None
    fleet.query(a_run)
    fleet.clock.advance("2 hours")
    result, last = _purge(fleet)
    assert result["movements"] > 0
    assert (result["job_runs"], result["alerts"], result["plans"]) == (1, 1, 1)
    assert last["decisions"] > 0
    assert fleet.view("movements", stream_id=gone[0]) == []
    assert len(fleet.view("job_runs")) == 1
    assert [row["resolved_at"] for row in fleet.view("alerts")] == [None]
    assert len(fleet.view("alert_deliveries")) == 1
    assert fleet.view("failure_streaks") == []
    assert len(fleet.view("incident_patterns")) == 1  # for later analysis
    assert fleet.run("purge_history") is None


def _purge(fleet: Fleet) -> list[dict[str, Any]]:
    """What each run deleted, until there was nothing left; all but the last knew that there was more."""
    return list(iter(lambda: fleet.run("purge_history"), None))


def _old_history(fleet: Fleet) -> None:
    """One decision that moved six thousand streams, another four thousand, each with as many runs of jobs."""
    fleet.query(
        "with made as ("
        "insert into {p}.decision (decided_at, rule, trigger, actor, moves) "
        "select {p}.now() - interval '31 days', 'test', 'test', 'test', m from unnest(array[6000, 4000]) as m "
        "returning decision_id, moves) "
        "insert into {p}.movement (stream_id, epoch, decision_id, reason, moved_at) "
        "select 1000 + n, d.decision_id, d.decision_id, 'test', {p}.now() - interval '31 days' "
        "from made as d, generate_series(1, d.moves) as n"
    )
    fleet.query(
        "insert into {p}.job_run (job, started_at, run_by, outcome) "
        "select 'settle', {p}.now() - interval '31 days', 'test', 'done' from {p}.movement"
    )


def test_a_run_deletes_a_bounded_number_of_rows_and_the_last_one_the_rest(fleet: Fleet) -> None:
    _old_history(fleet)
    deleted = [(run["decisions"], run["movements"], run["job_runs"], run["more"]) for run in _purge(fleet)]
    assert deleted == [
        (0, 5000, 0, True),
        (0, 5000, 0, True),
        (2, 0, 4998, True),
        (0, 0, 5000, True),
        (0, 0, 2, False),
    ]
    assert fleet.value("select count(*) from {p}.movement") == 0


def test_a_purge_that_left_something_goes_on_at_once_and_keeps_none_waiting(fleet: Fleet) -> None:
    """The next run is due, but behind what became due before it."""
    _old_history(fleet)
    fleet.query("update {p}.job set next_run_at = {p}.now() + interval '1 hour'")
    fleet.admin("request_job", job="purge_history")
    fleet.clock.advance("2 seconds")
    runs = [_run_next(fleet)]
    fleet.query("update {p}.job set next_run_at = {p}.now() - interval '1 second' where job = 'sample_fleet'")
    runs += [_run_next(fleet) for _ in range(6)]
    assert [run["job"] for run in runs] == [
        "purge_history", "sample_fleet", *["purge_history"] * 4, None,
    ]  # fmt: skip
    [job] = fleet.view("jobs", job="purge_history")
    assert (job["last_result"]["more"], job["next_run_at"] > fleet.clock.now) == (False, True)


def test_a_decision_that_explains_where_a_stream_is_now_is_kept(fleet: Fleet) -> None:
    fleet.start(10, streams=3)
    fleet.clock.advance("31 days")
    fleet.run("purge_history")
    for stream_id in fleet.owners():
        rows = fleet.admin("explain_stream", stream_id=stream_id)
        assert rows[0]["rule"] == "new stream"
    fleet.check_counts()
