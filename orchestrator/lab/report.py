"""The closing report of a run. Every figure in it is read from the ledger; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from orchestrator.database import db


@dataclass(frozen=True)
class Act:
    """One act: a phase of a run. Seconds of the clock are float, seconds of audio are counted over all stations."""

    act_id: int
    act: str
    description: str
    began_at: datetime
    ended_at: datetime
    moves: int
    least_moves: int
    seconds_until_all_heard: float
    seconds_lost: int
    seconds_lost_without_a_move: int
    seconds_lost_without_a_gap: int
    seconds_not_covered: int
    seconds_written_twice: int
    writes_refused: int


@dataclass(frozen=True)
class Totals:
    """The whole run; seconds of audio over all stations."""

    stations: int
    seconds_written: int
    seconds_heard: int
    seconds_sung: int
    seconds_lost: int
    seconds_lost_without_a_move: int
    seconds_written_twice: int
    seconds_misheard: int
    writes_refused: int
    all_heard_at_the_end: bool


@dataclass(frozen=True)
class Law:
    """Something that must always hold, and how it was broken when it does not."""

    law: str
    holds: bool
    breach: str | None


@dataclass(frozen=True)
class Report:
    acts: Sequence[Act]
    totals: Totals
    laws: Sequence[Law]

    @property
    def ok(self) -> bool:
        """Whether all laws hold."""
        return all(law.holds for law in self.laws)

    def as_dict(self) -> dict[str, Any]:
        """The report as --json prints it."""
        return {"ok": self.ok, **asdict(self)}


def read(conn: db.Connection) -> Report:
    """What the ledger says of the run until now."""
    (totals,) = db.view(conn, "totals")
    return Report(
        acts=[Act(**row) for row in db.view(conn, "report", order_by=["act_id"])],
        totals=Totals(**totals),
        laws=[
            Law(law=row["law"], holds=bool(row["holds"]), breach=None if row["holds"] else row["breach"])
            for row in db.view(conn, "laws", order_by=["law_id"])
        ],
    )
