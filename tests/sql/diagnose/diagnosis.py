"""A person who asks diagnose(), does exactly what it says, and asks again."""

import shlex
from dataclasses import dataclass

from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.lab.waiting import wait_until
from tests.fleet import Fleet, Row
from tests.support import Database

# What a finding may be, by its code; all others are warnings.
SEVERITIES = {
    **dict.fromkeys(
        (
            "capacity_missing",
            "counts_wrong",
            "migration_missing",
            "number_of_two",
            "no_driver",
            "no_instance",
            "row_impossible",
            "row_missing",
            "setting_out_of_bounds",
        ),
        ("critical",),
    ),
    **dict.fromkeys(
        (
            "clock_stepped",
            "connections_few",
            "decisions_held_up",
            "job_failing",
            "job_overdue",
            "notify_queue_filling",
            "part_failed",
            "settings_contradict",
            "source_failing",
            "streams_refused",
            "streams_wait_for_ability",
            "streams_wait_for_an_instance",
            "streams_wait_for_ask",
            "streams_wait_for_room",
            "streams_wait_with_room",
        ),
        ("critical", "warning"),
    ),
    "balancing_paused": ("warning", "info"),
    "nothing_written": ("warning", "info"),
}


@dataclass
class Diagnosis:
    fleet: Fleet

    def codes(self) -> list[str]:
        return [row["code"] for row in self.fleet.admin("diagnose")]

    def findings(self, code: str) -> list[Row]:
        """The findings with this code; each of them says everything."""
        rows = [row for row in self.fleet.admin("diagnose") if row["code"] == code]
        for row in rows:
            assert row["severity"] in SEVERITIES.get(code, ("warning",))
            assert row["subject"]
            assert row["finding"]
            assert row["recommendation"]
            assert isinstance(row["evidence"], dict)
        return rows

    def sees(self, code: str, subject: str | None = None) -> Row:
        """The one finding with this code."""
        rows = self.findings(code)
        assert len(rows) == 1, (code, self.fleet.admin("diagnose"))
        if subject is not None:
            assert rows[0]["subject"] == subject
        return rows[0]

    def sees_no(self, code: str) -> None:
        assert self.findings(code) == []

    def cures(self, code: str, subject: str | None = None) -> Row:
        """The finding is there, its repair is run exactly as given, and it is there no more."""
        finding = self.sees(code, subject)
        self.do(finding["repair"])
        # a session that is ended takes its time
        wait_until(lambda: not self.findings(code), seconds=30, what=f"{code} is cured")
        return finding

    def do(self, repair: str) -> None:
        """Run a repair: a command as an operator, a function as an administrator, anything else as a superuser."""
        if repair.startswith("orchestrator "):
            run_command(repair, self.fleet.database)
            return
        public = f"{self.fleet.database.names.api}."
        conn = self.fleet.admin_conn if public in repair else self.fleet.owner_conn
        conn.execute(repair)


def run_command(command: str, database: Database) -> None:
    """A command of this program that is given as a repair."""
    program, *arguments = shlex.split(command)
    assert program == "orchestrator"
    result = CliRunner().invoke(main, arguments, env={"ORCHESTRATOR_DSN": database.dsn})
    assert result.exit_code == 0, result.output
