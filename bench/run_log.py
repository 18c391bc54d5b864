"""Which stream ran where and when, and what an event did to that.

Times are `time.monotonic()`, one clock for all processes.
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple


class Run(NamedTuple):
    """A handler of a worker ran for a stream; `end` is infinite while it runs."""

    start: float
    end: float
    worker: str


class Writer:
    """Starts and stops of one process. A line is one write, so that nothing is lost by kill -9."""

    def __init__(self, path: Path, worker: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._worker = worker

    def note(self, sign: str, *streams: object) -> None:
        """`+` for a start, `-` for a stop; `killed` for the end of all that the worker had."""
        now = time.monotonic()
        for stream in streams:
            os.write(self._file, f"{now} {self._worker} {sign} {stream}\n".encode())


def read(lines: Iterable[str]) -> dict[str, list[Run]]:
    """The runs of each stream, in the order of their starts."""
    opened: dict[tuple[str, str], float] = {}
    runs: dict[str, list[Run]] = defaultdict(list)
    for moment, worker, sign, stream in sorted((line.split() for line in lines), key=lambda words: float(words[0])):
        if sign == "+":
            opened[worker, stream] = float(moment)
            continue
        ended = [key for key in opened if key[0] == worker] if sign == "killed" else [(worker, stream)]
        for key in ended:
            if key in opened:
                runs[key[1]].append(Run(opened.pop(key), float(moment), worker))
    for (worker, stream), start in opened.items():
        runs[stream].append(Run(start, math.inf, worker))
    return {stream: sorted(found) for stream, found in runs.items()}


def owners(runs: Mapping[str, list[Run]], at: float) -> dict[str, list[str]]:
    """Who runs each stream at a moment."""
    return {stream: [run.worker for run in found if run.start <= at < run.end] for stream, found in runs.items()}


def analyse(
    runs: Mapping[str, list[Run]],
    moments: Sequence[float],
    ended: float,
    least_moves: Callable[[Mapping[str, list[str]]], int],
    victim: str | None = None,
) -> dict[str, Any]:
    """What an event did to the streams, from a settled moment to the next; it may be done at several moments.

    whole_after: from the event to the last change of whether a stream is run by exactly one; of several, their sum.
    noticed_after: from the death of the victim to the first thing that anybody else does.
    """
    began = moments[0]
    before, after = owners(runs, began), owners(runs, ended)
    gaps: list[float] = []
    overlaps: list[float] = []
    broken_until: list[float] = []
    moves = 0
    for found in runs.values():
        gap = overlap = 0.0
        owner = None
        for left, right, workers in _phases(found, began, ended):
            if len(workers) == 1:
                moves += owner not in (None, workers[0])
                owner = workers[0]
                continue
            broken_until.append(right)
            gap += 0 if workers else right - left
            overlap += right - left if workers else 0
        if gap:
            gaps.append(gap)
        if overlap:
            overlaps.append(overlap)
    changes = [edge for found in runs.values() for run in found if run.worker != victim for edge in run[:2]]
    return {
        "interrupted": len(gaps),
        "unheard": sum(gaps),
        "moves": moves,
        "needless": max(0, moves - least_moves(before)),
        "twice": len(overlaps),
        "overlap_max": max(overlaps, default=0.0),
        "gap_max": max(gaps, default=0.0),
        "noticed_after": min(edge for edge in [*changes, ended] if edge > began) - began if victim else None,
        "whole_after": sum(
            max([moment, *(edge for edge in broken_until if moment < edge <= following)]) - moment
            for moment, following in pairwise([*moments, ended])
        ),
        "is_whole": all(len(found) == 1 for found in after.values()),
        "gaps": [round(gap, 3) for gap in sorted(gaps)],
        "overlaps": [round(overlap, 3) for overlap in sorted(overlaps)],
    }


def _phases(runs: Sequence[Run], began: float, ended: float) -> Iterator[tuple[float, float, list[str]]]:
    """From when to when who ran a stream."""
    edges = sorted({began, ended, *(edge for run in runs for edge in run[:2] if began < edge < ended)})
    for left, right in pairwise(edges):
        yield left, right, [run.worker for run in runs if run.start <= left < run.end]
