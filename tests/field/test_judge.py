"""The judge counts what living processes hear, and for how long."""

from pathlib import Path

import pytest

from tests.field.judge import Judge
from tests.field.wire import Pace


class _Told:
    """Processes whose notes a test writes; its moments count from 0."""

    def __init__(self, within: Path, factor: float = 1.0) -> None:
        self.within = within
        self.judge = Judge([0, 1], factor)
        self.zero = self.judge.since = self.judge.now() - 100
        self.alive: dict[str, bool] = {}

    def process(self, label: str, *notes: tuple[float, str]) -> None:
        path = self.within / f"{label}.heard"
        self.alive[label] = True
        self.judge.watch(label, path, lambda: self.alive[label])
        self.note(label, *notes)

    def note(self, label: str, *notes: tuple[float, str]) -> None:
        with (self.within / f"{label}.heard").open("a") as file:
            file.writelines(f"{self.zero + at:.6f} {what}\n" for at, what in notes)

    def at(self, moment: float) -> float:
        return self.zero + moment


@pytest.fixture
def told(tmp_path: Path) -> _Told:
    return _Told(tmp_path)


def test_exactly_one_is_neither_none_nor_two(told: _Told) -> None:
    told.process("a", (0, "begin"), (1, "start 0"))
    assert told.judge.wrong() == {1: []}
    assert told.judge.unheard() == {1}
    told.process("b", (0, "begin"), (2, "start 0"), (2, "start 1"))
    assert told.judge.wrong() == {0: ["a", "b"]}
    assert told.judge.twice() == {0}
    told.note("a", (3, "stop 0"))
    assert told.judge.wrong() == {}
    told.note("a", (4, "start 7"))
    told.note("b", (4, "start 7"))
    assert told.judge.wrong() == {7: ["a", "b"]}, "what is not in the list is not to be heard twice either"


def test_a_dead_process_hears_nothing_from_its_death_on(told: _Told) -> None:
    told.process("a", (0, "begin"), (1, "start 0"))
    told.process("b", (0, "begin"), (1, "start 1"))
    told.alive["a"] = False
    assert told.judge.hears("a") == frozenset()
    told.judge.note_death("b")
    assert told.judge.running() == {}
    assert told.judge.processes["a"].spans[0].end is not None


def test_a_program_that_is_replaced_ends_all_that_it_heard(told: _Told) -> None:
    told.process("a", (0, "begin"), (1, "start 0"), (10, "end"), (12, "begin"), (13, "start 0"))
    assert told.judge.hears("a") == {0}
    assert told.judge.processes["a"].begins == 2
    assert told.judge.longest_silence(until=told.at(20)) == pytest.approx(20)
    told.judge.indexes = [0]
    assert told.judge.longest_silence(since=told.at(2), until=told.at(20)) == pytest.approx(3)


def test_how_long_a_station_is_heard_twice_is_measured_at_a_stretch(told: _Told) -> None:
    told.process("a", (0, "start 0"), (10, "stop 0"), (20, "start 0"))
    told.process("b", (6, "start 0"), (12, "stop 0"), (21, "start 0"), (22, "stop 0"), (30, "start 1"))
    assert told.judge.longest_twice(until=told.at(50)) == pytest.approx(4)
    assert told.judge.longest_twice(since=told.at(15), until=told.at(50)) == pytest.approx(1)
    assert told.judge.longest_twice(since=told.at(25), until=told.at(50)) == 0
    told.process("c", (8, "start 0"), (11, "stop 0"))
    assert told.judge.longest_twice(until=told.at(50)) == pytest.approx(5), "whoever the two are"


def test_a_stretch_that_goes_on_counts_until_now(told: _Told) -> None:
    told.process("a", (0, "start 0"))
    told.process("b", (90, "start 0"))
    assert told.judge.longest_twice() == pytest.approx(10, abs=1)


def test_results_are_in_seconds_of_the_field(tmp_path: Path) -> None:
    told = _Told(tmp_path, factor=20)
    told.process("a", (0, "start 0"))
    told.process("b", (1, "start 0"), (3, "stop 0"))
    assert told.judge.longest_twice(until=told.at(50)) == pytest.approx(40)
    assert Pace(20).real(40) == 2


def test_changes_are_starts_and_stops_in_a_time(told: _Told) -> None:
    told.process("a", (1, "start 0"), (2, "start 1"), (5, "stop 1"))
    assert told.judge.changes("a", since=told.at(1.5)) == 2
    assert told.judge.changes("a", since=told.at(3), until=told.at(4)) == 0
    assert told.judge.ever_heard("a") == {0, 1}


def test_a_line_that_is_being_written_is_read_later(told: _Told) -> None:
    told.process("a")
    path = told.within / "a.heard"
    path.write_text(f"{told.at(1):.6f} sta")
    assert told.judge.hears("a") == frozenset()
    with path.open("a") as file:
        file.write("rt 0\n")
    assert told.judge.hears("a") == {0}


def test_waiting_fails_with_who_hears_how_many(told: _Told) -> None:
    told.process("a", (1, "start 0"))
    with pytest.raises(AssertionError, match=r"each station is heard by exactly one process\n  a hears 1\n.*1: \[\]"):
        told.judge.wait_for(
            lambda: not told.judge.wrong(), within=0, grace=0, what="each station is heard by exactly one process"
        )
