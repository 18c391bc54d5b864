"""What is wrong, and what to type: on the terminal."""

import shlex

from orchestrator.database import db
from tests.cli.conftest import Cli, Fleet
from tests.rooms import path_of, sql_file_of
from tests.support import Database


def test_what_is_wrong_comes_first_with_its_repair_on_a_line_of_its_own(cli: Cli, fleet: Fleet) -> None:
    cli("rebalance", "pause", "--reason", "new\x1b[31m cables")
    findings, _, _ = cli("diagnose").stdout.partition("\nchecks\n")
    [place] = [n for n, line in enumerate(findings.splitlines()) if line.startswith("info  balancing_paused  fleet: ")]
    told, _recommended, repair = findings.splitlines()[place : place + 3]
    assert told.endswith("new\\u001b[31m cables")
    fleet.conn.execute(repair.removeprefix("    repair: "))
    assert "balancing_paused" not in cli("diagnose").stdout


def test_the_worst_comes_first(cli: Cli, fleet: Fleet, database: Database) -> None:
    fleet.add_streams(3)
    cli("rebalance", "pause")
    fleet.conn.execute(f"update {database.names.private}.instance_load set owned = owned + 1")
    fleet.conn.execute(f"create index slow on {database.names.private}.heartbeat (beat_at)")
    findings = cli("diagnose", "--json").json["findings"]
    severities = [row["severity"] for row in findings]
    assert severities == sorted(severities, key=["critical", "warning", "info"].index)
    assert set(severities) == {"critical", "warning", "info"}
    assert findings[0].keys() == {"severity", "code", "subject", "finding", "evidence", "recommendation", "repair"}


def test_a_program_that_is_newer_than_the_database_is_a_finding(cli: Cli, fleet: Fleet, database: Database) -> None:
    """R6.2: the database cannot know; the repair migrates."""
    health = path_of(sql_file_of("health"))
    fleet.conn.execute(
        f"update {database.names.private}.schema_repeatable set checksum = 'old' where path = '{health}'"
    )
    [finding] = [row for row in cli("diagnose", "--json").json["findings"] if row["code"] == "migrations_pending"]
    assert finding["evidence"] == {"migrations": [], "files": [health]}
    assert cli(*shlex.split(finding["repair"])[1:]).exit_code == 0
    assert "migrations_pending" not in [row["code"] for row in cli("diagnose", "--json").json["findings"]]


def test_readers_may_diagnose(cli: Cli, fleet: Fleet, database: Database) -> None:
    reader = database.connect("reader")
    cli("rebalance", "pause")
    assert "balancing_paused" in [row["code"] for row in db.call(reader, "diagnose")]
    assert db.call(reader, "explain_instance", instance_id="one")
