"""Samples and what is made of them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """One run of one thing: how long it took, seen from the client and with its commit, and what it wrote."""

    milliseconds: float
    cpu_milliseconds: float
    """What the session's server process was on a CPU for."""
    wal_bytes: int
    rows: int


@dataclass(frozen=True)
class Moves:
    """Of one decision."""

    made: int
    least: int


@dataclass
class Comparison:
    """The same work done by the orchestrator and by raw SQL, in turns."""

    case: str
    ours: list[Sample] = field(default_factory=list)
    raw: list[Sample] = field(default_factory=list)
    moves: list[Moves] = field(default_factory=list)
    whole: list[tuple[float, float]] = field(default_factory=list)
    """Milliseconds of ours and raw from the decision to the last hand-over that it asked for, where it asks for any."""

    def add(self, ours: Sample, raw: Sample, moves: Moves | None = None) -> None:
        self.ours.append(ours)
        self.raw.append(raw)
        if moves is not None:
            self.moves.append(moves)


@dataclass(frozen=True)
class Figures:
    """What one side of a comparison came to. Milliseconds; bytes per run."""

    median_ms: float
    p95_ms: float
    cpu_ms: float
    wal_bytes: int
    whole_ms: float | None
    """With all hand-overs that the decision asked for."""
    all_ms: list[float]


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    case: str
    streams: int
    instances: int
    rounds: int
    rows: int
    ours: Figures
    raw: Figures
    ratio: float
    """Our median over the raw one."""
    moves: int | None
    """Of all rounds, as the next two; None where nothing is decided."""
    least_moves: int | None
    rounds_with_more: int | None
    """How many made more moves than the least possible."""


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of the others do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)]


def figures(samples: Sequence[Sample], whole: Sequence[float] = ()) -> Figures:
    milliseconds = [sample.milliseconds for sample in samples]
    return Figures(
        median_ms=statistics.median(milliseconds),
        p95_ms=percentile(milliseconds, 0.95),
        cpu_ms=statistics.median(sample.cpu_milliseconds for sample in samples),
        wal_bytes=round(statistics.median(sample.wal_bytes for sample in samples)),
        whole_ms=statistics.median(whole) if whole else None,
        all_ms=milliseconds,
    )


def result(comparison: Comparison, streams: int, instances: int) -> Result:
    ours = figures(comparison.ours, [pair[0] for pair in comparison.whole])
    raw = figures(comparison.raw, [pair[1] for pair in comparison.whole])
    moves = comparison.moves
    return Result(
        case=comparison.case,
        streams=streams,
        instances=instances,
        rounds=len(comparison.ours),
        rows=round(statistics.median(sample.rows for sample in comparison.ours)),
        ours=ours,
        raw=raw,
        ratio=ours.median_ms / raw.median_ms,
        moves=sum(each.made for each in moves) if moves else None,
        least_moves=sum(each.least for each in moves) if moves else None,
        rounds_with_more=sum(each.made > each.least for each in moves) if moves else None,
    )
