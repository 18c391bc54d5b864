"""What a run cost, as a table and a list of laws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import click

from orchestrator.cli import output
from tests.chaos.faults import Moves
from tests.chaos.laws import Breach, Law


@dataclass(frozen=True)
class Row:
    """One fault over all its injections: the longest time, and the sums of everything else.

    Times in seconds, lost and twice in seconds of audio over all stations; None where the workers hear nothing.
    """

    fault: str
    description: str
    times: int
    heard_again_after: float
    heard_within: float | None
    lost: int | None
    lost_per_stream: float | None
    twice: int | None
    breaches: int
    moves: int
    least_moves: int
    moves_allowed: Moves
    handlers_ended: int | None

    @property
    def wanted(self) -> str:
        """The figure to reach, if there is one."""
        if self.heard_within is not None:
            return f"{self.heard_within:.0f} s"
        return f"lost < {self.lost_per_stream:.0f} s each" if self.lost_per_stream is not None else "–"

    @property
    def missed(self) -> Iterator[str]:
        """The figures that were not reached. A busy machine can miss one; no law is broken by that."""
        if self.heard_within is not None and self.heard_again_after > self.heard_within:
            yield f"heard again after {self.heard_again_after:.1f} s, not within {self.heard_within:.0f} s"
        if self.lost_per_stream is not None and (self.lost or 0) >= self.lost_per_stream * self.moves:
            yield f"{self.lost} s lost by {self.moves} streams, not under {self.lost_per_stream:.0f} s each"


@dataclass(frozen=True)
class Result:
    """A run or a part of it. `looks` counts looks at the laws, `blind` those at a database that was away or locked."""

    seed: int = 0
    handoff_mode: str = ""
    server: str = ""
    rows: Sequence[Row] = ()
    breaches: Sequence[Breach] = ()
    failures: Sequence[str] = ()
    looks: int = 0
    blind: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every law held and every fault healed."""
        return not self.breaches and not self.failures

    def __add__(self, part: Result) -> Result:
        """This with another part of the same run."""
        return replace(
            self,
            rows=[*self.rows, *part.rows],
            breaches=[*self.breaches, *part.breaches],
            failures=[*self.failures, *part.failures],
            looks=self.looks + part.looks,
            blind=self.blind + part.blind,
        )


def show(result: Result) -> None:
    """Print it for people."""
    output.rows(
        [
            {
                "fault": row.fault,
                "times": row.times,
                "again after": f"{row.heard_again_after:.1f} s",
                "wanted": row.wanted,
                "lost": "–" if row.lost is None else row.lost,
                "twice": "–" if row.twice is None else row.twice,
                "broken": row.breaches,
                "moves": row.moves,
                "least": row.least_moves,
                "allowed": row.moves_allowed,
                "handlers ended": "–" if row.handlers_ended is None else row.handlers_ended,
            }
            for row in result.rows
        ],
        as_json=False,
        title="What it cost: again after is when everything was heard again; lost and twice are seconds of audio",
    )
    click.echo()
    for law in Law:
        broken = [breach for breach in result.breaches if breach.law is law]
        click.echo(f"{'BROKEN' if broken else 'holds '}  {law.value}")
        for breach in broken:
            click.echo(f"        {breach.act}: {breach.detail}")
    for failure in result.failures:
        click.echo(f"BROKEN  did not heal: {failure}")
    for row in result.rows:
        for missed in row.missed:
            click.echo(f"MISSED  {row.fault}: {missed}")
    click.echo(
        f"\nseed {result.seed}, {result.handoff_mode}, {result.seconds:.0f} s, PostgreSQL {result.server}; "
        f"the laws were looked at {result.looks} times, {result.blind} times more the database was away or locked"
    )
