"""What a source is told about its witnesses."""

from typing import Any

from tests.cli.conftest import Cli


def _witnesses(cli: Cli) -> dict[str, str]:
    [row] = [row for row in cli("source", "list", "--json").json if row["source"] == "field"]
    found: dict[str, Any] = row["witnesses"] or {}
    return {name: witness["table_name"] for name, witness in found.items()}


def test_the_witnesses_of_a_source_are_named_left_as_they_are_and_ended(cli: Cli) -> None:
    assert cli("source", "add", "field", "--from", "host=db.example.org").exit_code == 0
    assert _witnesses(cli) == {}
    assert cli("source", "add", "field", "--heartbeats", "--music-log", "finger.songs").exit_code == 0
    assert _witnesses(cli) == {"heartbeats": "server_heartbeats", "music_log": "finger.songs"}
    assert cli("source", "add", "field", "--interval", "2 minutes").exit_code == 0
    assert cli("source", "add", "field", "--no-heartbeats", "--music-log").exit_code == 0
    assert _witnesses(cli) == {"music_log": "music_log"}
    refused = cli("source", "add", "field", "--heartbeats=")
    assert refused.exit_code == 2 and "--heartbeats" in refused.stderr
