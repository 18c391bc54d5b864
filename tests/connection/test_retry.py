"""How soon something is tried again. What is, is told in test_sqlstates.py."""

import asyncio

import pytest
from structlog.testing import capture_logs

from orchestrator import errors
from orchestrator.database import retry
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
