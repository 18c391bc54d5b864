"""A database that begins a new generation: handlers go on, and read the new epoch when they write."""

import asyncio

import pytest

from tests.shim.support import Fleet, Recorder, held, in_step, until
from worker_shim import Context, Stream
from worker_shim.handlers import program


def _begin_generation(fleet: Fleet) -> None:
    fleet.query("update {private}.controller set fingerprint = 'another'")


def _generations(fleet: Fleet) -> int:
    return len(fleet.query("select * from {api}.decisions where rule = 'new generation'"))


def _adopting(fleet: Fleet) -> bool:
    return bool(fleet.query("select stream_id from {private}.assignment where adopted_from is not null"))


async def test_handlers_go_on_and_a_result_that_waits_carries_its_ownership(fleet: Fleet) -> None:
    fleet.add_streams(3)
    recorder = Recorder()
    async with fleet.work("fv-1", recorder):
        await in_step(fleet, "fv-1", recorder, 3)
        waiting = list(recorder.running.values())
        first = {stream.stream_id: stream.epoch for stream in waiting}
        _begin_generation(fleet)
        await fleet.until(lambda: min(e for _, e in held(recorder)) > 2**40, "the new epochs")
        await in_step(fleet, "fv-1", recorder, 3)
        assert recorder.ends == []
        for stream in waiting:
            assert stream.epoch > first[stream.stream_id]
            assert await recorder.contexts[stream.stream_id].is_current()
        assert not fleet.query("select * from {api}.repairs")


async def test_an_ownership_that_ended_keeps_its_last_epoch(fleet: Fleet) -> None:
    fleet.add_streams(1)
    recorder = Recorder()
    async with fleet.work("fv-1", recorder):
        await in_step(fleet, "fv-1", recorder, 1)
        [stream] = recorder.running.values()
        epoch = stream.epoch
        fleet.query("select * from {api}.set_stream_active(1, false)")
        await fleet.until(lambda: not recorder.running, "the stop")
        _begin_generation(fleet)
        fleet.query("select * from {api}.set_stream_active(1, true)")
        await in_step(fleet, "fv-1", recorder, 1)
        assert (stream.epoch, len(recorder.starts)) == (epoch, 2)


async def test_a_worker_that_registers_anew_adopts_as_well(fleet: Fleet) -> None:
    fleet.add_streams(2)
    recorder = Recorder()
    async with fleet.work("fv-1", recorder) as worker:
        await in_step(fleet, "fv-1", recorder, 2)
        _begin_generation(fleet)
        worker._protocol._register_anew("a test")
        await fleet.until(lambda: min(e for _, e in held(recorder)) > 2**40, "the new epochs")
        await in_step(fleet, "fv-1", recorder, 2)
        assert recorder.ends == []


@pytest.mark.parametrize("command", ["sleep 600", "sh -c 'sleep 600' {epoch}", "sh -c 'echo $STREAM_EPOCH; sleep 600'"])
async def test_a_program_that_was_told_its_epoch_is_started_anew(fleet: Fleet, command: str) -> None:
    fleet.add_streams(1)
    starts: list[int] = []
    run = program(command, 2)

    async def handler(stream: Stream, context: Context) -> None:
        starts.append(stream.epoch)
        await run(stream, context)

    vars(handler).update(vars(run))
    async with fleet.work("fv-1", handler):
        await fleet.until(lambda: len(fleet.confirmed("fv-1")) == 1, "the start")
        _begin_generation(fleet)
        await fleet.until(lambda: _generations(fleet), "the look")
        await fleet.until(lambda: not _adopting(fleet), "the new epoch")
        assert len(starts) == (1 if command == "sleep 600" else 2)


async def test_what_a_fence_refused_is_written_under_a_later_epoch(fleet: Fleet) -> None:
    fleet.add_streams(1)
    recorder = Recorder()
    async with fleet.work("fv-1", recorder):
        await in_step(fleet, "fv-1", recorder, 1)
        [stream] = recorder.running.values()
        assert await recorder.contexts[1].renew_epoch(70)
        assert stream.epoch == 71
        await until(lambda: (1, 71) in fleet.confirmed("fv-1"), "it to be confirmed")
        assert recorder.ends == []
        fleet.query("select * from {api}.set_stream_active(1, false)")
        await fleet.until(lambda: not recorder.running, "the stop")
        assert not await recorder.contexts[1].renew_epoch(100)
        await asyncio.sleep(0)
