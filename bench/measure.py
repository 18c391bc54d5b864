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


@dataclass
class Comparison:
    """The same work done by the orchestrator and by raw SQL, in turns."""

    case: str
    ours: list[Sample] = field(default_factory=list)
    raw: list[Sample] = field(default_factory=list)

    def add(self, ours: Sample, raw: Sample) -> None:
        self.ours.append(ours)
        self.raw.append(raw)


@dataclass(frozen=True)
class Figures:
    """What one side of a comparison came to. Milliseconds; bytes per run."""

    median_ms: float
    p95_ms: float
    cpu_ms: float
    wal_bytes: int


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
    microseconds_per_row: float | None
    """Our median for each row that changed; None where none did."""


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of the others do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)]


def figures(samples: Sequence[Sample]) -> Figures:
    milliseconds = [sample.milliseconds for sample in samples]
    return Figures(
        median_ms=statistics.median(milliseconds),
        p95_ms=percentile(milliseconds, 0.95),
        cpu_ms=statistics.median(sample.cpu_milliseconds for sample in samples),
        wal_bytes=round(statistics.median(sample.wal_bytes for sample in samples)),
    )


def result(comparison: Comparison, streams: int, instances: int) -> Result:
    ours, raw = figures(comparison.ours), figures(comparison.raw)
    rows = round(statistics.median(sample.rows for sample in comparison.ours))
    return Result(
        case=comparison.case,
        streams=streams,
        instances=instances,
        rounds=len(comparison.ours),
        rows=rows,
        ours=ours,
        raw=raw,
        ratio=ours.median_ms / raw.median_ms,
        microseconds_per_row=1000 * ours.median_ms / rows if rows else None,
    )
