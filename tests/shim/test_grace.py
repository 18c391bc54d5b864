"""When a worker that promised to stop has to: by a clock that only the test moves, so that no moment is missed."""

import threading
from collections.abc import Iterator

import pytest

from worker_shim import isolation
from worker_shim.isolation import Isolation

LEASE, STOP_TIMEOUT = 20.0, 2.0
STOP_AFTER, STOP_WITHIN = 16.0, 19.0  # lease - 1 - stop_timeout - 1, and lease - 1


class Ended(SystemExit):
    """The process has ended itself."""


class Watched:
    """An isolation whose watch looks at the clock when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.busy = True
        self.ending_since = float("inf")
        self.stops = 0
        self.ended: list[tuple[float, float]] = []
        self._looks = threading.Semaphore(0)
        self._looked = threading.Semaphore(0)
        self._is_over = False
        monkeypatch.setattr(isolation, "clock", lambda: self.now)
        monkeypatch.setattr(Isolation, "_end_the_process", lambda _, silent, ending: self._end(silent, ending))
        self.isolation = Isolation(LEASE, STOP_TIMEOUT, lambda: self.busy, lambda: self.ending_since, self._stop)
        monkeypatch.setattr(self.isolation, "_ended", self)
        self.isolation.renew(self.now)
        self.isolation.watch()
        self.accepted_at = self.now

    def wait(self, _: float) -> bool:
        """In place of the wait between two looks."""
        self._looked.release()
        self._looks.acquire()
        return self._is_over

    def at(self, seconds: float) -> tuple[int, int]:
        """The clock says so since the last accepted beat; how often it was told to stop, and whether it has ended."""
        self._looked.acquire()
        self.now = self.accepted_at + seconds
        stops, ended = self.stops, len(self.ended)
        self._looks.release()
        if not self._looked.acquire(timeout=10):
            raise AssertionError("the watch has ended")
        self._looked.release()
        return self.stops - stops, len(self.ended) - ended

    def close(self) -> None:
        self._is_over = True
        self._looks.release()

    def _stop(self) -> None:
        self.stops += 1

    def _end(self, silent_for: float, ending_for: float) -> None:
        self.ended.append((silent_for, ending_for))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    watched = Watched(monkeypatch)
    yield watched
    watched.close()


def test_handlers_are_told_to_stop_at_the_moment_and_not_before_and_the_process_ends_at_its_own(
    watched: Watched,
) -> None:
    assert (watched.isolation.stop_after, watched.isolation.stop_within) == (STOP_AFTER, STOP_WITHIN)
    assert [watched.at(second) for second in (1, STOP_AFTER - 0.01)] == [(0, 0), (0, 0)]
    assert [watched.at(second) for second in (STOP_AFTER, STOP_WITHIN - 0.01)] == [(1, 0), (1, 0)]
    assert watched.at(STOP_WITHIN) == (1, 1)


def test_a_process_that_slept_through_it_has_the_time_to_stop_and_a_moment_and_no_more(watched: Watched) -> None:
    assert watched.at(STOP_AFTER - 0.01) == (0, 0)
    assert watched.at(500) == (1, 0)
    assert watched.at(500 + STOP_TIMEOUT + isolation.NOTICING - 0.01) == (1, 0)
    assert watched.at(500 + STOP_TIMEOUT + isolation.NOTICING) == (1, 1)


def test_one_that_was_told_before_it_slept_has_had_its_time(watched: Watched) -> None:
    assert watched.at(STOP_AFTER) == (1, 0)
    assert watched.at(500) == (1, 1)


def test_one_that_slept_a_little_and_woke_before_its_end_has_no_more_than_the_rest(watched: Watched) -> None:
    assert watched.at(1) == (0, 0)
    assert watched.at(STOP_WITHIN - 0.01) == (1, 0)
    assert watched.at(STOP_WITHIN) == (1, 1)


def test_a_beat_that_is_accepted_begins_it_all_anew(watched: Watched) -> None:
    assert watched.at(STOP_AFTER) == (1, 0)
    watched.accepted_at += 100
    watched.isolation.renew(watched.accepted_at)
    assert [watched.at(second) for second in (0, STOP_AFTER - 0.01, STOP_AFTER)] == [(0, 0), (0, 0), (1, 0)]


def test_with_no_handler_left_nothing_ends(watched: Watched) -> None:
    watched.busy = False
    assert watched.at(STOP_AFTER) == watched.at(500) == (0, 0)


def test_one_handler_that_was_let_go_of_counts_from_then_on_though_beats_are_accepted(watched: Watched) -> None:
    watched.ending_since = watched.accepted_at
    for second in (4, 8, 12, 15):
        watched.isolation.renew(watched.accepted_at + second)
        assert watched.at(second) == (0, 0)
    assert watched.at(STOP_WITHIN - 0.01) == (1, 0)
    assert watched.at(STOP_WITHIN) == (1, 1)


def test_what_is_heard_counts_until_the_end_of_its_own_term(watched: Watched) -> None:
    own = watched.isolation
    term = own.term
    watched.now = watched.accepted_at + STOP_WITHIN - 0.01
    assert own.counts(term)
    watched.now = watched.accepted_at + STOP_WITHIN
    assert not own.counts(term)
    own.renew(watched.now)  # its handlers were never told to stop
    assert own.counts(term) and own.term == term
    own.stopped = True
    own.renew(watched.now)
    assert not own.counts(term) and own.counts(own.term) and own.term == term + 1


@pytest.mark.parametrize(("lease", "longest"), [(10.0, 3.0), (90.0, 43.0), (300.0, 146.0)])
def test_a_stop_timeout_that_leaves_a_beat_less_than_half_a_lease_is_refused(lease: float, longest: float) -> None:
    def isolate(stop_timeout: float) -> Isolation:
        return Isolation(lease, stop_timeout, lambda: False, lambda: float("inf"), lambda: None)

    assert isolate(longest).stop_after == lease / 2
    with pytest.raises(ValueError, match="too short"):
        isolate(longest + 0.01)
