"""What a driver does for the database outside of it: reading sources (telling alerts: tests/alerts)."""

import asyncio
import signal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.database import db
from orchestrator.driver.driver import Driver
from orchestrator.driver.environment import StartOptions
from orchestrator.errors import BalancingPaused, DatabaseUnavailable
from tests.driver.conftest import Jobs, StartDriver
from tests.driver.processes import wait_until
from tests.support import Database, Server


def test_the_source_of_the_environment_is_synchronised(
    jobs: Jobs, start_driver: StartDriver, database: Database, server: Server, empty_database: str
) -> None:
    with psycopg.connect(empty_database) as conn:
        conn.execute("create table stations (id bigint, name text, url text)")
        conn.execute(
            "insert into stations select n, 'radio ' || n, 'http://radio.example/' || n from generate_series(1, 7) n"
        )
    jobs.make_due("sync_source")

    driver = start_driver(
        POSTGRES_HOST=server.host,
        POSTGRES_PORT=server.port,
        POSTGRES_USER=server.user,
        POSTGRES_PASSWORD="hush",
        POSTGRES_DB=str(conninfo_to_dict(empty_database)["dbname"]),
        DB_TABLE_NAME="stations",
    )

    driver.wait_for_line(event="source from the environment", table="stations")
    wait_until(lambda: len(db.view(jobs.conn, "streams")) == 7, what="the streams are there")
    wait_until(lambda: db.view(jobs.conn, "job_runs", where={"job": "sync_source", "outcome": "done"}))
    assert "hush" not in driver.log.read_text()


def test_a_source_of_the_environment_that_meets_a_lock_is_added_all_the_same(
    jobs: Jobs, start_driver: StartDriver
) -> None:
    """R2.3"""
    jobs.execute(
        _BUSY_ONCE + "create trigger busy_once before insert on {private}.source execute function {private}.busy_once()"
    )

    driver = start_driver(POSTGRES_HOST="127.0.0.1", POSTGRES_PORT="1", DB_TABLE_NAME="stations")

    assert driver.wait_for_line(event="database operation failed", function="add_source")["sqlstate"] == "55P03"
    driver.wait_for_line(event="source from the environment", table="stations")


def test_a_source_that_fails_is_told_and_holds_nothing_up(
    jobs: Jobs, start_driver: StartDriver, database: Database
) -> None:
    db.call(jobs.conn, "add_source", source="gone", conninfo="host=/nowhere dbname=x", table_name="streams")
    jobs.make_due("sync_source")
    jobs.add("good_job", schedule="1 second")

    driver = start_driver()

    told = driver.wait_for_line(event="source not synchronised", source="gone")
    [run] = wait_until(lambda: db.view(jobs.conn, "job_runs", where={"job": "sync_source", "outcome": "done"}))
    [failed] = jobs.execute("select failure_event_id from {private}.source where source = 'gone'")
    assert told["event_id"] == str(run["event_id"]) == str(failed["failure_event_id"])
    wait_until(lambda: jobs.ran("good_job") >= 2, what="the other job goes on")


def test_no_secret_is_written_anywhere_under_any_failure(
    jobs: Jobs, start_driver: StartDriver, database: Database
) -> None:
    """R2.4: passwords of the DSN, the environment and the source, and the address of an alert target."""
    db.call(jobs.conn, "set_alert_target", target="ops")
    jobs.execute("select {private}.open_alert('source_lost', 'x', 'critical', 'given up: password=hush-5', '{{}}')")
    for job in ("sync_source", "deliver_alerts"):
        jobs.make_due(job)
    jobs.add("broken_job", "raise exception 'cannot connect to postgresql://me:hush-6@db/x';")

    driver = start_driver(
        dsn=make_conninfo(database.dsn, password="hush-1"),
        PGPASSWORD="hush-2",
        POSTGRES_HOST="127.0.0.1",
        POSTGRES_PORT="1",
        POSTGRES_PASSWORD="hush-3",
        ORCHESTRATOR_ALERT_URL_OPS="json://me:hush-4@127.0.0.1:1/hush-4?token=hush-4",
        LOG_LEVEL="DEBUG",
    )

    driver.wait_for_line(event="source not synchronised")
    driver.wait_for_line(event="alert not delivered")
    driver.wait_for_line(event="job failed", job="broken_job")
    driver.wait_for_line(event="alert")
    wait_until(lambda: db.view(jobs.conn, "job_runs", where={"job": "sync_source", "outcome": "done"}))
    wait_until(lambda: db.view(jobs.conn, "alert_targets", where={"target": "ops", "consecutive_failures": 1}))
    seen = driver.log.read_text()
    for view in ("job_runs", "jobs", "sources", "alert_targets", "alert_deliveries", "incident_patterns"):
        seen += str(db.view(jobs.conn, view))
    assert "hush" not in seen


def test_a_job_that_this_driver_does_not_know_fails_with_a_hint(jobs: Jobs, start_driver: StartDriver) -> None:
    jobs.add("of_the_future", runs_in="driver")

    driver = start_driver()

    driver.wait_for_line(event="database operation failed", function="of_the_future")
    [run] = wait_until(lambda: db.view(jobs.conn, "job_runs", where={"job": "of_the_future", "outcome": "failed"}))
    assert "upgrade it" in run["error"]["hint"]
    driver.send(signal.SIGTERM)
    assert driver.wait() == 0


def test_a_result_that_meets_a_lock_is_handed_in_over_another_connection(
    jobs: Jobs, start_driver: StartDriver, database: Database
) -> None:
    """R2.3: what was done outside is not lost for a lock that was held for a moment."""
    jobs.add("of_the_future", runs_in="driver")
    jobs.execute(
        _BUSY_ONCE + "create trigger busy_once before update on {private}.job_run "
        "for each row when (old.job = 'of_the_future') execute function {private}.busy_once()"
    )

    driver = start_driver()

    failed = driver.wait_for_line(event="call failed", function="finish_job")
    [run] = wait_until(lambda: db.view(jobs.conn, "job_runs", where={"job": "of_the_future", "outcome": "failed"}))
    assert (failed["sqlstate"], failed["arguments"]["job_run_id"]) == ("55P03", run["job_run_id"])
    assert "upgrade it" in run["error"]["hint"]


_BUSY_ONCE = """
create sequence {private}.tries;
grant usage on {private}.tries to {owner};
create function {private}.busy_once() returns trigger language plpgsql as $$
begin
    if nextval('{private}.tries') = 1 then
        raise exception using errcode = '55P03', message = 'canceling statement due to lock timeout';
    end if;
    return new;
end $$;
"""


def test_a_driver_claims_as_many_jobs_outside_as_it_may_do_at_once(jobs: Jobs, database: Database) -> None:
    """MAX_WORKERS"""
    for number in range(3):
        jobs.add(f"outside_{number}", runs_in="driver")
    driver = Driver(database.dsn, schema=database.names.api, options=StartOptions(max_workers=2))

    async def claimed() -> list[str | None]:
        conn = await db.connect_async(database.dsn, schema=database.names.api, application_name="test")
        async with conn:
            # those that it is at never end here
            driver._outside_jobs.run = lambda run: None  # type: ignore[method-assign]  # none goes outside here
            driver._note_outside_done = lambda task: None  # type: ignore[method-assign]  # so none comes to an end
            return [(await driver._run_next_job(conn)).job for _ in range(3)]

    assert asyncio.run(claimed()) == ["outside_0", "outside_1", None]


def test_a_refusal_that_is_an_answer_is_no_failure_of_the_driver() -> None:
    driver = Driver("host=/nowhere", schema="orchestrator")
    driver._note_failure(BalancingPaused("balancing is paused"))
    assert driver._failures.in_a_row == 0
    driver._note_failure(DatabaseUnavailable("the server is away"))
    assert driver._failures.in_a_row == 1
