"""When a worker beats next."""

import random

import pytest

from worker_shim import beats
from worker_shim.beats import CHECK_AFTER, Beats


def row(**said: object) -> dict[str, object]:
    return {"action": "notice", "metadata": said}


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr(beats, "clock", lambda: time[0])
    return time


def pauses(beats: Beats, *, polls: bool = False, leaves: bool = False) -> tuple[float, float]:
    """The shortest and the longest of many."""
    random.seed(7)
    many = [beats.until_next(polls=polls, leaves=leaves) for _ in range(2000)]
    return min(many), max(many)


@pytest.mark.parametrize(
    ("lease", "polls", "leaves", "longest"),
    [
        (None, False, False, 30.0),
        (90.0, False, False, 22.5),  # a quarter of the lease
        (8.0, False, False, 2.0),
        (400.0, False, False, 30.0),
        (None, True, False, 5.0),
        (None, False, True, CHECK_AFTER),
        (8.0, True, False, 2.0),
        (400.0, True, False, 5.0),
        (8.0, True, True, CHECK_AFTER),
        (2.0, True, True, 0.5),
    ],
)
def test_the_shortest_of_all_that_asks_for_a_beat_decides(
    lease: float | None, polls: bool, leaves: bool, longest: float
) -> None:
    shortest, most = pauses(Beats(lease, 5.0), polls=polls, leaves=leaves)
    assert 0.99 * longest < most <= longest and 0.9 * longest <= shortest < 0.91 * longest


def test_the_database_says_how_soon_it_wants_the_next_beat_and_only_that_one() -> None:
    own = Beats(None, 5.0)
    own.heed([row(next_beat_in=4), row()])
    assert pauses(own)[1] > 29
    own.heed([row(), row(next_beat_in=4)])
    assert 3.9 < pauses(own)[1] <= 4
    own.heed([])
    assert pauses(own)[1] > 29


def test_a_new_interval_holds_at_once_and_its_first_beat_comes_at_a_random_moment() -> None:
    firsts, seconds = [], []
    for _ in range(200):
        own = Beats(None, 5.0)
        own.heed([row(heartbeat_interval=10)])
        firsts.append(own.until_next(polls=False, leaves=False))
        seconds.append(own.until_next(polls=False, leaves=False))
    assert min(firsts) < 1 and max(firsts) > 9
    assert min(seconds) >= 9 and max(seconds) <= 10


def test_only_an_action_that_is_not_known_is_warned_of_and_once(caplog: pytest.LogCaptureFixture) -> None:
    own = Beats(None, 5.0)
    known = ("add", "adopt", "remove", "prepare", "standby", "standby_end", "restart", "notice")
    for action in (*known, "sing", "sing"):
        own.heed([{"action": action, "metadata": None}])
    assert [record.getMessage().split("action=")[1] for record in caplog.records] == ["sing"]


def test_an_interval_that_is_known_spreads_nothing() -> None:
    own = Beats(None, 5.0)
    own.heed([row(heartbeat_interval=30.0)])
    assert not own.spread_next


def test_a_check_comes_soon_and_never_later_than_what_is_planned(time: list[float]) -> None:
    own = Beats(None, 5.0)
    own.check_soon()
    assert own.due == 1000.0 + CHECK_AFTER
    own.check_soon(planned=1000.5)
    assert own.due == 1000.5
    own.check_soon(planned=5000.0)
    assert own.due == 1000.0 + CHECK_AFTER
    own.at_once()
    assert own.due <= time[0]
