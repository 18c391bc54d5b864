"""What is tried again, and how patience grows."""

import psycopg
import pytest
from psycopg import errors

from worker_shim.breaker import TRIES_PER_ROUND, Breaker, backoff, is_transient, one_round


def _database_error(sqlstate: str) -> psycopg.Error:
    error = errors.lookup(sqlstate)() if not sqlstate.startswith("OR") else psycopg.DatabaseError()
    error.sqlstate = sqlstate
    return error


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03", "57014", "57P01", "57P03", "08006", "53300", "OR201"])
def test_contention_and_a_server_that_is_away_are_tried_again(sqlstate: str) -> None:
    assert is_transient(_database_error(sqlstate))


@pytest.mark.parametrize("sqlstate", ["OR101", "OR104", "OR301", "OR302", "OR401", "OR901", "42883", "42501", "22023"])
def test_a_refusal_is_not_tried_again(sqlstate: str) -> None:
    assert not is_transient(_database_error(sqlstate))


def test_a_lost_connection_and_a_timeout_are_tried_again() -> None:
    assert is_transient(psycopg.OperationalError("server closed the connection unexpectedly"))
    assert is_transient(TimeoutError())
    assert is_transient(ConnectionRefusedError())
    assert not is_transient(ValueError())


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


def test_the_breaker_opens_longer_with_each_failed_round_and_closes_after_a_good_one() -> None:
    """R5.4"""
    breaker = Breaker(first_pause=1, longest_pause=8)
    pauses = [breaker.failed() for _ in range(6)]
    assert pauses[0] <= 1 and 4 <= pauses[-1] <= 8
    breaker.succeeded()
    assert breaker.failures == 0 and breaker.failed() <= 1
