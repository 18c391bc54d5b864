"""What is tried again, how soon, and what is remembered of it."""

import asyncio
import inspect

import pytest
from structlog.testing import capture_logs

from orchestrator import errors
from orchestrator.database import retry
from orchestrator.database.failures import MOST, Failures
from orchestrator.database.retry import Round
from orchestrator.errors import BadArgument, DatabaseUnavailable, LockNotAvailable, OrchestratorError, StaleEpoch

QUICK = Round(first_wait=0.001, longest_wait=0.002)


class Work:
    """Fails as often as it is told to; notes which attempt it thought it was."""

    def __init__(self, *failures: OrchestratorError) -> None:
        self.failures = list(failures)
        self.attempts: list[int] = []

    def __call__(self) -> str:
        self.attempts.append(retry.attempt.get())
        if self.failures:
            raise self.failures.pop(0)
        return "done"


class TestRounds:
    """R2.3, R5.1: contention and lost connections get another try, three in a round, with growing random waits."""

    @pytest.mark.parametrize("kind", [LockNotAvailable, DatabaseUnavailable])
    def test_what_another_try_may_mend_gets_three(self, kind: type[OrchestratorError]) -> None:
        work = Work(*(kind("not now") for _ in range(5)))

        with pytest.raises(kind):
            QUICK.run(work)

        assert work.attempts == [1, 2, 3]
        assert retry.attempt.get() == 1

    @pytest.mark.parametrize("kind", [BadArgument, StaleEpoch, errors.InvariantBroken, errors.DatabaseError])
    def test_what_is_refused_gets_one(self, kind: type[OrchestratorError]) -> None:
        work = Work(kind("no"))

        with pytest.raises(kind):
            QUICK.run(work)

        assert work.attempts == [1]

    def test_success_ends_a_round(self) -> None:
        work = Work(LockNotAvailable("busy"))

        assert QUICK.run(work) == "done"
        assert work.attempts == [1, 2]

    def test_a_round_inside_a_round_counts_for_itself(self) -> None:
        outer, inner = Work(LockNotAvailable("busy")), Work(LockNotAvailable("busy"))

        def both() -> None:
            QUICK.run(inner)
            outer()

        QUICK.run(both)

        assert (inner.attempts, outer.attempts) == ([1, 2, 1], [1, 2])

    async def test_asyncio_has_the_same_and_its_sleep_may_end_early(self) -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        work = Work(*(DatabaseUnavailable("gone") for _ in range(3)))

        async def asked() -> str:
            await asyncio.sleep(0)
            return work()

        with pytest.raises(DatabaseUnavailable):
            await Round(exponential=False).run_async(asked, sleep=sleep)

        assert work.attempts == [1, 2, 3]
        assert slept == [5.0, 5.0]

    def test_waits_grow_and_differ(self) -> None:
        waits: list[float] = []
        with capture_logs() as logs, pytest.MonkeyPatch.context() as patch:
            patch.setattr("tenacity.nap.time.sleep", waits.append)
            for _ in range(20):
                with pytest.raises(LockNotAvailable):
                    Round(tries=5).run(Work(*(LockNotAvailable("busy") for _ in range(5))))
        for number in range(4):
            of_this_try = waits[number::4]
            assert len(set(of_this_try)) > 10
            assert 0 <= min(of_this_try) <= max(of_this_try) <= 0.2 * 2**number
        assert [entry["attempt"] for entry in logs[:4]] == [2, 3, 4, 5]
        assert {entry["event"] for entry in logs} == {"trying again"}


def test_every_kind_of_refusal_is_either_tried_again_or_never() -> None:
    """The classes of errors.py that stand for a family of SQLSTATEs, each on one side."""
    families = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, OrchestratorError) and OrchestratorError in kind.__bases__
    }
    assert not set(retry.RETRIED) & set(retry.NEVER_RETRIED)
    assert families == {*retry.RETRIED, *retry.NEVER_RETRIED, errors.DatabaseError}


@pytest.mark.parametrize(
    ("sqlstate", "is_retried"),
    [
        ("40001", True),
        ("40P01", True),
        ("55P03", True),
        ("OR299", True),
        ("08006", True),
        ("57P01", True),
        ("53300", True),
        ("OR101", False),
        ("OR301", False),
        ("OR401", False),
        ("OR901", False),
        ("57014", False),
        ("42883", False),
        ("23505", False),
    ],
)
def test_which_sqlstates_are_tried_again(sqlstate: str, is_retried: bool) -> None:
    assert issubclass(errors.class_of(sqlstate), retry.RETRIED) is is_retried


class TestFailures:
    """R4.2, R4.4: what failed while the database was away."""

    def test_failures_of_a_kind_are_counted_and_told_by_their_age(self) -> None:
        now = [100.0]
        failures = Failures(clock=lambda: now[0])
        for moment in (100.0, 130.0, 160.0):
            now[0] = moment
            failures.add(_error("connect", "no answer"))
        failures.worked()
        now[0] = 170.0

        assert failures.described(failures.take()) == [
            {
                "function": "connect",
                "sqlstate": "08000",
                "message": "no answer",
                "count": 3,
                "first_ago": 70.0,
                "last_ago": 10.0,
                "consecutive": 3,
                "over": True,
            }
        ]
        assert failures.take() == []

    def test_success_ends_a_run_and_the_longest_is_told(self) -> None:
        failures = Failures()
        for _ in range(4):
            failures.add(_error("connect", "x"))
        failures.worked()
        failures.add(_error("connect", "x"))

        [told] = failures.described(failures.take())

        assert (told["count"], told["consecutive"], told["over"]) == (5, 4, False)

    def test_a_run_goes_on_over_different_failures(self) -> None:
        failures = Failures()
        for number in range(7):
            failures.add(_error(f"call_{number}", "x"))

        assert [failure.consecutive for failure in failures.take()] == [1, 2, 3, 4, 5, 6, 7]
        assert failures.in_a_row == 7

    def test_what_could_not_be_told_is_kept_with_what_came_since(self) -> None:
        failures = Failures()
        failures.add(_error("connect", "x"))
        taken = failures.take()
        failures.add(_error("connect", "x"))
        failures.put_back(taken)

        [told] = failures.described(failures.take())

        assert (told["count"], told["consecutive"]) == (2, 2)

    def test_refusals_are_answers_and_kinds_are_bounded(self) -> None:
        failures = Failures()
        failures.add(BadArgument("no"))
        assert failures.take() == []
        for number in range(MOST + 50):
            failures.add(_error("f", f"message {number} " + "x" * 1000))

        taken = failures.take()

        assert len(taken) == MOST
        assert max(len(failure.message) for failure in taken) <= 500


def _error(function: str, message: str) -> OrchestratorError:
    error = DatabaseUnavailable(message)
    error.function = function
    return error
