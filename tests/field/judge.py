"""Who hears what, by what living processes do; nobody's tables are asked."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 2.0
"""Real seconds on top of each bound, because programs and databases are no faster when the clients' time is."""


@dataclass
class Span:
    """One process hears one station, from then on or until then (CLOCK_MONOTONIC)."""

    index: int
    start: float
    end: float | None = None

    def overlap(self, since: float, until: float) -> tuple[float, float] | None:
        start, end = max(self.start, since), min(until if self.end is None else self.end, until)
        return (start, end) if start < end else None


@dataclass
class Process:
    """One process as the judge sees it. A program that replaces itself stays the same process."""

    label: str
    path: Path
    is_alive: Callable[[], bool]
    begins: int = 0
    ended_at: float | None = None
    spans: list[Span] = field(default_factory=list)
    open: dict[int, Span] = field(default_factory=dict)
    _read: int = 0

    def look(self) -> None:
        seen_alive = self.is_alive()
        seen_at = time.monotonic()
        with self.path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode().splitlines():
            at, what, *rest = line.split()
            self._note(float(at), what, [int(each) for each in rest])
        if not seen_alive and self.ended_at is None:
            self.note_end(seen_at)

    def note_end(self, at: float) -> None:
        self.ended_at = at
        self._silence(at)

    def _note(self, at: float, what: str, rest: list[int]) -> None:
        if what == "start":
            span = Span(rest[0], at)
            self.spans.append(span)
            self.open[rest[0]] = span
        elif what == "stop":
            self.open.pop(rest[0]).end = at
        else:
            self.begins += what == "begin"
            self._silence(at)

    def _silence(self, at: float) -> None:
        for span in self.open.values():
            span.end = at
        self.open.clear()


class Judge:
    """Bounds and results are seconds of the field, of which `factor` pass in one of ours; moments are ours."""

    def __init__(self, indexes: Iterable[int], factor: float = 1.0) -> None:
        self.indexes = sorted(indexes)
        self.factor = factor
        self.processes: dict[str, Process] = {}
        self.since = time.monotonic()

    def watch(self, label: str, path: Path, is_alive: Callable[[], bool]) -> None:
        path.touch()
        self.processes[label] = Process(label, path, is_alive)

    def note_death(self, label: str) -> None:
        """It was killed just now, and hears nothing any more."""
        at = time.monotonic()
        self.processes[label].look()
        self.processes[label].note_end(at)

    def now(self) -> float:
        return time.monotonic()

    # -- now -----------------------------------------------------------------------------------------------------------

    def hears(self, label: str) -> frozenset[int]:
        self.processes[label].look()
        return frozenset(self.processes[label].open)

    def running(self) -> dict[int, list[str]]:
        """Each station that is heard, and by which processes."""
        found: dict[int, list[str]] = defaultdict(list)
        for label in self.processes:
            for index in self.hears(label):
                found[index].append(label)
        return found

    def wrong(self) -> dict[int, list[str]]:
        """The stations that are not heard by exactly one process."""
        running = self.running()
        return {
            index: running.get(index, []) for index in {*self.indexes, *running} if len(running.get(index, [])) != 1
        }

    def unheard(self) -> set[int]:
        return set(self.indexes) - self.running().keys()

    def twice(self) -> set[int]:
        return {index for index, by in self.running().items() if len(by) > 1}

    # -- in a while ----------------------------------------------------------------------------------------------------

    def wait_for(self, condition: Callable[[], object], *, within: float, what: str, grace: float = GRACE) -> None:
        """Until it is so; fails with who hears how many when it is not so in time."""
        end = self.now() + within / self.factor + grace
        while not condition():
            assert self.now() < end, f"after {within:g} s it was still not so: {what}\n{self.picture()}"
            time.sleep(0.02)

    def wait_for_exactly_one(self, *, within: float) -> None:
        self.wait_for(lambda: not self.wrong(), within=within, what="each station is heard by exactly one process")

    def hold(self, seconds: float, condition: Callable[[], object], *, what: str) -> None:
        """It stays so for so long."""
        end = self.now() + seconds / self.factor
        while self.now() < end:
            assert condition(), f"it did not stay so: {what}\n{self.picture()}"
            time.sleep(0.05)

    def pass_time(self, seconds: float) -> None:
        """What happens meanwhile is in the history."""
        time.sleep(seconds / self.factor)

    def picture(self) -> str:
        lines = [f"  {label} hears {len(self.hears(label))}" for label in self.processes]
        wrong = self.wrong()
        shown = dict(sorted(wrong.items())[:5])
        return "\n".join([*lines, f"  not heard by exactly one: {len(wrong)}, as {shown}"])

    # -- what was ------------------------------------------------------------------------------------------------------

    def account(self) -> str:
        """What ran where and for how long, in one line: its stations at the end, all it ever had, their time."""
        until = self.now()
        parts = []
        for label, process in self.processes.items():
            process.look()
            spans = [part for span in process.spans if (part := span.overlap(self.since, until))]
            heard = sum(end - start for start, end in spans) * self.factor
            ever = len(self.ever_heard(label))
            parts.append(f"{label} {len(process.open)} of {ever} stations, {heard / 60:.0f} station-minutes")
        return (
            f"{(until - self.since) * self.factor:.0f} s: {'; '.join(parts)}; a station at most "
            f"{self.longest_silence():.1f} s by none, {self.longest_twice():.1f} s by two"
        )

    def longest_twice(self, *, since: float | None = None, until: float | None = None) -> float:
        """For how long at a stretch a station was heard by more than one process."""
        return max((self._longest(index, 2, None, since, until) for index in self._ever()), default=0.0)

    def longest_silence(self, *, since: float | None = None, until: float | None = None) -> float:
        """For how long at a stretch a station was heard by none."""
        return max(self._longest(index, 0, 0, since, until) for index in self.indexes)

    def changes(self, label: str, *, since: float, until: float | None = None) -> int:
        """How many stations a process began or ceased to hear."""
        until = self.now() if until is None else until
        self.processes[label].look()
        spans = self.processes[label].spans
        return sum(since < at <= until for span in spans for at in (span.start, span.end) if at is not None)

    def ever_heard(self, label: str) -> set[int]:
        self.processes[label].look()
        return {span.index for span in self.processes[label].spans}

    def _ever(self) -> set[int]:
        return {index for label in self.processes for index in self.ever_heard(label)}

    def _longest(self, index: int, least: int, most: int | None, since: float | None, until: float | None) -> float:
        """The longest stretch in which so many processes heard a station, in seconds of the field."""
        since, until = self.since if since is None else since, self.now() if until is None else until
        steps = [(since, 0), (until, 0)]
        for process in self.processes.values():
            process.look()
            for span in process.spans:
                if span.index == index and (part := span.overlap(since, until)):
                    steps += [(part[0], 1), (part[1], -1)]
        longest, count, began = 0.0, 0, None
        for at, step in sorted(steps):
            is_so = count >= least and (most is None or count <= most)
            if is_so and began is not None:
                longest = max(longest, at - began)
            count += step
            will_be_so = count >= least and (most is None or count <= most)
            began = (began if is_so and began is not None else at) if will_be_so else None
        return longest * self.factor
