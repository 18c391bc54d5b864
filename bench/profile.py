"""Where the time goes: every nested statement of one loss, one join and the checks, as auto_explain saw it.

    python -m bench.profile --streams 1000 --instances 50 [--plans DIRECTORY]

A statement's time contains what the functions in it did; planning is not in it.
"""

import re
from collections import defaultdict
from pathlib import Path

import click
from psycopg.errors import Diagnostic
from rich.console import Console
from rich.table import Table

from bench import cases
from bench.measure import Comparison
from bench.server import MeasuredFleet, Size, server
from orchestrator.database import db

_DURATION = re.compile(r"duration: ([0-9.]+) ms\s+plan:\nQuery Text:(.*?)\n(?=[A-Z])(.*)", re.DOTALL)


class Profile:
    """Collects the notices of one piece of work."""

    def __init__(self, fleet: MeasuredFleet, plans: Path | None) -> None:
        self._fleet = fleet
        self._plans = plans
        self._notices: list[str] = []
        fleet.conn.add_notice_handler(self._listen)

    def run(self, title: str, job: str) -> None:
        self._fleet.run("profile.sql", analyze="on" if self._plans else "off")
        self._notices.clear()
        _, sample = self._fleet.timed("job.sql", job=job)
        notices = self._notices.copy()
        self._fleet.run("stop_profile.sql")
        self._show(f"{title}: {sample.milliseconds:.2f} ms, CPU {sample.cpu_milliseconds:.2f} ms", notices)
        if self._plans:
            self._plans.mkdir(parents=True, exist_ok=True)
            (self._plans / f"{title}.txt").write_text("\n\n".join(notices))

    def _listen(self, notice: Diagnostic) -> None:
        self._notices.append(notice.message_primary or "")

    def _show(self, title: str, notices: list[str]) -> None:
        total: dict[str, list[float]] = defaultdict(list)
        for notice in notices:
            if found := _DURATION.match(notice):
                total[" ".join(found[2].split())].append(float(found[1]))
        table = Table(title=title, title_justify="left")
        for column in ("ms", "calls", "statement"):
            table.add_column(column, no_wrap=True, justify="left" if column == "statement" else "right")
        for text, milliseconds in sorted(total.items(), key=lambda each: -sum(each[1]))[:25]:
            table.add_row(f"{sum(milliseconds):.2f}", str(len(milliseconds)), text[:150])
        Console(width=180).print(table)


@click.command()
@click.option("--streams", default=1_000)
@click.option("--instances", default=50)
@click.option("--plans", type=click.Path(path_type=Path), help="Where whole plans go, one file for each piece of work.")
def main(streams: int, instances: int, plans: Path | None) -> None:
    size = Size(streams, instances)
    with server() as measured, measured.clone(measured.prepare(size), size) as fleet:
        cases.first_assignment(fleet, Comparison(""))
        cases.Events(fleet).repeat(cases.LOSE_ONE, rounds=1, warm_up=6)
        profile = Profile(fleet, plans)
        victim = fleet.run("instances.sql")[0]
        for check in cases.CHECKS:
            profile.run(check, check)
        who = {"instance_ids": [victim["instance_id"]]}
        fleet.run("late.sql", who)
        fleet.run("job.sql", job="watch_instances")
        fleet.run("silent.sql", who)
        profile.run("lose", "watch_instances")
        db.call(fleet.conn, "register_instance", instance_id=victim["instance_id"], max_streams=victim["max_streams"])
        fleet.run("revive.sql", who)
        profile.run("join", "settle")


if __name__ == "__main__":
    main()
