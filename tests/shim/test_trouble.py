"""When something breaks: connections cut, the server restarted or away, the network frozen, a pooler in between."""

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg import sql

from orchestrator.database.embedded import Embedded
from tests.pooler import Pooler
from tests.shim.support import Fleet, Recorder, Wire, held, in_step, until
from tests.standby import promote, start_standby

# -- Connections -----------------------------------------------------------------


async def test_a_cut_connection_stops_no_handler_and_the_session_is_tied_again(fleet: Fleet) -> None:
    """R5.1, R5.2"""
    fleet.add_streams(4)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 4)
        for _ in range(3):
            assert fleet.cut_workers() == 1
            await fleet.until(lambda: fleet.sessions() == 1, "the worker's return")
        fleet.add_streams(1)
        await in_step(fleet, "fingerv7-001", recorder, 5)
        assert fleet.instance("fingerv7-001")["incarnation"] == 1
    assert len(recorder.starts) == 5


async def test_a_connection_cut_again_and_again_during_commands_loses_nothing(fleet: Fleet) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    one = Recorder()
    two = Recorder(beside=one)
    one.beside = two
    async with fleet.work("fingerv7-001", one, max_streams=30), fleet.work("fingerv7-002", two, max_streams=30):
        for _ in range(8):
            fleet.add_streams(4)
            fleet.drive()
            fleet.cut_workers()
            await asyncio.sleep(0.05)
            fleet.cut_workers()
        await in_step(fleet, "fingerv7-001", one, 16)
        await in_step(fleet, "fingerv7-002", two, 16)
    assert not one.doubled and not two.doubled


async def test_a_worker_that_reached_a_server_that_is_read_only_connects_anew(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """R5.1: as after a failover, while the name still leads to the standby."""
    fleet.add_streams(2)
    recorder = Recorder()
    with psycopg.connect(fleet.dsn, autocommit=True) as other:
        name = sql.Identifier(other.info.dbname)
        other.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
        task = asyncio.create_task(fleet.worker("fingerv7-001", recorder).run_async())
        await until(lambda: "sqlstate=25006" in caplog.text)
        other.execute(sql.SQL("alter database {} reset default_transaction_read_only").format(name))
    await in_step(fleet, "fingerv7-001", recorder, 2)
    task.cancel()
    await asyncio.wait((task,))


@pytest.mark.parametrize("listen", [True, False])
async def test_a_worker_that_starts_against_a_standby_waits_until_it_is_promoted(
    breakable_fleet: Fleet, breakable_server: Embedded, listen: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """R5.1: without LISTEN the first thing that a standby refuses is a function, under another code."""
    breakable_fleet.add_streams(2)
    with TemporaryDirectory(prefix="orch-standby-", dir="/tmp") as directory:
        await asyncio.to_thread(Path(directory).chmod, 0o755)
        standby = await asyncio.to_thread(start_standby, breakable_server, Path(directory) / "data")
        try:
            fleet = Fleet(standby.dsn(), breakable_fleet.names)
            recorder = Recorder()
            task = asyncio.create_task(fleet.worker("fingerv7-001", recorder, listen=listen).run_async())
            await until(lambda: "rounds=2" in caplog.text or task.done(), "two rounds of tries")
            assert not task.done()
            breakable_fleet.close()
            await asyncio.to_thread(breakable_server.stop)
            await asyncio.to_thread(promote, standby)
            fleet.configure("settle_window", "0 seconds")
            await in_step(fleet, "fingerv7-001", recorder, 2)
            task.cancel()
            await asyncio.wait((task,))
            fleet.close()
        finally:
            await asyncio.to_thread(standby.stop)


@pytest.mark.parametrize("immediate", [False, True], ids=["fast", "crash"])
async def test_a_restart_of_the_database_stops_no_handler(
    breakable_fleet: Fleet, breakable_server: Embedded, immediate: bool
) -> None:
    fleet = breakable_fleet
    fleet.add_streams(6)
    one, two = Recorder(), Recorder()
    async with fleet.work("fingerv7-001", one), fleet.work("fingerv7-002", two):
        await in_step(fleet, "fingerv7-001", one, 3)
        await in_step(fleet, "fingerv7-002", two, 3)
        starts = one.starts + two.starts
        fleet.close()
        await asyncio.to_thread(breakable_server.restart, immediate=immediate)
        await fleet.until(lambda: fleet.sessions() == 2, "both workers' return")
        fleet.add_streams(2)
        await in_step(fleet, "fingerv7-001", one, 4)
        await in_step(fleet, "fingerv7-002", two, 4)
        assert len(one.starts + two.starts) == len(starts) + 2 and one.ends == two.ends == []


# -- Isolation -------------------------------------------------------------------


async def test_handlers_go_on_while_the_database_is_away_and_the_breaker_slows_the_tries(
    breakable_fleet: Fleet, breakable_server: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    """R5.1, R5.2, R5.4"""
    fleet = breakable_fleet
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 3)
        fleet.close()
        with caplog.at_level(logging.INFO, "worker_shim"):
            await asyncio.to_thread(breakable_server.stop)
            await until(lambda: "rounds=4" in caplog.text)
        assert len(recorder.running) == 3
        await asyncio.to_thread(breakable_server.start)
        await fleet.until(lambda: fleet.sessions() == 1)
        await in_step(fleet, "fingerv7-001", recorder, 3)
        assert fleet.instance("fingerv7-001")["incarnation"] == 1
    assert len(recorder.starts) == 3


# -- Network ---------------------------------------------------------------------


async def test_a_frozen_network_is_noticed_by_the_beat_and_survived(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """R5.3"""
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    with TemporaryDirectory(prefix="orch-wire-", dir="/tmp") as directory:
        wire = Wire(fleet.dsn, directory)
        async with wire.open(), fleet.work("fingerv7-001", recorder, dsn=wire.dsn, network_timeout=1):
            await in_step(fleet, "fingerv7-001", recorder, 3)
            wire.freeze()
            await until(lambda: "database away" in caplog.text)
            assert len(recorder.running) == 3
            wire.thaw()
            beat = fleet.instance("fingerv7-001")["beat_at"]
            await fleet.until(lambda: fleet.instance("fingerv7-001")["beat_at"] > beat)
            await in_step(fleet, "fingerv7-001", recorder, 3)
    assert len(recorder.starts) == 3


# -- Behind a pooler -------------------------------------------------------------


async def test_behind_a_pooler_in_transaction_mode_a_worker_polls_and_is_as_correct(
    fleet: Fleet, pooler: Pooler
) -> None:
    fleet.add_streams(4)
    dsn = pooler.dsn(fleet.dsn)
    one = Recorder()
    two = Recorder(beside=one)
    one.beside = two
    async with fleet.work("fingerv7-001", one, dsn=dsn, poll_interval=0.3):
        await in_step(fleet, "fingerv7-001", one, 4)
        fleet.add_streams(2)
        await in_step(fleet, "fingerv7-001", one, 6)
        assert fleet.instance("fingerv7-001")["session_key"] is None
        async with fleet.work("fingerv7-002", two, dsn=dsn, poll_interval=0.3):
            await in_step(fleet, "fingerv7-002", two, 3)
            await in_step(fleet, "fingerv7-001", one, 3)
            context = two.contexts[min(two.running)]
            assert await context.is_current()
        await in_step(fleet, "fingerv7-001", one, 6)
        # Nothing of a session was left in the connections that all share.
        assert fleet.query("select 1 from pg_locks where locktype = 'advisory' and granted") == []
    assert not one.doubled and not two.doubled


async def test_behind_a_pooler_cut_server_connections_stop_no_handler(fleet: Fleet, pooler: Pooler) -> None:
    fleet.add_streams(3)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder, dsn=pooler.dsn(fleet.dsn), poll_interval=0.2):
        await in_step(fleet, "fingerv7-001", recorder, 3)
        for _ in range(3):
            fleet.query(
                "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            beat = fleet.instance("fingerv7-001")["beat_at"]
            await fleet.until(lambda before=beat: fleet.instance("fingerv7-001")["beat_at"] > before)  # type: ignore[misc]  # mypy infers no type for a default
        assert held(recorder) == fleet.confirmed("fingerv7-001")
    assert len(recorder.starts) == 3
