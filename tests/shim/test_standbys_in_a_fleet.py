"""Standbys of a real fleet: who hears a stream beside its owner goes on as the owner."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.shim.support import Fleet, Recorder, in_step, until
from worker_shim import Context, Stream


@dataclass
class Hearing(Recorder):
    """Hears at once what is another's, unless it fails at it."""

    fails: bool = False

    async def __call__(self, stream: Stream, context: Context) -> None:
        if not context.is_owner and self.fails:
            raise ConnectionError("one listener only")
        context.ready()
        await super().__call__(stream, context)


@pytest.fixture
def fleet_with_standbys(fleet: Fleet) -> Fleet:
    fleet.configure("standbys", "1")
    fleet.configure("heartbeat_interval", "1 second")
    return fleet


def options(host: str, **more: Any) -> dict[str, Any]:
    return {"make_before_break": True, "standbys": True, "host": host} | more


def hearing(fleet: Fleet) -> dict[int, str]:
    """stream_id → its standby that hears it"""
    rows = fleet.query("select stream_id, instance_id from {private}.standby where state = 'hearing'")
    return {row["stream_id"]: row["instance_id"] for row in rows}


async def all_have_one(fleet: Fleet, count: int) -> None:
    await fleet.until(
        lambda: (
            len(hearing(fleet)) == count and all(state == "running" for _, _, state in fleet.assignments().values())
        ),
        f"{count} standbys hear",
    )


@pytest.mark.parametrize("listen", [True, False])
async def test_when_the_owner_is_gone_its_standby_goes_on_as_the_owner(
    fleet_with_standbys: Fleet, listen: bool
) -> None:
    fleet, one, two = fleet_with_standbys, Hearing(), Hearing()
    fleet.add_streams(4)
    async with fleet.work("two", two, **options("b", listen=listen, poll_interval=0.2)) as second:
        async with fleet.work("one", one, **options("a")):
            await all_have_one(fleet, 4)
            assert all(fleet.assignments()[each][0] != standby for each, standby in hearing(fleet).items())
            stood_by = {each for each, standby in hearing(fleet).items() if standby == "two"}
            await until(lambda: {each.stream_id for each in second.standbys} == stood_by)
            before = {each: two.starts.count((each, two.running[each].epoch)) for each in stood_by}
            assert stood_by and set(before.values()) <= {0, 1}
            two.starts.clear()
        await in_step(fleet, "two", two, 4)
        assert {each for each, _ in two.starts} & stood_by == set(), "their handlers went on"
        assert all(two.contexts[each].is_owner for each in two.running) and second.standbys == frozenset()
        assert fleet.query("select 1 from {private}.repair") == []


async def test_a_hand_over_to_the_standby_starts_nothing(fleet_with_standbys: Fleet) -> None:
    fleet, one, two = fleet_with_standbys, Hearing(), Hearing()
    fleet.configure("handoff_mode", "make_before_break")
    [stream_id] = fleet.add_streams(1)
    async with fleet.work("one", one, **options("a")), fleet.work("two", two, **options("b")):
        await all_have_one(fleet, 1)
        [(_, standby)] = hearing(fleet).items()
        heard = two if standby == "two" else one
        heard.starts.clear()
        fleet.query("select * from {api}.move_stream(%(stream)s, %(to)s)", stream=stream_id, to=standby)
        await in_step(fleet, standby, heard, 1)
        assert heard.starts == [] and heard.contexts[stream_id].is_owner


@pytest.mark.parametrize("trouble", ["the connection is cut", "registered anew"])
async def test_what_happens_between_a_worker_and_the_database_stops_no_standby(
    fleet_with_standbys: Fleet, trouble: str
) -> None:
    fleet, one, two = fleet_with_standbys, Hearing(), Hearing()
    fleet.add_streams(4)
    async with fleet.work("one", one, **options("a")), fleet.work("two", two, **options("b")) as second:
        await all_have_one(fleet, 4)
        ends = [*one.ends, *two.ends]
        if trouble == "registered anew":
            second._protocol._register_anew("a test")
            second._loop.wake.set()
            await fleet.until(lambda: fleet.instance("two")["incarnation"] > 1, "it registers")
        else:
            # a database that was restored or promoted may not know what it knew
            fleet.query("update {private}.standby set state = 'assigned', heard_since = null")
            assert fleet.cut_workers() == 2
            await fleet.until(lambda: fleet.sessions() == 2, "both are back")
        beats = {each: fleet.instance(each)["beats"] for each in ("one", "two")}
        await fleet.until(lambda: all(fleet.instance(each)["beats"] >= beats[each] + 2 for each in beats))
        await all_have_one(fleet, 4)
        assert [*one.ends, *two.ends] == ends


async def test_a_standby_that_fails_is_replaced_and_the_owner_notices_nothing(fleet_with_standbys: Fleet) -> None:
    fleet, one, two, three = fleet_with_standbys, Hearing(), Hearing(fails=True), Hearing()
    [stream_id] = fleet.add_streams(1)
    async with fleet.work("one", one, **options("a")):
        await in_step(fleet, "one", one, 1)
        async with fleet.work("two", two, **options("b")):
            await fleet.until(
                lambda: fleet.query("select 1 from {private}.refusal where instance_id = 'two'"), "it is known to fail"
            )
            async with fleet.work("three", three, **options("c")):
                await fleet.until(lambda: hearing(fleet) == {stream_id: "three"}, "another one hears")
                assert one.ends == [] and fleet.assignments()[stream_id][0] == "one"


async def test_a_worker_that_leaves_ends_its_standbys_first(fleet_with_standbys: Fleet) -> None:
    fleet, one, two = fleet_with_standbys, Hearing(), Hearing()
    fleet.add_streams(2)
    async with fleet.work("one", one, **options("a", max_streams=10)):
        await in_step(fleet, "one", one, 2)
        async with fleet.work("two", two, **options("b", on_exit="drain")) as second:
            await all_have_one(fleet, 2)
            stood_by = {each.stream_id for each in second.standbys}
            second.stop()
            await asyncio.sleep(0)
            await until(lambda: second.standbys == frozenset() and not stood_by & two.running.keys())
        await in_step(fleet, "one", one, 2)
        await fleet.until(lambda: fleet.query("select 1 from {private}.standby where ended_at is null") == [])
