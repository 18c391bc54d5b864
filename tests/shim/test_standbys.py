"""A worker that is the standby of streams: it hears them, keeps what it hears, and is the next owner."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.shim.ours import Ours, command
from tests.shim.support import until
from worker_shim import Worker, supervisor, vitals
from worker_shim.stream import digest_of

NOTHING: dict[str, dict[int, int]] = {"started": {}, "stopped": {}}


@pytest.fixture
async def ours() -> AsyncIterator[Ours]:
    async with Ours(takes_standbys=True).ended() as ours:
        yield ours


def standby(stream_id: int, number: int, url: str = "http://station.example/") -> dict[str, Any]:
    return command("standby", stream_id, number, url)


def end(stream_id: int, number: int | None) -> dict[str, Any]:
    return command("standby_end", stream_id, number)


async def answer(ours: Ours, *rows: dict[str, Any]) -> bool:
    """What a beat's answer does; whether anything about standbys was new."""
    ours.all.unowned.prepare_only(rows)
    ours.all.apply([row for row in rows if row["action"] in ("add", "adopt", "remove")])
    is_new = ours.all.unowned.stand_by(rows)
    await asyncio.sleep(0.01)
    return is_new


async def stand_by(ours: Ours, **numbers: int) -> None:
    """Be the standby of these streams (s1=-50), and hear them; all of that has been told."""
    rows = [standby(int(name[1:]), number) for name, number in numbers.items()]
    await answer(ours, *rows)
    await until(lambda: {row["stream_id"] for row in rows} <= ours.contexts.keys())
    for row in rows:
        ours.contexts[row["stream_id"]].ready()
    await until(lambda: ours.all.acknowledgements.waiting)
    assert (await ours.said())["started"] == {row["stream_id"]: row["epoch"] for row in rows}
    ours.steps.clear()


def digest(ours: Ours) -> int:
    told: int = ours.all.unowned.report()["standbys"]
    return told


# -- To begin and to end -----------------------------------------------------------------


async def test_a_standby_owns_nothing_and_says_under_its_number_that_it_hears(ours: Ours) -> None:
    assert await answer(ours, standby(1, -50), standby(2, -51))
    assert sorted(ours.steps) == [("start", 1), ("start", 2)]
    assert await ours.said() == NOTHING
    context = ours.contexts[1]
    assert not context.is_owner and context.valid and not await context.is_current()
    context.ready()
    await until(lambda: ours.all.acknowledgements.waiting)
    assert await ours.said() == {"started": {1: -50}, "stopped": {}}
    assert ours.all.supervisor.held == {} and ours.all.may_run() == []
    assert {(each.stream_id, each.epoch) for each in ours.all.unowned.standbys} == {(1, -50), (2, -51)}
    assert digest(ours) == digest_of([(1, -50), (2, -51)])


async def test_what_an_answer_does_not_name_stays(ours: Ours) -> None:
    """So that a worker with many is not told of all of them at each beat."""
    await stand_by(ours, s1=-50, s2=-51)
    for rows in ([], [command("notice", 0)], [command("prepare", 7, 9)], [command("add", 8, 3)], [standby(3, -52)]):
        await answer(ours, *rows)
    assert ("end", 1) not in ours.steps and ("end", 2) not in ours.steps
    assert digest(ours) == digest_of([(1, -50), (2, -51), (3, -52)])
    assert not {1, 2} & (await ours.said())["started"].keys(), "nor is told again what is known"


async def test_one_that_is_to_end_ends_without_a_word_and_one_of_an_older_number_goes_on(ours: Ours) -> None:
    await stand_by(ours, s1=-50, s2=-51, s3=-52)
    assert await answer(ours, end(1, -50), end(2, -40), end(9, -53))
    assert ours.steps == [("end", 1)]
    assert digest(ours) == digest_of([(2, -51), (3, -52)])
    assert not await answer(ours, end(1, -50)) and await ours.said() == NOTHING


async def test_a_row_of_stream_0_ends_all_that_its_answer_does_not_name(ours: Ours) -> None:
    await stand_by(ours, s1=-50, s2=-51, s3=-52)
    await answer(ours, standby(2, -51), standby(4, -60), end(0, 0))
    assert sorted(ours.steps) == [("end", 1), ("end", 3), ("start", 4)]
    assert digest(ours) == digest_of([(2, -51), (4, -60)])
    assert (await ours.said())["started"] == {2: -51}, "named again: perhaps it is not known to be heard"
    await answer(ours, end(0, None))
    assert digest(ours) == 0 and ours.all.supervisor.prepared == {}


async def test_another_number_keeps_the_handler_and_another_address_does_not(ours: Ours) -> None:
    await stand_by(ours, s1=-50, s2=-51)
    await answer(ours, end(1, -50), standby(1, -60), standby(2, -51, "http://station.example/new"))
    assert ours.steps == [("end", 2), ("start", 2)]
    assert digest(ours) == digest_of([(1, -60), (2, -51)])
    assert (await ours.said())["started"] == {1: -60}


async def test_the_owner_of_a_stream_stops_before_it_becomes_its_standby(ours: Ours) -> None:
    await ours.run(1, 2, epoch=5)
    assert not await answer(ours, standby(2, -51)), "it is the owner still"
    await answer(ours, command("remove", 1, 5), standby(1, -50))
    await until(lambda: ours.steps == [("end", 1), ("start", 1)])
    assert (await ours.said())["stopped"] == {1: 5}
    assert not ours.contexts[1].is_owner and digest(ours) == digest_of([(1, -50)])


async def test_a_worker_that_takes_none_is_the_standby_of_nothing_and_tells_nothing() -> None:
    async with Ours().ended() as ours:
        assert not await answer(ours, standby(1, -50), end(0, 0))
        assert ours.steps == [] and ours.all.unowned.report() == {}


# -- The owner is lost -------------------------------------------------------------------


@pytest.mark.parametrize("action", ["add", "adopt"])
@pytest.mark.parametrize("epoch", [3, 2**52])
async def test_a_standby_becomes_the_owner_where_it_is(ours: Ours, action: str, epoch: int) -> None:
    await stand_by(ours, s1=-50, s2=-51)
    context = ours.contexts[1]
    owning = asyncio.create_task(context.ownership())
    await answer(ours, command(action, 1, epoch))
    await asyncio.wait_for(owning, 5)
    assert ours.steps == [], "its handler goes on"
    assert (context.is_owner, context.stream.epoch, context.valid) == (True, epoch, True)
    assert await ours.said() == {"started": {1: epoch}, "stopped": {}}
    assert ours.all.may_run() == [context.stream] and digest(ours) == digest_of([(2, -51)])
    await answer(ours, command("remove", 1, epoch))
    await until(lambda: ours.steps == [("end", 1)])
    assert (await ours.said())["stopped"] == {1: epoch}


async def test_a_full_set_promotes_too_and_ends_no_standby(ours: Ours) -> None:
    await stand_by(ours, s1=-50, s2=-51)
    ours.all.replace([command("add", 1, 7)])
    await asyncio.sleep(0.01)
    assert ours.steps == [] and ours.contexts[1].is_owner and digest(ours) == digest_of([(2, -51)])


async def test_one_that_does_not_hear_yet_is_the_owner_all_the_same(ours: Ours) -> None:
    await answer(ours, standby(1, -50))
    await answer(ours, command("add", 1, 7))
    assert ours.steps == [("start", 1)] and (await ours.said())["started"] == {1: 7}


async def test_a_promotion_waits_for_no_pause_after_a_failure(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_FIRST", 600.0)
    ours.fails = {1}
    await answer(ours, standby(1, -50))
    await until(lambda: ours.all.acknowledgements.waiting)
    ours.fails = set()
    ours.steps.clear()
    await answer(ours, command("add", 1, 7))
    await until(lambda: ours.steps == [("start", 1)])
    assert ours.contexts[1].is_owner and (await ours.said())["started"] == {1: 7}


async def test_a_handler_that_reads_its_epoch_once_starts_anew_as_the_owner(ours: Ours) -> None:
    """As a program does: its number is none."""
    vars(ours.all.supervisor._handler)["reads_epoch_once"] = True
    await stand_by(ours, s1=-50)
    await answer(ours, command("add", 1, 7))
    await until(lambda: ours.steps == [("end", 1), ("start", 1)])
    assert ours.contexts[1].is_owner and (await ours.said())["started"] == {1: 7}


async def test_what_is_added_with_another_address_is_heard_there(ours: Ours) -> None:
    await stand_by(ours, s1=-50)
    await answer(ours, command("add", 1, 7, "http://station.example/new"))
    await until(lambda: ours.steps == [("end", 1), ("start", 1)])
    assert ours.contexts[1].is_owner and ours.contexts[1].stream.url.endswith("new")


# -- Hand-overs --------------------------------------------------------------------------


@pytest.mark.parametrize("by_beat", [True, False])
async def test_a_hand_over_to_the_standby_keeps_its_handler_and_is_told_under_the_epoch(
    ours: Ours, by_beat: bool
) -> None:
    await stand_by(ours, s1=-50, s2=-51)
    rows = [command("prepare", 1, 9)]
    if by_beat:
        await answer(ours, *rows)
    else:
        ours.all.unowned.prepare(rows)
    assert ours.steps == [] and not ours.contexts[1].is_owner
    assert (await ours.said())["started"] == {1: 9} and ours.all.unowned.are_due
    assert [each.stream_id for each in ours.all.unowned.standbys] == [2]
    assert digest(ours) == digest_of([(1, -50), (2, -51)]), "it is its standby still, until it is told otherwise"
    await answer(ours, command("add", 1, 9))
    assert ours.steps == [] and ours.contexts[1].is_owner and not ours.all.unowned.are_due


async def test_a_hand_over_that_is_called_off_leaves_the_standby(ours: Ours) -> None:
    await stand_by(ours, s1=-50)
    await answer(ours, command("prepare", 1, 9))
    await ours.said()
    await answer(ours)
    assert ours.steps == [] and ours.contexts[1].stream.epoch == -50
    assert await ours.said() == NOTHING and digest(ours) == digest_of([(1, -50)])


async def test_a_standby_that_ends_while_the_stream_is_on_its_way_to_it_goes_on_until_that_is_called_off(
    ours: Ours,
) -> None:
    await stand_by(ours, s1=-50)
    await answer(ours, command("prepare", 1, 9), end(1, -50))
    assert ours.steps == [] and digest(ours) == 0
    await answer(ours)
    assert ours.steps == [("end", 1)]


async def test_what_is_on_its_way_may_become_a_standby(ours: Ours) -> None:
    await answer(ours, command("prepare", 1, 9))
    await answer(ours, command("prepare", 1, 9), standby(1, -50))
    assert ours.contexts[1].stream.epoch == 9
    await answer(ours)
    assert ours.steps == [("start", 1)] and ours.contexts[1].stream.epoch == -50


# -- What is told ------------------------------------------------------------------------


async def test_a_standby_that_fails_is_told_under_its_number_and_tried_again(
    ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RESTART_FIRST", 0.02)
    ours.fails = {1}
    await answer(ours, standby(1, -50))
    await until(lambda: ours.steps.count(("start", 1)) >= 3)
    assert await ours.said() == NOTHING and ours.failed == [(1, -50)]
    assert digest(ours) == digest_of([(1, -50)]), "until the database gives it to another"
    await answer(ours, end(1, -50))
    await until(lambda: not ours.all.supervisor.busy)


async def test_a_standby_that_lost_its_station_says_again_that_it_hears(ours: Ours) -> None:
    await answer(ours, standby(1, -50))
    stream = ours.contexts[1].stream
    ours.all.unowned.hears(stream)
    ours.all.unowned.interrupted(stream)
    assert await ours.said() == NOTHING, "it does not hear it now"
    ours.all.unowned.hears(stream)
    assert (await ours.said())["started"] == {1: -50}
    ours.all.unowned.hears(stream)
    assert await ours.said() == NOTHING, "a handler may say so with each second"


async def test_over_a_new_connection_it_is_told_which_standbys_hear(ours: Ours) -> None:
    """The database may be another than it was, and not know."""
    await stand_by(ours, s1=-50, s2=-51)
    await answer(ours, standby(3, -52))
    ours.all.unowned.say_again()
    assert (await ours.said())["started"] == {1: -50, 2: -51}


async def test_the_window_is_known_before_the_handler_starts_and_may_change(ours: Ours) -> None:
    assert ours.all.unowned.report()["standby_window"] == 120
    await answer(ours, standby(1, -50), {**command("notice", 0), "metadata": {"standby_window": 75.5}})
    context = ours.contexts[1]
    assert context.window_seconds == 75.5 == ours.all.unowned.report()["standby_window"]
    await answer(ours, {**command("notice", 0), "metadata": {"next_beat_in": 2}})
    assert context.window_seconds == 75.5
    await answer(ours, {**command("notice", 0), "metadata": {"standby_window": 300}})
    assert context.window_seconds == 300


async def test_silent_standbys_are_told_apart_from_what_is_owned(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is known which of them could take over."""
    time = [1000.0]
    monkeypatch.setattr(vitals, "clock", lambda: time[0])
    await ours.run(1, 2, epoch=5)
    await stand_by(ours, s3=-50, s4=-51)
    time[0] += 15
    for stream_id in (1, 3):
        ours.contexts[stream_id].progress()
    supervised, unowned = ours.all.supervisor, ours.all.unowned
    assert ours.all.progress.report(supervised.running, set(unowned.standbys)) == {
        "progressing": 1,
        "stalled": [{"stream_id": 2, "epoch": 5, "silent_for": 15}],
        "standbys_silent": [{"stream_id": 4, "epoch": -51, "silent_for": 15}],
    }


# -- To leave ----------------------------------------------------------------------------


async def test_all_standbys_end_when_the_worker_leaves_and_what_is_owned_or_on_its_way_does_not(ours: Ours) -> None:
    await ours.run(1, epoch=5)
    await stand_by(ours, s2=-50, s3=-51)
    await answer(ours, command("prepare", 4, 9))
    ours.steps.clear()
    ours.all.unowned.end_standbys()
    await until(lambda: sorted(ours.steps) == [("end", 2), ("end", 3)])
    assert digest(ours) == 0 and await ours.said() == NOTHING


async def test_what_isolation_lets_go_of_is_no_standby_any_more() -> None:
    async with Ours(promises=True, takes_standbys=True).ended() as ours:
        await stand_by(ours, s1=-50)
        ours.all.isolate()
        await until(lambda: ours.steps == [("end", 1)])
        assert digest(ours) == 0 and ours.all.unowned.standbys == []


def test_only_a_handler_that_makes_before_it_breaks_can_be_a_standby() -> None:
    async def listen(stream: Any, context: Any) -> None: ...

    with pytest.raises(ValueError, match="standbys needs make_before_break"):
        Worker("", "fv-1", 10, listen, standbys=True)
    assert Worker("", "fv-1", 10, listen, make_before_break=True, standbys=True).standbys == frozenset()
