"""The closing report. Every figure in it is read from the ledger; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import click

from orchestrator.cli import output
from orchestrator.database import db


@dataclass(frozen=True)
class Act:
    """One act of the demo. Seconds of the clock are float, seconds of audio are counted over all stations."""

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
    seconds_written_twice: int
    writes_refused: int


@dataclass(frozen=True)
class Totals:
    """The whole demo; seconds of audio over all stations."""

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
    """Something that must hold whatever happened, and how it was broken when it does not."""

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
    """What the ledger says of the demo until now."""
    (totals,) = db.view(conn, "totals")
    return Report(
        acts=[Act(**row) for row in db.view(conn, "report", order_by=["act_id"])],
        totals=Totals(**totals),
        laws=[
            Law(law=row["law"], holds=bool(row["holds"]), breach=None if row["holds"] else row["breach"])
            for row in db.view(conn, "laws", order_by=["law_id"])
        ],
    )


def print_report(report: Report, *, as_json: bool, cpu_percent: Mapping[str, float], failure: str | None) -> None:
    """Print it for people, or as JSON.

    `cpu_percent` is what each kind of process used of one core, `failure` why the demo broke off when it did.
    """
    if as_json:
        output.as_json_text({**report.as_dict(), "failure": failure, "cpu_percent": cpu_percent})
        return
    output.rows(
        [
            {
                "act": f"{act.act}: {act.description}",
                "moved": act.moves,
                "least": act.least_moves,
                "all heard again": f"{act.seconds_until_all_heard:.1f} s",
                "lost": act.seconds_lost,
                "twice": act.seconds_written_twice,
                "refused": act.writes_refused,
            }
            for act in report.acts
        ],
        as_json=False,
        title="What the ledger says (lost and twice are seconds of audio, refused are writes)",
    )
    totals = report.totals
    output.record(
        {
            "heard": f"{totals.seconds_heard} of {totals.seconds_sung} seconds of {totals.stations} stations",
            "lost": f"{totals.seconds_lost}, of which by stations that were not moved: "
            f"{totals.seconds_lost_without_a_move}",
            "twice": totals.seconds_written_twice,
            "refused": f"{totals.writes_refused} writes of instances that had been replaced",
            "cpu": ", ".join(f"{kind} {percent} %" for kind, percent in cpu_percent.items()) + " of one core",
        },
        as_json=False,
    )
    click.echo()
    for law in report.laws:
        click.echo(f"{'holds ' if law.holds else 'BROKEN'}  {law.law}" + (f": {law.breach}" if law.breach else ""))
    if failure:
        click.echo(f"BROKEN  the demo did not come to its end: {failure}")
