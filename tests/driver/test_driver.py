"""`orchestrator run`: real processes against a real server."""

import signal
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from orchestrator.database import db
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from tests.driver.conftest import Jobs, StartDriver
from tests.driver.processes import DriverProcess, wait_until
from tests.pooler import Pooler
from tests.support import Database, Server

WAIT_FOR_THE_TEST = "perform pg_advisory_xact_lock(4711);"


@pytest.mark.parametrize("drivers", [2, 5])
def test_many_drivers_run_every_job_exactly_once(jobs: Jobs, start_driver: StartDriver, drivers: int) -> None:
    names = [f"job_{number}" for number in range(20)]
    for name in names:
        jobs.add(name, "perform pg_sleep(0.02);")

    started = [start_driver() for _ in range(drivers)]

    for driver in started:
        driver.wait_for_line(event="connected")
    wait_until(lambda: jobs.ran() >= len(names), what="all jobs have run")
    for driver in started:
        driver.send(signal.SIGTERM)
    assert [driver.wait() for driver in started] == [0] * drivers
    counts = Counter(row["job"] for row in jobs.execute("select job from {private}.ran"))
    assert counts == dict.fromkeys(names, 1)


def _start_in_a_job(jobs: Jobs, start_driver: StartDriver) -> DriverProcess:
    """A driver whose job waits until the test lets go of its lock."""
    jobs.add("long_job", WAIT_FOR_THE_TEST)
    jobs.execute("select pg_advisory_lock(4711)")
    driver = start_driver()
    wait_until(lambda: jobs.waiting_drivers() == 1, what="the driver is in its job")
    return driver


def test_a_driver_killed_in_the_middle_of_a_job_holds_nothing(jobs: Jobs, start_driver: StartDriver) -> None:
    victim = _start_in_a_job(jobs, start_driver)

    victim.send(signal.SIGKILL)

    assert victim.wait() == -signal.SIGKILL
    wait_until(lambda: jobs.waiting_drivers() == 0, what="the server has noticed")
    assert jobs.ran("long_job") == 0
    successor = start_driver()
    wait_until(lambda: jobs.waiting_drivers() == 1, what="another driver is in the job")
    jobs.execute("select pg_advisory_unlock(4711)")
    successor.wait_for_line(event="job", job="long_job", outcome="done")
    assert jobs.ran("long_job") == 1


def test_a_driver_survives_a_restart_of_the_server_and_tells_what_failed(tmp_path: Path) -> None:
    """R5.1, R4.2, R4.4"""
    with temporary_server(settings={"fsync": "off"}) as server:
        migrate(server.dsn(), "orchestrator")
        driver = DriverProcess(server.dsn(), "orchestrator", tmp_path / "driver.log")
        try:
            driver.wait_for_line(event="connected")

            server.stop(immediate=True)
            failure = driver.wait_for_line(event="database operation failed", attempt=2)
            alone = driver.wait_for_line(event="database left alone", seconds=60)
            server.start()

            wait_until(lambda: len(driver.lines(event="connected")) == 2, seconds=60, what="it is back")
            assert failure["category"] == "ERROR"
            assert failure["function"] == "connect"
            assert failure["duration_ms"] >= 0
            # the call that was under way, if any, what a job outside could not hand in, and rounds of three tries
            assert alone["rounds_failed"] >= 1
            assert alone["seconds"] == 10
            told = driver.wait_for_line(event="failures reported")
            assert told["failures"] == told["recorded"] >= alone["rounds_failed"]
            with db.connect(server.dsn(), application_name="test") as conn:
                before = db.view(conn, "jobs", where={"job": "settle"})[0]["runs"]
                wait_until(lambda: db.view(conn, "jobs", where={"job": "settle"})[0]["runs"] > before)
                [streak] = db.view(conn, "failure_streaks", where={"reporter": "driver:driver"})
                assert streak["consecutive"] >= alone["rounds_failed"]
                assert streak["ended_at"] is not None
                assert db.view(conn, "incident_patterns")
            driver.send(signal.SIGTERM)
            assert driver.wait() == 0
        finally:
            driver.end()


def test_sigterm_ends_a_sleeping_driver_cleanly(jobs: Jobs, start_driver: StartDriver) -> None:
    driver = start_driver()
    driver.wait_for_line(event="connected")

    driver.send(signal.SIGTERM)

    assert driver.wait(5) == 0
    assert driver.lines(category="STARTUP", event="driver stopped")


def test_sigterm_lets_the_present_job_finish(jobs: Jobs, start_driver: StartDriver) -> None:
    driver = _start_in_a_job(jobs, start_driver)

    driver.send(signal.SIGTERM)
    driver.wait_for_line(event="stopping after the present job")
    jobs.execute("select pg_advisory_unlock(4711)")

    assert driver.wait() == 0
    assert jobs.ran("long_job") == 1


def test_a_second_sigterm_ends_a_driver_at_once(jobs: Jobs, start_driver: StartDriver) -> None:
    driver = _start_in_a_job(jobs, start_driver)

    driver.send(signal.SIGTERM)
    driver.wait_for_line(event="stopping after the present job")
    driver.send(signal.SIGTERM)

    assert driver.wait(5) == -signal.SIGTERM


def test_a_notification_wakes_a_sleeping_driver(jobs: Jobs, start_driver: StartDriver) -> None:
    driver = start_driver()
    assert driver.wait_for_line(event="connected")["woken_by"] == "notification"
    jobs.add("urgent_job")

    jobs.execute("select {private}.wake('urgent_job')")

    # Asleep it would look again only after a minute, and its job table says: in five hours.
    driver.wait_for_line(event="job", job="urgent_job", seconds=20)


def test_behind_a_pooler_in_transaction_mode_a_driver_polls(
    jobs: Jobs, start_driver: StartDriver, pooler: Pooler, database: Database
) -> None:
    driver = start_driver(dsn=pooler.dsn(database.dsn))
    assert driver.wait_for_line(event="connected")["woken_by"] == "polling"

    for number in range(8):  # more than psycopg waits before it prepares a statement
        jobs.add(f"job_{number}")
        driver.wait_for_line(event="job", job=f"job_{number}", seconds=10)

    assert not driver.lines(level="error")
    with psycopg.connect(pooler.dsn(database.dsn), autocommit=True) as somebody_else:
        shown = somebody_else.execute("show statement_timeout").fetchone()
    assert shown == ("0",), "a driver's session settings stayed on a connection that others share"


def test_who_held_a_lock_that_was_not_free_is_logged(jobs: Jobs, start_driver: StartDriver) -> None:
    """R2.4"""
    jobs.add("hasty_job", "set local lock_timeout = '100ms'; perform {private}.lock_decisions();")
    with jobs.conn.transaction():
        jobs.execute("select {private}.lock_decisions()")

        driver = start_driver()

        assert driver.wait_for_line(event="job failed", job="hasty_job")["sqlstate"] == "55P03"
        holder = driver.wait_for_line(event="lock held", lock="decision")
    assert holder["pid"] == jobs.conn.info.backend_pid
    assert holder["application_name"] == "orchestrator:test"


def test_the_health_is_logged_at_the_start_when_wanted(jobs: Jobs, start_driver: StartDriver) -> None:
    db.call(jobs.conn, "add_stream", url="http://radio.example/1")
    driver = start_driver(RUN_HEALTH_CHECK="true")

    driver.wait_for_line(event="connected")

    found = {line["component"]: (line["status"], line["category"]) for line in driver.lines(event="health")}
    assert found["integrity"] == ("healthy", "STARTUP")
    assert found["instances"] == ("unhealthy", "ERROR")


def test_a_driver_needs_no_more_than_the_administrators_role(
    jobs: Jobs, start_driver: StartDriver, database: Database
) -> None:
    for job in ("watch_instances", "settle", "check_balance", "watch_transactions", "sync_source", "deliver_alerts"):
        jobs.make_due(job)
    jobs.add("last_job", "perform pg_sleep(0);")

    driver = start_driver(dsn=database.create_login("admin"), RUN_HEALTH_CHECK="true", MAX_STREAM_DIFFERENCE="3")

    driver.wait_for_line(event="setting from the environment")
    driver.wait_for_line(event="job", job="last_job")
    wait_until(lambda: db.view(jobs.conn, "jobs", where={"job": "deliver_alerts"})[0]["runs"] == 1)
    failures = driver.lines(event="database operation failed") + driver.lines(event="job failed")
    assert not failures
    driver.send(signal.SIGTERM)
    assert driver.wait() == 0


def test_a_failing_job_is_logged_and_does_not_stop_the_others(jobs: Jobs, start_driver: StartDriver) -> None:
    """R2.4"""
    jobs.add(
        "broken_job",
        """
        raise exception using errcode = 'OR901', message = 'the sums are wrong',
            detail = '{"expected": 1, "found": 2}', hint = 'count again';
        """,
    )
    jobs.add("good_job", schedule="1 second")

    driver = start_driver()

    failure = driver.wait_for_line(event="job failed", job="broken_job")
    assert failure["category"] == "ERROR"
    assert failure["sqlstate"] == "OR901"
    assert failure["message"] == "the sums are wrong"
    assert failure["hint"] == "count again"
    assert "duration_ms" in failure
    wait_until(lambda: jobs.ran("good_job") >= 2, what="the other job goes on")


def test_what_a_job_did_is_logged_with_its_result_flattened(jobs: Jobs, start_driver: StartDriver) -> None:
    jobs.add("good_job")

    line = start_driver().wait_for_line(event="job", job="good_job")

    assert line["counted_things"] == 3
    assert line["outcome"] == "done"
    assert line["category"] == "DATABASE"
    assert line["timestamp"]


def test_environment_variables_become_settings(jobs: Jobs, start_driver: StartDriver, database: Database) -> None:
    driver = start_driver(
        IMBALANCE_THRESHOLD="0.35",
        MAX_STREAM_DIFFERENCE="5000",
        HEARTBEAT_WARNING_THRESHOLD="400",  # would break warning < timeout, unless the timeout goes first
        HEARTBEAT_TIMEOUT="600",
    )

    driver.wait_for_line(event="connected")

    changed = {line["variable"] for line in driver.lines(event="setting from the environment")}
    assert changed == {"IMBALANCE_THRESHOLD", "HEARTBEAT_WARNING_THRESHOLD", "HEARTBEAT_TIMEOUT"}
    [refused] = driver.lines(event="setting from the environment refused")
    assert (refused["variable"], refused["sqlstate"], refused["level"]) == ("MAX_STREAM_DIFFERENCE", "OR108", "error")
    with database.connect() as conn:
        settings = {row["name"]: row["value"] for row in db.view(conn, "settings")}
    assert settings["imbalance_threshold"] == "0.35"
    assert settings["max_stream_difference"] == "2"


def test_missed_heartbeats_are_counted_in_intervals(jobs: Jobs, start_driver: StartDriver) -> None:
    driver = start_driver(MAX_MISSED_HEARTBEATS="4")

    line = driver.wait_for_line(event="setting from the environment")

    assert line["variable"] == "MAX_MISSED_HEARTBEATS"
    driver.wait_for_line(event="connected")
    [row] = jobs.execute("select {private}.setting_interval('heartbeat_warning') as warning")
    assert row["warning"].total_seconds() == 120


def test_a_driver_that_may_migrates_first(empty_database: str, tmp_path: Path) -> None:
    driver = DriverProcess(
        empty_database, "orchestrator", tmp_path / "driver.log", environment={"RUN_MIGRATIONS": "true"}
    )
    try:
        driver.wait_for_line(event="migrated")
        driver.wait_for_line(event="connected")
    finally:
        driver.end()


def test_a_driver_that_cannot_migrate_its_database_ends_with_the_reason(empty_database: str, tmp_path: Path) -> None:
    migrate(empty_database, "orchestrator")
    with psycopg.connect(empty_database) as conn:
        conn.execute(
            "insert into orchestrator_private.schema_migration (version, name, checksum, applied_at, applied_by)"
            " values (9999, '9999_future', '', now(), '')"
        )
    driver = DriverProcess(
        empty_database, "orchestrator", tmp_path / "driver.log", environment={"RUN_MIGRATIONS": "true"}
    )

    assert driver.wait() == 1
    assert "use the newer release of the program" in driver.log.read_text()


def test_a_driver_waits_for_a_database_that_is_not_migrated_yet(empty_database: str, tmp_path: Path) -> None:
    driver = DriverProcess(empty_database, "orchestrator", tmp_path / "driver.log")
    try:
        line = driver.wait_for_line(event="database operation failed")
        assert "orchestrator db" in line["hint"]

        migrate(empty_database, "orchestrator")

        driver.wait_for_line(event="connected", seconds=60)
    finally:
        driver.end()


def test_the_start_may_be_limited_in_time(server: Server, tmp_path: Path) -> None:
    driver = DriverProcess(
        "host=/nowhere password=hush",
        "orchestrator",
        tmp_path / "driver.log",
        environment={"POSTGRES_STARTUP_TIMEOUT": "1"},
    )

    assert driver.wait() == 75
    assert driver.lines(event="database operation failed", function="connect")
    assert "hush" not in driver.log.read_text()


@pytest.mark.parametrize(
    ("dsn", "schema", "named"),
    [("host=x password=hush dbname", "orchestrator", "--dsn"), ("host=/x", "Two Words", "--schema")],
)
def test_what_can_never_become_a_database_ends_a_driver_at_once(
    tmp_path: Path, dsn: str, schema: str, named: str
) -> None:
    driver = DriverProcess(dsn, schema, tmp_path / "driver.log")

    assert driver.wait() == 2
    assert f"Invalid value for '{named}'" in driver.log.read_text()
    assert "hush" not in driver.log.read_text()


def test_an_unreadable_variable_is_a_usage_error(server: Server, tmp_path: Path) -> None:
    driver = DriverProcess(
        server.dsn(), "orchestrator", tmp_path / "driver.log", environment={"RUN_MIGRATIONS": "perhaps"}
    )

    assert driver.wait() == 2
    assert "RUN_MIGRATIONS must be true or false, not 'perhaps'" in driver.log.read_text()
