"""What is gathered for the database, and what becomes of it when it cannot be sent."""

import asyncio
from typing import Any

import psycopg
import pytest

from worker_shim import Stream, acknowledgements
from worker_shim.acknowledgements import Acknowledgements


def stream(stream_id: int, epoch: int = 1) -> Stream:
    return Stream(stream_id, epoch, f"Radio {stream_id}", "http://station.example/", {})


class Wire:
    """The call, which can fail, and what came through."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.error: BaseException | None = None
        self.meanwhile: list[Any] = []  # what happens while the call is under way

    async def acknowledge(self, **said: Any) -> None:
        for happens, arguments in self.meanwhile:
            happens(*arguments)
        self.meanwhile = []
        if self.error is not None:
            raise self.error
        self.sent.append(said)


class Gathered:
    """Acknowledgements, what is held and prepared, and how often the loop was woken."""

    def __init__(self, *held: Stream, prepared: tuple[Stream, ...] = ()) -> None:
        self.held = {each.stream_id: each for each in held}
        self.prepared = {each.stream_id: each for each in prepared}
        self.woken = 0
        self.wire = Wire()
        self.all = Acknowledgements(self.held, self.prepared, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def fail_to_send(self, error: BaseException | None = None) -> None:
        self.wire.error = error or psycopg.OperationalError("the connection is lost")
        with pytest.raises(type(self.wire.error)):
            await self.all.send(self.wire.acknowledge)
        self.wire.error = None

    async def send(self) -> dict[str, Any]:
        await self.all.send(self.wire.acknowledge)
        return self.wire.sent[-1]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr(acknowledgements, "clock", lambda: time[0])
    return time


async def test_what_happens_in_one_moment_is_said_in_one_call_each_with_its_epoch(time: list[float]) -> None:
    first, second, third = stream(1, 5), stream(2, 6), stream(3, 7)
    gathered = Gathered(first, second, third)
    assert not gathered.all.waiting
    gathered.all.started(first)
    time[0] += 0.03
    gathered.all.started(second)
    gathered.all.stopped(8, 3)
    gathered.all.stopped(9, 4)
    gathered.all.failed(third, "404")
    gathered.all.failed(second, "timeout")
    assert gathered.all.waiting and gathered.woken == 6
    assert gathered.all.due == 1000.0 + acknowledgements.AFTER
    assert await gathered.send() == {
        "started": [1, 2],
        "started_epochs": [5, 6],
        "stopped": [8, 9],
        "stopped_epochs": [3, 4],
        "failed": [{"stream_id": 3, "epoch": 7, "error": "404"}, {"stream_id": 2, "epoch": 6, "error": "timeout"}],
    }
    assert not gathered.all.waiting


async def test_where_nothing_stopped_or_failed_nothing_is_said_of_it() -> None:
    """So that a database which does not know a parameter yet is not told of it without need."""
    one = stream(1)
    gathered = Gathered(one)
    gathered.all.started(one)
    assert await gathered.send() == {"started": [1], "started_epochs": [1], "stopped": []}


async def test_a_start_counts_under_the_epoch_that_it_has_when_it_is_said() -> None:
    one = stream(1, 5)
    gathered = Gathered(one)
    gathered.all.started(one)
    one.adopt(9)
    assert (await gathered.send())["started_epochs"] == [9]


async def test_a_start_of_what_is_held_no_more_is_not_said() -> None:
    old, other, new, ready = stream(1, 5), stream(2, 5), stream(1, 6), stream(3)
    gathered = Gathered(old, other, prepared=(ready,))
    for each in (old, other, ready):
        gathered.all.started(each)
    gathered.held[1] = new
    del gathered.held[2]
    assert (await gathered.send())["started"] == [3]


async def test_a_prepared_stream_that_is_unheard_is_not_said_to_be_heard_and_another_of_its_number_is() -> None:
    old, new = stream(1, 5), stream(1, 6)
    gathered = Gathered(prepared=(new,))
    gathered.all.started(new)
    gathered.all.unheard(old)
    assert (await gathered.send())["started"] == [1]
    gathered.all.started(new)
    gathered.all.unheard(new)
    assert (await gathered.send())["started"] == []


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("lost"), psycopg.errors.LockNotAvailable(), TimeoutError(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
async def test_what_could_not_be_sent_is_said_the_next_time_and_soon(error: BaseException, time: list[float]) -> None:
    first, second = stream(1, 5), stream(2, 6)
    gathered = Gathered(first, second)
    for each in (first, second):
        gathered.all.started(each)
        gathered.all.stopped(each.stream_id + 7, each.epoch)
        gathered.all.failed(each, f"error {each.stream_id}")
    await gathered.fail_to_send(error)
    assert gathered.all.waiting and gathered.all.due == time[0] + acknowledgements.AFTER
    await gathered.fail_to_send()
    said = await gathered.send()
    assert (said["started"], said["started_epochs"]) == ([1, 2], [5, 6])
    assert (said["stopped"], said["stopped_epochs"]) == ([8, 9], [5, 6])
    assert said["failed"] == [
        {"stream_id": 1, "epoch": 5, "error": "error 1"},
        {"stream_id": 2, "epoch": 6, "error": "error 2"},
    ]
    assert (await gathered.send())["started"] == []


async def test_what_happened_while_a_call_failed_wins_over_what_it_was_to_say() -> None:
    old, new, other = stream(1, 5), stream(1, 6), stream(2, 7)
    gathered = Gathered(old, other)
    gathered.all.started(old)
    gathered.all.started(other)
    gathered.all.failed(old, "older")
    gathered.all.failed(other, "stays")
    gathered.all.stopped(3, 4)
    gathered.all.stopped(4, 9)
    gathered.wire.meanwhile = [
        (gathered.held.__setitem__, (1, new)),
        (gathered.all.started, (new,)),
        (gathered.all.failed, (new, "newer")),
        (gathered.all.stopped, (3, 8)),
        (gathered.all.stopped, (4, 2)),
    ]
    await gathered.fail_to_send()
    said = await gathered.send()
    assert dict(zip(said["started"], said["started_epochs"], strict=True)) == {1: 6, 2: 7}
    assert {(each["stream_id"], each["epoch"], each["error"]) for each in said["failed"]} == {
        (1, 6, "newer"),
        (2, 7, "stays"),
    }
    assert dict(zip(said["stopped"], said["stopped_epochs"], strict=True)) == {3: 8, 4: 9}


async def test_what_happens_while_a_call_succeeds_is_left_for_the_next() -> None:
    first, second = stream(1), stream(2)
    gathered = Gathered(first, second)
    gathered.all.started(first)
    gathered.wire.meanwhile = [(gathered.all.started, (second,)), (gathered.all.stopped, (3, 1))]
    assert (await gathered.send())["started"] == [1]
    assert gathered.all.waiting
    said = await gathered.send()
    assert (said["started"], said["stopped"]) == ([2], [3])


async def test_a_stop_without_an_epoch_speaks_of_all() -> None:
    gathered = Gathered()
    for epochs in ((3, None), (None, 3)):
        for epoch in epochs:
            gathered.all.stopped(1, epoch)
        assert (await gathered.send())["stopped_epochs"] == [None]


async def test_an_error_is_said_in_a_thousand_characters() -> None:
    one = stream(1)
    gathered = Gathered(one)
    gathered.all.failed(one, "x" * 5000)
    assert (await gathered.send())["failed"][0]["error"] == "x" * 1000


async def test_what_is_forgotten_is_never_said() -> None:
    one = stream(1)
    gathered = Gathered(one)
    gathered.all.started(one)
    gathered.all.stopped(2, 1)
    gathered.all.failed(one, "404")
    gathered.all.forget()
    assert not gathered.all.waiting
    assert await gathered.send() == {"started": [], "started_epochs": [], "stopped": []}
