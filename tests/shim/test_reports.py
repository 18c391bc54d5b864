"""When telling of a failure fails itself: nothing is lost by it, and nothing that was well is harmed."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.shim.support import Recorder, until
from worker_shim import Worker, retry
from worker_shim.calls import Calls, Member
from worker_shim.connection import Listener

LOST = psycopg.OperationalError("the connection is lost")


class Stale(psycopg.DatabaseError):
    sqlstate = "OR301"


class Line:
    """In place of a listener: each function answers, or fails as many times as it is to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.errors: dict[str, list[BaseException]] = {}
        self.connected = True
        self.shared = False
        self.pooled = False
        self.closed = 0
        self.left = 0

    def fails(self, function: str, *errors: BaseException) -> None:
        self.errors.setdefault(function, []).extend(errors)

    async def call(self, function: str, **parameters: Any) -> list[dict[str, Any]]:
        self.asked.append((function, parameters))
        if self.errors.get(function):
            raise self.errors[function].pop(0)
        return [] if function == "lock_holders" else [{"recorded": 1, "recovery": False}]

    async def connect(self) -> None:
        if self.errors.get("connect"):
            raise self.errors["connect"].pop(0)
        self.connected = True

    async def close(self) -> None:
        self.closed += 1

    def leave(self) -> None:
        self.left += 1

    def hang_up(self) -> None: ...

    def reports(self) -> list[dict[tuple[str, str | None], int]]:
        """What each report said: how often each function failed, and how."""
        return [
            {(each["function"], each["sqlstate"]): each["count"] for each in parameters["failures"]}
            for function, parameters in self.asked
            if function == "report_failures"
        ]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    one_round = retry.one_round
    monkeypatch.setattr("worker_shim.calls.one_round", lambda: one_round().copy(wait=lambda _: 0))


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def calls(line: Line) -> Calls:
    async def connected() -> None: ...

    return Calls(line, connected)  # type: ignore[arg-type]  # it listens to nothing


async def _fail(calls: Calls, line: Line, function: str, error: type[psycopg.Error]) -> None:
    line.fails(function, *(error("no") for _ in range(3)))
    with pytest.raises(error):
        await calls.call(function)


async def test_what_a_report_that_failed_was_to_tell_is_told_by_the_next_with_what_came_since(
    calls: Calls, line: Line
) -> None:
    await _fail(calls, line, "heartbeat", psycopg.errors.LockNotAvailable)
    await _fail(calls, line, "acknowledge", psycopg.errors.AdminShutdown)
    for function in ("heartbeat", "acknowledge"):
        await calls.call(function)  # their runs are over
    line.fails("report_failures", LOST, psycopg.errors.LockNotAvailable())
    for _ in range(2):
        with pytest.raises(psycopg.Error):
            await calls.report_failures(instance_id="fv-1")
    await _fail(calls, line, "heartbeat", psycopg.errors.LockNotAvailable)
    await calls.call("heartbeat")
    await calls.report_failures(instance_id="fv-1")
    before = {("heartbeat", "55P03"): 1, ("acknowledge", "57P01"): 1}
    assert line.reports() == [before, before, before | {("heartbeat", "55P03"): 2}]
    await calls.report_failures(instance_id="fv-1")
    assert len(line.reports()) == 3  # there is nothing more to tell


async def test_failures_that_come_while_a_report_is_under_way_are_told_by_the_next(
    calls: Calls, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _fail(calls, line, "heartbeat", psycopg.errors.LockNotAvailable)
    await calls.call("heartbeat")
    answer = line.call

    async def fail_meanwhile(function: str, **parameters: Any) -> list[dict[str, Any]]:
        if function == "report_failures":
            calls.failures.failed("heartbeat", psycopg.errors.LockNotAvailable("no"))
            calls.failures.worked("heartbeat")
        return await answer(function, **parameters)

    monkeypatch.setattr(line, "call", fail_meanwhile)
    await calls.report_failures()
    monkeypatch.setattr(line, "call", answer)
    await calls.report_failures()
    assert line.reports() == [{("heartbeat", "55P03"): 1}] * 2


async def test_a_connection_that_cannot_be_made_is_told_as_that_and_not_as_the_call_that_needed_it(
    calls: Calls, line: Line
) -> None:
    line.connected = False
    line.fails("connect", *[LOST] * 3)
    with pytest.raises(psycopg.OperationalError):
        await calls.call("heartbeat")
    await calls.call("heartbeat")
    await calls.report_failures()
    assert line.reports() == [{("connect", None): 1}]


async def test_that_the_holder_of_a_lock_cannot_be_found_hides_nothing_of_what_failed(
    calls: Calls, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """The question who holds the lock needs none itself, but it may fail as any other."""
    for error in (LOST, OSError("no route"), psycopg.errors.InsufficientPrivilege("no")):
        line.fails("acknowledge", psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"))
        line.fails("lock_holders", error)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await calls.ask("acknowledge")
    assert caplog.text.count("sqlstate=55P03") == caplog.text.count("lock_holders=unknown: ") == 3


async def test_only_what_leaves_the_connection_useless_closes_it(calls: Calls, line: Line) -> None:
    for error, closed in ((psycopg.errors.LockNotAvailable(), 0), (LOST, 1), (OSError(), 2), (Stale(), 2)):
        line.fails("heartbeat", error)
        with pytest.raises(type(error)):
            await calls.ask("heartbeat")
        assert line.closed == closed


# -- Within a worker --------------------------------------------------------------------


def _worker(line: Line, **options: Any) -> Worker:
    """One that is registered, as far as it knows, over this line."""
    worker = Worker("", "fv-1", 10, Recorder(), **options)
    worker._member.listener = line  # type: ignore[assignment]  # it listens to nothing
    worker._member.calls._listener = line  # type: ignore[assignment]
    worker._member.incarnation = 7
    return worker


async def test_a_report_that_fails_within_a_beat_harms_nothing_unless_the_incarnation_is_old(line: Line) -> None:
    worker = _worker(line)
    worker._member.calls.failures.failed("heartbeat", LOST)
    worker._member.calls.failures.worked("heartbeat")
    errors = [psycopg.errors.LockNotAvailable(), psycopg.errors.UndefinedFunction(), LOST]
    line.fails("report_failures", *errors)
    for _ in errors:
        await worker._protocol._report_failures()
    line.fails("report_failures", Stale())
    with pytest.raises(Stale):
        await worker._protocol._report_failures()
    await worker._protocol._report_failures()
    assert line.reports() == [{("heartbeat", None): 1}] * 5


@pytest.mark.parametrize("error", [LOST, OSError("no route"), TimeoutError(), Stale()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("how", ["leave", "suspend", "drain"])
async def test_a_last_word_that_does_not_arrive_is_no_reason_to_stay(
    line: Line, how: Any, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    worker = _worker(line, drain_timeout=0)
    function = "suspend_instance" if how == "suspend" else "deregister_instance"
    line.fails(function, *[error] * 3)
    worker._departure.begin(how)
    assert await worker._departure.step()
    assert [asked for asked, _ in line.asked].count(function) == (1 if isinstance(error, Stale) else 3)
    assert "left without a word" in caplog.text


@pytest.mark.parametrize("error", [LOST, OSError("no route"), Stale()], ids=lambda error: type(error).__name__)
async def test_a_worker_that_cannot_give_its_session_back_ends_the_connection_of_all(
    line: Line, error: BaseException
) -> None:
    """The others return; none may be left with a session that is tied to one that has gone."""
    line.shared = True
    line.fails("detach_session", error)
    worker = _worker(line)
    closed = line.closed
    await worker._departure.end_session()
    assert line.left == 1 and line.closed > closed


async def test_a_session_that_is_given_back_stays_with_the_others(line: Line) -> None:
    line.shared = True
    await _worker(line)._departure.end_session()
    assert (line.left, line.closed) == (1, 0)


@pytest.mark.parametrize("error", [LOST, psycopg.errors.LockNotAvailable(), asyncio.CancelledError()])
async def test_a_session_that_cannot_be_tied_is_not_kept(line: Line, error: BaseException) -> None:
    """Else nothing would notice at once that the worker is lost."""
    worker = _worker(line)
    line.fails("attach_session", error)
    closed = line.closed
    with pytest.raises(type(error)):
        await worker._protocol._attach()
    assert line.closed > closed


@pytest.mark.parametrize("promises", [True, False])
async def test_streams_that_could_not_be_given_back_are_heard_on(line: Line, promises: bool) -> None:
    options: dict[str, Any] = {"on_isolation": "stop"} if promises else {}
    worker = _worker(line, stop_timeout=1, **options)
    worker._loop.begin()
    row: Callable[[int], dict[str, Any]] = lambda n: {  # noqa: E731  # a row is one line
        **{"action": "add", "stream_id": n, "epoch": 5, "name": "Radio", "url": "http://x/", "metadata": None}
    }
    worker._assignments.apply([row(1), row(2), row(3)])
    running = worker._assignments.supervisor
    await until(lambda: len(running.running) == 3)
    line.fails("release_streams", LOST)
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wrap_future(worker.release([1, 2]))
    await until(lambda: {each.stream_id for each in running.running} == {1, 2, 3})
    assert running.held.keys() == {1, 2, 3}
    await asyncio.wrap_future(worker.release([1, 2]))
    await until(lambda: {each.stream_id for each in running.running} == {3})
    assert await running.stop_all(5)


async def test_a_worker_out_of_step_repairs_itself_in_three_attempts_and_registers_anew_after_them(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3.1, R3.2: the first follows the beat's commands, two report everything."""
    worker = _worker(line)
    worker._loop.begin()
    command = {"action": "add", "stream_id": 1, "epoch": 5, "name": "Radio", "url": "http://x/", "metadata": None}
    worker._assignments.apply([command])
    answer = line.call

    async def answer_with_commands(function: str, **parameters: Any) -> list[dict[str, Any]]:
        await answer(function, **parameters)
        return [command] if function in ("heartbeat", "report_streams") else []

    monkeypatch.setattr(line, "call", answer_with_commands)
    reports = []
    for _ in range(4):
        assert worker.is_registered
        await worker._protocol._beat()
        reports.append([function for function, _ in line.asked].count("report_streams"))
    assert reports == [0, 1, 2, 2] and not worker.is_registered
    assert await worker._assignments.supervisor.stop_all(5)


@pytest.mark.parametrize(("rounds", "level"), [(1, "WARNING"), (5, "WARNING"), (6, "CRITICAL"), (60, "CRITICAL")])
async def test_the_sixth_round_that_fails_in_a_row_is_critical(
    line: Line, rounds: int, level: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """R4.2: more than five."""
    monkeypatch.setattr(retry.Breaker, "fail_counter", rounds)
    await _worker(line)._protocol._handle(LOST)
    (said,) = [record for record in caplog.records if "database away" in record.message]
    assert said.levelname == level


async def test_the_loss_of_a_connection_wakes_every_worker_that_shares_it() -> None:
    one, *others = (Listener("", "orchestrator", f"orchestrator.fv-{n}", 30) for n in (1, 2, 3))
    wakes = [asyncio.Event() for _ in range(3)]
    for listener in others:
        listener.share(one)
    for listener, wake in zip((one, *others), wakes, strict=True):
        listener._wake = wake
    one._connection._tell_of_loss()
    assert all(wake.is_set() for wake in wakes)


async def test_a_failure_of_the_connection_is_logged_without_its_password(
    calls: Calls, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    line.fails("heartbeat", psycopg.OperationalError("cannot reach postgresql://me:hush@db/x"))
    with caplog.at_level(logging.DEBUG), pytest.raises(psycopg.OperationalError):
        await calls.ask("heartbeat", report={"password": "hush"})
    assert "call failed" in caplog.text and "hush" not in caplog.text


def test_a_member_without_an_incarnation_says_so(line: Line) -> None:
    async def connected() -> None: ...

    member = Member("fv-1", line, connected)  # type: ignore[arg-type]  # it listens to nothing
    assert member._identity == {"instance_id": "fv-1", "incarnation": None}
