"""A worker that hears a stream before it owns it."""

import asyncio
from typing import Any

import pytest

from orchestrator.database.embedded import Embedded
from tests.shim.support import Fleet, Recorder, held, in_step, until
from worker_shim import Context, Stream


class Preparing(Recorder):
    """Says by itself that it hears a stream, or fails at what is not its own yet."""

    fails: bool = False
    hears: bool = True

    async def __call__(self, stream: Stream, context: Context) -> None:
        if not context.is_owner and self.fails:
            raise ConnectionError("one listener only")
        if self.hears:
            context.ready()
        await super().__call__(stream, context)


def _move(fleet: Fleet, stream_id: int, to: str) -> None:
    fleet.query("select * from {api}.move_stream(%(stream)s, %(to)s)", stream=stream_id, to=to)


@pytest.fixture
def ready_fleet(fleet: Fleet) -> Fleet:
    fleet.configure("handoff_mode", "make_before_break")
    return fleet


async def test_the_next_owner_hears_before_the_present_one_stops_and_its_handler_goes_on(ready_fleet: Fleet) -> None:
    fleet, one, two = ready_fleet, Preparing(), Preparing()
    two.hears = False
    [stream_id] = fleet.add_streams(1)
    async with fleet.work("one", one, make_before_break=True):
        await in_step(fleet, "one", one, 1)
        async with fleet.work("two", two, make_before_break=True) as second:
            await fleet.until(lambda: fleet.query("select 1 from {private}.instance where instance_id = 'two'"))
            _move(fleet, stream_id, "two")
            await until(lambda: stream_id in two.running, "it prepares")
            context = two.contexts[stream_id]
            assert (context.is_owner, await context.is_current(), second.streams) == (False, False, frozenset())
            assert (one.ends, await one.contexts[stream_id].is_current()) == ([], True)
            owning = asyncio.create_task(context.ownership())
            context.ready()
            await asyncio.wait_for(owning, 10)
            assert (context.is_owner, await context.is_current()) == (True, True)
            await in_step(fleet, "two", two, 1)
            await until(lambda: not one.running, "the old owner has stopped")
            assert len(two.starts) == 1, "the handler that prepared goes on"
            await fleet.until(lambda: not fleet.query("select 1 from {private}.withdrawal"), "the stop is confirmed")
            assert fleet.query("select 1 from {private}.repair") == []


async def test_a_preparation_that_fails_or_is_called_off_ends_and_the_owner_notices_nothing(ready_fleet: Fleet) -> None:
    fleet, one, two = ready_fleet, Preparing(), Preparing()
    [stream_id, other] = fleet.add_streams(2)
    async with fleet.work("one", one, make_before_break=True):
        await in_step(fleet, "one", one, 2)
        two.fails = True
        fleet.query("select * from {api}.pause_balancing()")
        async with fleet.work("two", two, make_before_break=True):
            await fleet.until(lambda: fleet.query("select 1 from {private}.instance where instance_id = 'two'"))
            _move(fleet, stream_id, "two")
            await fleet.until(lambda: fleet.query("select 1 from {private}.refusal"), "its failure is known")
            two.fails = two.hears = False
            _move(fleet, other, "two")
            await until(lambda: other in two.running, "it prepares the other one")
            _move(fleet, other, "one")
            await until(lambda: not two.running, "it was called off")
            assert one.ends == []
            assert fleet.confirmed("one") == held(one)


async def test_a_worker_that_drains_stays_until_its_last_stream_is_heard_elsewhere(ready_fleet: Fleet) -> None:
    fleet, one, two = ready_fleet, Preparing(), Preparing()
    fleet.add_streams(3)
    async with fleet.work("two", two, make_before_break=True):
        async with fleet.work("one", one, make_before_break=True, on_exit="drain") as first:
            await fleet.until(lambda: len(one.running) + len(two.running) == 3 and one.running and two.running)
            await fleet.until(lambda: fleet.confirmed("one") == held(one))
            mine = set(one.running)
            first.stop("drain")
            heard_by_both = False

            def gone() -> bool:
                nonlocal heard_by_both
                heard_by_both |= bool(mine & one.running.keys() & two.running.keys())
                assert mine <= one.running.keys() | two.running.keys(), "a stream that no worker hears"
                return not one.running

            await fleet.until(gone, "it has handed over everything")
            assert heard_by_both
        await in_step(fleet, "two", two, 3)


async def test_a_crash_of_the_database_between_prepare_and_switch_is_not_heard(
    breakable_fleet: Fleet, breakable_server: Embedded
) -> None:
    """Nor does the next owner need a notification: this one only polls."""
    fleet, one, two = breakable_fleet, Preparing(), Preparing()
    two.hears = False
    fleet.configure("handoff_mode", "make_before_break")
    [stream_id] = fleet.add_streams(1)
    both: dict[str, Any] = {"make_before_break": True, "poll_interval": 0.2}
    async with fleet.work("one", one, **both):
        await in_step(fleet, "one", one, 1)
        async with fleet.work("two", two, listen=False, **both):
            await fleet.until(lambda: fleet.query("select 1 from {private}.instance where instance_id = 'two'"))
            _move(fleet, stream_id, "two")
            await until(lambda: stream_id in two.running, "it prepares")
            await asyncio.to_thread(breakable_server.restart, immediate=True)
            fleet.close()
            await fleet.until(lambda: fleet.sessions(), "the owner's return")
            assert (one.ends, two.ends, two.contexts[stream_id].is_owner) == ([], [], False)
            two.contexts[stream_id].ready()
            await in_step(fleet, "two", two, 1)
            await until(lambda: not one.running, "the old owner has stopped")
            assert len(two.starts) == 1, "the handler that prepared goes on"
            assert fleet.query("select 1 from {private}.repair") == []


def test_callbacks_cannot_make_before_break(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match="make_before_break"):
        fleet.worker("one", None, on_start=print, on_stop=print, make_before_break=True)
