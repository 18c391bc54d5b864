"""Handlers: started once, really ended before that is told, restarted when they fail."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.shim.support import Recorder, until
from worker_shim import Context, Stop, Stream, supervisor
from worker_shim.context import Counts
from worker_shim.handlers import callbacks, kill_programs, program, threaded
from worker_shim.supervisor import Handler, Supervisor
from worker_shim.vitals import Progress


def stream(stream_id: int = 1, epoch: int = 1, url: str = "http://station/1", name: str = "Radio One") -> Stream:
    return Stream(stream_id, epoch, name, url, {})


@dataclass
class Told:
    """What a supervisor told, and the supervisor."""

    started: list[tuple[int, int]] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    progress: Progress = field(default_factory=Progress)
    current: bool = True
    valid: bool = True

    async def is_current(self, stream: Stream) -> bool:
        return self.current

    def supervise(self, handler: Handler) -> Supervisor:
        return Supervisor(
            handler,
            lambda stream: Context(stream, self.counts, self.progress, self.is_current, lambda: self.valid),
            lambda stream: self.started.append((stream.stream_id, stream.epoch)),
            self.stopped.append,
            lambda stream, error: self.failed.append(error),
            stop_timeout=0.5,
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(autouse=True)
def fast_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_FIRST", 0.02)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    assert not psutil.Process().children(recursive=True)


async def test_a_handler_runs_once_per_stream_however_often_it_is_started(told: Told) -> None:
    recorder = Recorder()
    supervised = told.supervise(recorder)
    assert supervised.start(stream())
    assert not supervised.start(stream())
    await until(lambda: recorder.starts == [(1, 1)])
    await supervised.stop_all(1)
    assert recorder.ends == [(1, 1)]


async def test_a_start_that_is_asked_for_again_is_told_again_and_changes_nothing(told: Told) -> None:
    recorder = Recorder()
    supervised = told.supervise(recorder)
    supervised.start(stream())
    assert not supervised.start(stream()) and told.started == []
    await until(lambda: recorder.running)
    assert not supervised.start(stream()) and told.started == [(1, 1), (1, 1)]
    await supervised.stop_all(1)
    assert recorder.starts == [(1, 1)]


async def test_a_new_address_restarts_the_handler(told: Told) -> None:
    recorder = Recorder()
    supervised = told.supervise(recorder)
    supervised.start(stream())
    await until(lambda: recorder.running)
    assert supervised.start(stream(url="http://elsewhere/"))
    await until(lambda: recorder.running and recorder.running[1].url == "http://elsewhere/")
    assert told.stopped == [] and not recorder.doubled
    await supervised.stop_all(1)


async def test_a_stop_is_told_only_after_the_handler_has_really_ended(told: Told) -> None:
    let_end = asyncio.Event()

    async def slow(stream: Stream, context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await let_end.wait()

    supervised = told.supervise(slow)
    supervised.start(stream())
    await until(lambda: told.started)
    assert supervised.stop(1)
    assert not await supervised.stop_all(0.1)
    assert told.stopped == [] and supervised.busy
    let_end.set()
    await until(lambda: told.stopped == [1])
    assert not supervised.busy


async def test_a_stream_that_comes_back_waits_for_its_old_handler(told: Told) -> None:
    let_end = asyncio.Event()
    recorder = Recorder()

    async def slow(stream: Stream, context: Context) -> None:
        try:
            await recorder(stream, context)
        finally:
            if stream.epoch == 1:
                await let_end.wait()

    supervised = told.supervise(slow)
    supervised.start(stream(epoch=1))
    await until(lambda: recorder.starts)
    supervised.stop(1)
    supervised.start(stream(epoch=2))
    await asyncio.sleep(0.05)
    assert recorder.starts == [(1, 1)]
    let_end.set()
    await until(lambda: recorder.starts == [(1, 1), (1, 2)])
    assert told.stopped == [1] and told.started == [(1, 1), (1, 2)]
    await supervised.stop_all(1)


async def test_a_new_epoch_restarts_the_handler_and_tells_no_stop(told: Told) -> None:
    recorder = Recorder()
    supervised = told.supervise(recorder)
    supervised.start(stream(epoch=1))
    await until(lambda: recorder.starts)
    assert supervised.start(stream(epoch=2))
    await until(lambda: recorder.starts == [(1, 1), (1, 2)])
    assert told.stopped == [] and not recorder.doubled
    await supervised.stop_all(1)


async def test_a_stream_stopped_before_its_handler_began_is_told_as_stopped(told: Told) -> None:
    supervised = told.supervise(Recorder())
    supervised.start(stream())
    supervised.stop(1)
    await until(lambda: told.stopped == [1])


async def test_a_stream_that_never_ran_is_told_as_stopped_at_once(told: Told) -> None:
    assert not told.supervise(Recorder()).stop(9)
    assert told.stopped == [9]


async def test_a_handler_that_raises_is_told_and_restarted(told: Told) -> None:
    runs = 0

    async def failing(stream: Stream, context: Context) -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise OSError("station refused")
        await asyncio.Event().wait()

    supervised = told.supervise(failing)
    supervised.start(stream())
    await until(lambda: runs == 3)
    assert told.failed == ["OSError: station refused"] * 2
    assert told.started == [(1, 1)]
    await supervised.stop_all(1)


async def test_a_handler_that_returns_is_restarted(told: Told) -> None:
    async def short(stream: Stream, context: Context) -> None:
        pass

    supervised = told.supervise(short)
    supervised.start(stream())
    await until(lambda: len(told.failed) == 2)
    await supervised.stop_all(1)


async def test_a_handler_that_fails_while_it_is_stopped_is_not_restarted(told: Told) -> None:
    runs = 0

    async def sore(stream: Stream, context: Context) -> None:
        nonlocal runs
        runs += 1
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("could not say goodbye")

    supervised = told.supervise(sore)
    supervised.start(stream())
    await until(lambda: runs == 1)
    supervised.stop(1)
    await until(lambda: told.stopped == [1])
    assert runs == 1 and told.failed == []


async def test_a_handler_that_swallows_its_cancellation_is_not_restarted(told: Told) -> None:
    runs = 0

    async def deaf(stream: Stream, context: Context) -> None:
        nonlocal runs
        runs += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    supervised = told.supervise(deaf)
    supervised.start(stream())
    await until(lambda: runs == 1)
    supervised.stop(1)
    await until(lambda: told.stopped == [1])
    assert runs == 1


async def test_a_second_stop_does_not_break_into_a_handlers_own_ending(told: Told) -> None:
    ended = []

    async def careful(stream: Stream, context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            ended.append(stream)

    supervised = told.supervise(careful)
    supervised.start(stream())
    await until(lambda: told.started)
    supervised.stop(1)
    await asyncio.sleep(0.02)
    await supervised.stop_all(2)
    assert ended == [stream()]


async def test_a_plain_function_runs_in_a_thread_and_ends_when_its_event_is_set(told: Told) -> None:
    seen: list[bool] = []

    def listen(stream: Stream, stop: Stop) -> None:
        seen.append(stop.is_current())
        while not stop.wait(0.01):
            stop.processed()
        seen.append(threading.current_thread() is threading.main_thread())

    supervised = told.supervise(threaded(listen))
    supervised.start(stream())
    await until(lambda: told.counts.processed > 3)
    supervised.stop(1)
    await until(lambda: told.stopped == [1])
    assert seen == [True, False]


async def test_a_plain_function_that_raises_is_restarted(told: Told) -> None:
    def listen(stream: Stream, stop: threading.Event) -> None:
        raise ValueError("no sound")

    supervised = told.supervise(threaded(listen))
    supervised.start(stream())
    await until(lambda: told.failed[:2] == ["ValueError: no sound"] * 2)
    await supervised.stop_all(1)


async def test_callbacks_are_paired_and_a_stop_is_told_after_on_stop_has_returned(told: Told) -> None:
    calls: list[str] = []
    let_end = threading.Event()

    def on_stop(stream: Stream) -> None:
        let_end.wait(5)
        calls.append("stopped")

    supervised = told.supervise(callbacks(lambda stream: calls.append("started"), on_stop))
    supervised.start(stream())
    await until(lambda: calls == ["started"])
    supervised.stop(1)
    await asyncio.sleep(0.05)
    assert told.stopped == []
    let_end.set()
    await until(lambda: told.stopped == [1])
    assert calls == ["started", "stopped"]


async def test_an_on_start_that_raises_has_nothing_to_stop_and_is_called_again(told: Told) -> None:
    calls: list[str] = []

    def on_start(stream: Stream) -> None:
        calls.append("start")
        raise RuntimeError("no thread left")

    supervised = told.supervise(callbacks(on_start, lambda stream: calls.append("stop")))
    supervised.start(stream())
    await until(lambda: len(calls) >= 2)
    await supervised.stop_all(1)
    assert "stop" not in calls


# -- Programs -------------------------------------------------------------------

SAY = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('|'.join(sys.argv[2:])); import time; time.sleep(99)"


async def _written(path: Path) -> str:
    text = ""

    def read() -> str:
        nonlocal text
        text = path.read_text() if path.exists() else ""
        return text

    await until(read, f"something in {path}")
    return text


async def test_a_program_gets_the_stream_in_its_words_and_no_value_becomes_a_second_word(
    told: Told, tmp_path: Path
) -> None:
    out = tmp_path / "words"
    run = program(f'{sys.executable} -c "{SAY}" {out} {{url}} {{stream_id}} {{epoch}} --name={{name}}', 1)
    supervised = told.supervise(run)
    supervised.start(stream(url="http://station/;rm -rf {name}?a=$(id)", name='Rádio "Um" & Dois'))
    assert await _written(out) == 'http://station/;rm -rf {name}?a=$(id)|1|1|--name=Rádio "Um" & Dois'
    supervised.stop(1)
    await until(lambda: told.stopped == [1])


async def test_a_program_that_dies_is_restarted(told: Told) -> None:
    supervised = told.supervise(program("false", 1))
    supervised.start(stream())
    await until(lambda: told.failed[:2] == ["ProgramEnded: exit status 1"] * 2)
    await supervised.stop_all(1)


async def test_a_program_that_does_not_exist_is_a_failure_like_any_other(told: Told) -> None:
    supervised = told.supervise(program("/no/such/program", 1))
    supervised.start(stream())
    await until(lambda: told.failed and "FileNotFoundError" in told.failed[0])
    await supervised.stop_all(1)


async def test_a_program_that_ignores_sigterm_is_killed(told: Told, tmp_path: Path) -> None:
    out = tmp_path / "pid"
    code = "import os, signal, sys, time, pathlib; signal.signal(15, signal.SIG_IGN); "
    code += "pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(99)"
    supervised = told.supervise(program(f"{sys.executable} -c '{code}' {out}", 0.3))
    supervised.start(stream())
    pid = int(await _written(out))
    supervised.stop(1)
    await until(lambda: told.stopped == [1])
    assert not psutil.pid_exists(pid)


async def test_what_a_program_left_behind_is_ended_with_it(told: Told, tmp_path: Path) -> None:
    out = tmp_path / "pid"
    supervised = told.supervise(program(f"sh -c 'sleep 99 & echo $! > {out}; wait'", 1))
    supervised.start(stream())
    pid = int(await _written(out))
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    await until(lambda: told.failed and "SIGKILL" in told.failed[0])
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    await supervised.stop_all(2)


async def test_all_programs_can_be_killed_at_once(told: Told) -> None:
    supervised = told.supervise(program("sleep 600", 5))
    for stream_id in (1, 2, 3):
        supervised.start(stream(stream_id))
    await until(lambda: len(psutil.Process().children()) == 3)
    kill_programs()
    await until(lambda: len(told.failed) == 3)
    assert {error.partition(" by ")[2] for error in told.failed} == {"SIGKILL"}
    await supervised.stop_all(1)


def test_an_empty_command_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        program("  ", 1)


# -- Restarts by command -----------------------------------------------------------


async def test_a_handler_is_restarted_where_it_is_under_its_own_epoch_only(told: Told) -> None:
    recorder = Recorder()
    supervised = told.supervise(recorder)
    supervised.start(stream(epoch=4))
    await until(lambda: recorder.starts == [(1, 4)])
    assert not supervised.restart(1, 3) and not supervised.restart(2, 4)
    assert supervised.restart(1, 4)
    await until(lambda: recorder.starts == [(1, 4), (1, 4)])
    assert recorder.ends == [(1, 4)] and told.stopped == [] and told.failed == []
    supervised.stop(1)
    assert not supervised.restart(1, 4)
    await until(lambda: told.stopped == [1])
    assert len(recorder.starts) == 2 and not recorder.doubled


async def test_what_a_program_writes_is_progress_and_is_passed_on(
    told: Told, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    streams = [stream()]
    supervised = told.supervise(program("sh -c 'while echo heard; do sleep 0.02; done'", 1, progress_from_output=True))
    assert supervised.start(streams[0])
    await until(lambda: told.progress.report(streams) == {"progressing": 1})
    heard: list[bytes] = []
    await until(lambda: heard.append(capfdbinary.readouterr().out) or b"".join(heard).startswith(b"heard\nheard\n"))  # type: ignore[func-returns-value]  # it collects on the way
    await supervised.stop_all(5)


async def test_what_a_program_writes_is_no_progress_unless_asked_for(told: Told) -> None:
    supervised = told.supervise(program("sh -c 'while echo heard; do sleep 0.02; done'", 1))
    supervised.start(stream())
    await until(lambda: told.started == [(1, 1)])
    await asyncio.sleep(0.3)
    assert told.progress.report([stream()]) == {}
    await supervised.stop_all(5)


def test_a_stop_sets_itself_when_the_time_is_over(told: Told) -> None:
    loop = asyncio.new_event_loop()
    stop = Stop(Context(stream(), told.counts, told.progress, told.is_current, lambda: told.valid), loop)
    loop.close()
    assert stop.valid and not stop.is_set() and not stop.wait(0)
    told.valid = False
    assert not stop.valid and stop.is_set() and stop.wait(0)
