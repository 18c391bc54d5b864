"""What is said of a call that failed, and what the database is told of it."""

import asyncio
import logging

import psycopg
import pytest

from orchestrator.database.embedded import Embedded
from tests.shim.support import Fleet, Recorder, in_step, until
from worker_shim import Context, Stream

PASSWORD = "correct-horse"


async def test_a_call_that_waited_in_vain_for_a_lock_says_who_held_it(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """R2.3, R2.4"""
    fleet.add_streams(2)
    recorder = Recorder()
    metadata = {"site": "sp", "db_password": PASSWORD}
    with psycopg.connect(fleet.dsn, application_name="blocker", autocommit=True) as other:
        pid = other.info.backend_pid
        with other.transaction(), caplog.at_level(logging.INFO, "worker_shim"):
            other.execute(f"select {fleet.names.private}.lock_decisions()")
            task = asyncio.create_task(fleet.worker("fingerv7-001", recorder, metadata=metadata).run_async())
            await until(lambda: "call failed" in caplog.text)
        (failed,) = [r.getMessage() for r in caplog.records if "call failed" in r.getMessage()]
        # a lock is contention: the next try of the same round gets through
        await in_step(fleet, "fingerv7-001", recorder, 2)
    assert "breaker" not in caplog.text
    for part in (
        "function=register_instance",
        "'instance_id': 'fingerv7-001'",
        '"site": "sp"',
        "attempt=1",
        "sqlstate=55P03",
        f"lock_holders=decision ExclusiveLock pid={pid}",
        "program='blocker' state=idle in transaction",
    ):
        assert part in failed
    assert PASSWORD not in caplog.text
    task.cancel()
    await asyncio.wait((task,))


async def test_no_address_of_a_stream_is_logged_or_reported_with_its_secrets(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """R2.4: neither by the worker, nor in what a handler raises."""
    for address in (
        "http://me:{}@station.example/a",
        "http://station.example/b?auth={}&sig={}",
        "http://{}@station.example/c",
    ):
        fleet.query("select * from {api}.add_stream(%(url)s)", url=address.replace("{}", PASSWORD))

    async def fail(stream: Stream, context: Context) -> None:
        context.error(f"cannot open {stream.url}")
        raise OSError(f"cannot open {stream.url}")

    with caplog.at_level(logging.DEBUG, "worker_shim"):
        async with fleet.work("fingerv7-001", fail):
            await fleet.until(lambda: fleet.query("select 1 from {private}.refusal having count(*) >= 3"))
    said = [record.getMessage() for record in caplog.records]
    assert sum("handler failed" in line for line in said) >= 3 and PASSWORD not in "".join(said)
    assert PASSWORD not in str(fleet.query("select * from {private}.refusal"))


async def test_what_failed_while_the_database_was_away_is_told_after_the_first_good_beat_and_once(
    breakable_fleet: Fleet, breakable_server: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    """R4.2, R4.4"""
    fleet = breakable_fleet
    fleet.add_streams(2)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 2)
        fleet.close()
        with caplog.at_level(logging.INFO, "worker_shim"):
            await asyncio.to_thread(breakable_server.stop)
            await until(lambda: "rounds=3" in caplog.text)
            await asyncio.to_thread(breakable_server.start)
            await fleet.until(lambda: fleet.query("select 1 from {private}.failure_streak"))
        (streak,) = fleet.query("select * from {private}.failure_streak")
        assert streak["reporter"] == "fingerv7-001" and streak["consecutive"] == 2 and streak["ended_at"] is not None
        beat = fleet.instance("fingerv7-001")
        assert beat["breaker"] in ("half-open", "closed") and beat["breaker_opened"] >= 3
        counted = "select coalesce(sum(failures), 0) as failures from {private}.failure_count"
        before = fleet.query(counted)
        for _ in range(2):
            at = fleet.instance("fingerv7-001")["beat_at"]
            await fleet.until(lambda at=at: fleet.instance("fingerv7-001")["beat_at"] > at)  # type: ignore[misc]  # mypy infers no type for a default
        assert fleet.query(counted) == before
        assert fleet.instance("fingerv7-001")["breaker"] == "closed"
        assert {row["sqlstate"] for row in fleet.query("select sqlstate from {private}.incident_pattern")} <= {
            "",
            "57P01",
            "57P03",
        }
