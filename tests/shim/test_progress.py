"""Streams that make progress, and streams that are silent."""

import asyncio
import threading

import pytest

from tests.shim.support import Fleet, Recorder, in_step
from worker_shim import Stop, Stream, clock, vitals
from worker_shim.vitals import MOST_TOLD, SILENT_AFTER, Progress


def _streams(count: int) -> list[Stream]:
    return [Stream(number, 10 + number, f"Radio {number}", "http://station/", {}) for number in range(1, count + 1)]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of progress, as its only item."""
    time = [5000.0]
    monkeypatch.setattr(vitals, "clock", lambda: time[0])
    return time


def test_nothing_is_told_before_any_handler_has_reported_progress(time: list[float]) -> None:
    streams = _streams(2)
    memory = Progress()
    for stream in streams:
        memory.began(stream.stream_id)
    time[0] += 100
    assert memory.report(streams) == {}
    memory.made(1)
    assert memory.report(streams) == {
        "progressing": 1,
        "stalled": [{"stream_id": 2, "epoch": 12, "silent_for": 100.0}],
    }


def test_a_stream_is_silent_from_its_last_progress_or_its_start_on_and_the_longest_silence_comes_first(
    time: list[float],
) -> None:
    streams = _streams(3)
    memory = Progress()
    for stream in streams:
        memory.began(stream.stream_id)
        time[0] += 1
    memory.made(1)
    time[0] += SILENT_AFTER
    report = memory.report(streams)
    assert report["progressing"] == 0
    assert [stalled["stream_id"] for stalled in report["stalled"]] == [2, 3, 1]
    memory.began(3)  # its handler was started again
    memory.made(2)
    assert memory.report(streams)["progressing"] == 2


def test_a_stream_that_has_gone_is_forgotten_and_a_late_word_of_it_says_nothing(time: list[float]) -> None:
    streams = _streams(2)
    memory = Progress()
    for stream in streams:
        memory.began(stream.stream_id)
    memory.report(streams[:1])
    memory.made(2)
    time[0] += 100
    assert [stalled["stream_id"] for stalled in memory.report(streams[:1])["stalled"]] == [1]


def test_no_more_silent_streams_are_told_than_a_beat_may_name(time: list[float]) -> None:
    streams = _streams(MOST_TOLD + 5)
    memory = Progress()
    for stream in streams:
        memory.began(stream.stream_id)
    memory.made(1)
    time[0] += 60
    report = memory.report(streams)
    assert report["progressing"] == 0 and len(report["stalled"]) == MOST_TOLD == 1000


async def test_a_silent_stream_is_in_the_beat_and_is_restarted_where_it_is_under_the_same_epoch(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    silent, heard = fleet.add_streams(2)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 2)
        epoch = recorder.running[silent].epoch
        first = recorder.contexts[silent]
        recorder.contexts[heard].processed()
        await fleet.until(lambda: fleet.instance("fingerv7-001")["progressing"] == 2)
        real, began = clock.clock, clock.clock()
        monkeypatch.setattr(vitals, "clock", lambda: real() + 100)
        recorder.contexts[heard].progress()
        # the restarted handler's silence counts anew, from a clock that is 100 s ahead
        await fleet.until(lambda: recorder.contexts[silent] is not first, "the restart")
        await in_step(fleet, "fingerv7-001", recorder, 2)
        assert recorder.starts[2:] == [(silent, epoch)] and recorder.ends == [(silent, epoch)]
        (stall,) = fleet.query("select * from {private}.stall")
        assert (stall["stream_id"], stall["epoch"]) == (silent, epoch) and stall["restarted_at"] is not None
        assert real() - began < 60


async def test_threads_and_callbacks_report_progress_too(fleet: Fleet) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    fleet.add_streams(2)

    def listen(stream: Stream, stop: Stop) -> None:
        while not stop.wait(0.05):
            stop.progress()

    async with fleet.work("fingerv7-001", listen):
        await fleet.until(lambda: fleet.query("select 1 from {private}.heartbeat where progressing = 2"))

    mine: dict[int, Stream] = {}
    async with fleet.work(
        "fingerv7-002", None, on_start=lambda s: mine.update({s.stream_id: s}), on_stop=lambda s: mine.pop(s.stream_id)
    ) as worker:
        await fleet.until(lambda: len(mine) == 2)
        telling = threading.Thread(target=lambda: list(map(worker.progress, list(mine))))
        telling.start()
        await asyncio.to_thread(telling.join)
        await fleet.until(lambda: fleet.instance("fingerv7-002")["progressing"] == 2)
