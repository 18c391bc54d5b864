"""Commands carried out: in which order, and what is said of them."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from tests.shim.ours import Ours, command
from tests.shim.support import until
from worker_shim import Stream, supervisor


@pytest.fixture
async def ours() -> AsyncIterator[Ours]:
    async with Ours().ended() as ours:
        yield ours


@pytest.fixture
async def promising() -> AsyncIterator[Ours]:
    """A worker with on_isolation = stop."""
    async with Ours(promises=True).ended() as ours:
        yield ours


@pytest.mark.parametrize("commands", [1, 3])
async def test_of_one_answer_what_is_to_stop_is_let_go_of_before_anything_starts(
    ours: Ours, commands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is given no more than it may hold, and holds no more in between."""
    old, new = range(1, commands + 1), range(11, commands + 11)
    await ours.run(*old)
    held: list[int] = []
    start = ours.all.supervisor.start

    def count_and_start(stream: Stream) -> bool:
        held.append(len(ours.all.supervisor.held))
        return start(stream)

    monkeypatch.setattr(ours.all.supervisor, "start", count_and_start)
    ours.all.apply([*(command("add", each) for each in new), *(command("remove", each) for each in old)])
    assert max(held) < commands
    await until(lambda: len(ours.steps) == 2 * commands)
    assert {stream_id for _, stream_id in ours.steps[:commands]} == set(old)


async def test_each_stop_is_told_under_its_own_epoch_when_its_handler_has_ended(ours: Ours) -> None:
    await ours.run(1, epoch=5)
    await ours.run(2, 3, epoch=7)
    ours.may_end.clear()
    ours.all.apply([command("remove", 1, 5), command("remove", 2, 7)])
    assert (await ours.said())["stopped"] == {}
    ours.may_end.set()
    await until(lambda: ours.all.acknowledgements.waiting)
    assert (await ours.said())["stopped"] == {1: 5, 2: 7}


async def test_a_stop_is_told_under_the_later_of_its_epoch_and_the_commands(ours: Ours) -> None:
    """The database may have begun an epoch of which the worker has not heard; of a still later one it says nothing."""
    await ours.run(1, 2, epoch=5)
    ours.all.apply([command("remove", 1, 8), command("remove", 2, None)])
    await until(lambda: len(ours.steps) == 2)
    assert (await ours.said())["stopped"] == {1: 8, 2: 5}


async def test_a_command_to_stop_an_ownership_before_the_present_one_is_confirmed_and_stops_nothing(ours: Ours) -> None:
    await ours.run(1, 2, epoch=5)
    assert not ours.all.apply([command("remove", 1, 4), command("remove", 2, 3)])
    assert (await ours.said()) == {"started": {}, "stopped": {1: 4, 2: 3}}
    assert ours.steps == [] and ours.all.supervisor.held.keys() == {1, 2}


async def test_what_is_not_held_is_confirmed_under_the_commands_epoch(ours: Ours) -> None:
    assert not ours.all.apply([command("remove", 1, 4), command("remove", 2, 6)])
    assert (await ours.said())["stopped"] == {1: 4, 2: 6}


async def test_a_stream_that_comes_back_while_it_ends_is_told_as_stopped_under_the_old_epoch_and_started_under_the_new(
    ours: Ours,
) -> None:
    await ours.run(1, 2, epoch=5)
    ours.may_end.clear()
    ours.all.apply([command("remove", 1, 5), command("remove", 2, 5)])
    await asyncio.sleep(0)
    ours.all.apply([command("adopt", 1, 7), command("add", 2, 7)])
    ours.may_end.set()
    await until(lambda: ours.steps.count(("start", 1)) == ours.steps.count(("start", 2)) == 1)
    assert (await ours.said()) == {"started": {1: 7, 2: 7}, "stopped": {1: 5, 2: 5}}
    ours.all.apply([command("remove", 1, 7)])
    await until(lambda: ours.all.acknowledgements.waiting)
    assert (await ours.said())["stopped"] == {1: 7}


async def test_what_is_adopted_goes_on_and_is_told_under_its_new_epoch(ours: Ours) -> None:
    """Off and on at once, when the worker has heard of neither."""
    await ours.run(1, 2, epoch=5)
    assert ours.all.apply([command("adopt", 1, 7), command("adopt", 2, 9)])
    assert ours.steps == [] and await ours.said() == {"started": {1: 7, 2: 9}, "stopped": {}}


async def test_a_full_set_stops_all_that_is_not_in_it_under_the_epochs_that_they_had(ours: Ours) -> None:
    await ours.run(1, 2, 3, epoch=5)
    ours.all.replace([command("add", 3, 5), command("add", 4, 6)])
    await until(lambda: len(ours.steps) == 3)
    said = await ours.said()
    assert said["stopped"] == {1: 5, 2: 5} and said["started"] == {3: 5, 4: 6}


# -- More than one of everything ---------------------------------------------------------


async def test_every_silent_stream_is_restarted_under_its_own_epoch_and_no_other(ours: Ours) -> None:
    await ours.run(1, 2, 3, epoch=5)
    ours.all.restart_silent([command("restart", 1, 5), command("restart", 2, 4), command("restart", 3, 5)])
    await until(lambda: ours.steps.count(("start", 1)) == ours.steps.count(("start", 3)) == 1)
    assert sorted(ours.steps) == [("end", 1), ("end", 3), ("start", 1), ("start", 3)]


async def test_all_preparations_that_are_not_named_any_more_end_and_those_that_are_go_on(ours: Ours) -> None:
    ours.all.unowned.prepare([command("prepare", each, 9) for each in (1, 2, 3, 4)])
    await until(lambda: len(ours.steps) == 4)
    ours.steps.clear()
    ours.all.unowned.prepare_only([command("prepare", 2, 9), command("add", 4, 9)])
    await until(lambda: len(ours.steps) == 2)
    assert sorted(ours.steps) == [("end", 1), ("end", 3)]
    assert ours.all.supervisor.prepared.keys() == {2, 4}


async def test_that_prepared_streams_are_heard_is_said_again_of_all_of_them(ours: Ours) -> None:
    named = [command("prepare", each, 9) for each in (1, 2, 3)]
    ours.all.unowned.prepare(named)
    await until(lambda: len(ours.contexts) == 3)
    for stream_id in (1, 3):
        ours.contexts[stream_id].ready()
    await until(lambda: ours.all.acknowledgements.waiting)
    assert (await ours.said())["started"] == {1: 9, 3: 9}
    ours.all.unowned.prepare_only(named)
    assert (await ours.said())["started"] == {1: 9, 3: 9}
    ours.all.unowned.prepare_only(named[1:])
    assert (await ours.said())["started"] == {3: 9}


async def test_one_that_promised_says_that_it_may_run_all_that_has_not_ended_beside_all_that_it_holds(
    promising: Ours,
) -> None:
    ours = promising
    await ours.run(1, 2, 3, epoch=5)
    ours.may_end.clear()
    ours.all.apply([command("remove", 1, 5), command("remove", 2, 5)])
    ours.all.apply([command("add", 4, 6)])
    assert {(each.stream_id, each.epoch) for each in ours.all.may_run()} == {(1, 5), (2, 5), (3, 5), (4, 6)}
    ours.may_end.set()
    await until(lambda: not ours.all.supervisor.ending)
    assert {each.stream_id for each in ours.all.may_run()} == {3, 4}


async def test_the_first_of_several_that_end_says_since_when(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    time = [1000.0]
    await ours.run(1, 2, 3)
    monkeypatch.setattr(supervisor, "clock", lambda: time[0])
    ours.may_end.clear()
    assert ours.all.supervisor.ending_since == math.inf
    for stream_id in (1, 2, 3):
        ours.all.apply([command("remove", stream_id)])
        time[0] += 10
        assert ours.all.supervisor.ending_since == 1000
    ours.may_end.set()
    await until(lambda: ours.all.supervisor.ending_since == math.inf)


async def test_all_that_is_let_go_of_ends(ours: Ours) -> None:
    await ours.run(1, 2, 3)
    ours.all.unowned.prepare([command("prepare", 4, 9), command("prepare", 5, 9)])
    await until(lambda: len(ours.steps) == 2)
    ours.all.supervisor.let_go()
    await until(lambda: not ours.all.supervisor.busy)
    assert {step for step in ours.steps if step[0] == "end"} == {("end", each) for each in (1, 2, 3, 4, 5)}


async def test_all_that_rest_end_first_and_all_of_them_run_again_when_they_are_kept(ours: Ours) -> None:
    await ours.run(1, 2, 3)
    await asyncio.wait_for(ours.all.supervisor.rest([1, 2]), 10)
    assert ours.steps == [("end", 1), ("end", 2)] and ours.all.supervisor.held.keys() == {1, 2, 3}
    ours.all.supervisor.resume([1, 2])
    await until(lambda: ours.steps[2:] == [("start", 1), ("start", 2)])


async def test_whether_anything_is_new_is_asked_of_all_commands(ours: Ours) -> None:
    await ours.run(1, 2)
    assert ours.all.apply([command("add", 1), command("add", 3), command("add", 2)])
    assert ours.all.apply([command("remove", 1), command("remove", 9)])
    assert not ours.all.apply([command("add", 2), command("add", 3), command("remove", 9)])
