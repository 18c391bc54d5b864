"""How soon something is tried again, and how long a breaker stays open."""

from datetime import datetime, timedelta, tzinfo

import psycopg
import pybreaker
import pytest
from psycopg import errors

from worker_shim import retry
from worker_shim.retry import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    TRIES_PER_ROUND,
    Breaker,
    backoff,
    one_round,
)


def _database_error(sqlstate: str) -> psycopg.Error:
    error = errors.lookup(sqlstate)() if not sqlstate.startswith("OR") else psycopg.DatabaseError()
    error.sqlstate = sqlstate
    return error


async def test_a_round_is_three_tries_and_ends_with_the_error_as_it_came() -> None:
    """R5.1"""
    tries = 0
    with pytest.raises(psycopg.OperationalError, match="away"):
        async for attempt in one_round():
            with attempt:
                tries += 1
                raise psycopg.OperationalError("away")
    assert tries == TRIES_PER_ROUND == 3


async def test_a_refusal_ends_a_round_at_once() -> None:
    tries = 0
    with pytest.raises(psycopg.DatabaseError):
        async for attempt in one_round():
            with attempt:
                tries += 1
                raise _database_error("OR301")
    assert tries == 1


def test_backoff_doubles_up_to_its_limit_and_the_upper_half_is_random() -> None:
    for attempt, longest in ((1, 1), (2, 2), (3, 4), (7, 60), (1000, 60)):
        pauses = {backoff(attempt, 1, 60) for _ in range(50)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(pauses) > 1


def _fail(breaker: Breaker, error: Exception | None = None) -> None:
    with pytest.raises(Exception), breaker.calling():  # noqa: B017  # any error that it was given
        raise error or psycopg.OperationalError("away")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The breaker's clock, as its only item."""
    time = [1000.0]
    monkeypatch.setattr(retry, "clock", lambda: time[0])
    return time


def test_the_breaker_opens_longer_with_each_failed_round_and_closes_after_a_good_one(time: list[float]) -> None:
    """R5.4"""
    breaker = Breaker()
    pauses = []
    for failed in range(1, 9):
        _fail(breaker)
        assert breaker.current_state == "open" and breaker.fail_counter == breaker.opened == failed
        pauses.append(breaker.remaining)
        time[0] += breaker.remaining
    assert pauses[0] <= FIRST_PAUSE + 0.01 and LONGEST_PAUSE / 2 <= pauses[-1] <= LONGEST_PAUSE + 0.01
    with breaker.calling():
        assert breaker.current_state == "half-open"
    assert breaker.current_state == "closed" and breaker.fail_counter == 0 and breaker.remaining == 0


def test_an_open_breaker_lets_nothing_through_until_its_time_has_passed_on_our_own_clock(time: list[float]) -> None:
    """R5.4"""
    breaker = Breaker()
    _fail(breaker)
    with pytest.raises(pybreaker.CircuitBreakerError), breaker.calling():
        raise AssertionError("let through")
    time[0] += breaker.remaining / 2
    with pytest.raises(pybreaker.CircuitBreakerError), breaker.calling():
        raise AssertionError("let through")
    time[0] += breaker.remaining
    with breaker.calling():
        pass
    assert breaker.current_state == "closed"


def test_a_clock_of_the_system_that_jumps_keeps_no_breaker_open(
    time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker()
    _fail(breaker)
    time[0] += breaker.remaining

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "SetBack":
            return super().now(tz) - timedelta(hours=5)

    for module in (retry, pybreaker):
        monkeypatch.setattr(module, "datetime", SetBack)
    with breaker.calling():
        pass
    assert breaker.current_state == "closed"


def test_a_dependency_that_fails_right_after_each_success_is_left_alone_for_longer_and_longer(
    time: list[float],
) -> None:
    breaker = Breaker()
    for _ in range(8):
        _fail(breaker)
        time[0] += breaker.remaining
        with breaker.calling():
            pass
    _fail(breaker)
    assert breaker.remaining >= LONGEST_PAUSE / 2
    time[0] += breaker.remaining
    with breaker.calling():
        pass
    time[0] += LONGEST_PAUSE + 1
    _fail(breaker)
    assert breaker.remaining <= FIRST_PAUSE + 0.01


@pytest.mark.parametrize("sqlstate", ["OR103", "OR104", "OR301", "OR404"])
def test_an_answer_is_no_failure_of_the_database(sqlstate: str) -> None:
    breaker = Breaker()
    _fail(breaker, _database_error(sqlstate))
    assert breaker.current_state == "closed"
    _fail(breaker, ValueError("a mistake of ours"))
    assert breaker.current_state == "closed"
    _fail(breaker, _database_error("OR901"))
    assert breaker.current_state == "open"


def test_each_change_of_the_breaker_is_logged(caplog: pytest.LogCaptureFixture, time: list[float]) -> None:
    breaker = Breaker()
    with caplog.at_level("INFO", "worker_shim"):
        _fail(breaker)
        time[0] += breaker.remaining
        with breaker.calling():
            pass
    changes = [record.getMessage().split(" opened=")[0] for record in caplog.records]
    assert changes == [
        "breaker from=closed to=open",
        "breaker from=open to=half-open",
        "breaker from=half-open to=closed",
    ]
