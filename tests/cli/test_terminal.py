"""Tables on real terminals of 80 and 120 columns, and on a pipe."""

import subprocess

import pytest
from rich.cells import cell_len

from tests.cli.conftest import Cli, Fleet
from tests.cli.terminal import PROGRAMS, terminal
from tests.support import Database

LONG_NAME = "Rádio 日本語ラジオ " * 6
LONG_URL = "http://radio.example/" + "x" * 150


@pytest.fixture
def wide_fleet(cli: Cli, fleet: Fleet) -> Fleet:
    """One whose names, addresses and alerts are long."""
    fleet.add_streams(2)
    cli("stream", "add", LONG_URL, "--name", LONG_NAME, "--region", "sul")
    fleet.open_alert("the fleet is gone for unknown reasons; " * 20)
    return fleet


LISTS = ("stream list", "stream explain 3", "alerts", "instance list", "instance show one", "jobs list")


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_a_table_is_wider_than_the_terminal(wide_fleet: Fleet, database: Database, width: int) -> None:
    for command in LISTS:
        with terminal(*command.split(), "--dsn", database.dsn, "--schema", database.names.api, width=width) as shown:
            assert shown.end() == 0, shown.text
        too_wide = [line for line in shown.text.splitlines() if cell_len(line) > width]
        assert not too_wide, command
        words = shown.text.split()
        assert "…" not in words or "long texts are cut: --json has all" in " ".join(words), command
        assert "watch_transactions" in words or command != "jobs list", "a name stays in one piece, to be copied"


def test_a_narrow_terminal_leaves_out_the_least_important_columns_and_says_so(
    wide_fleet: Fleet, database: Database
) -> None:
    target = ("--dsn", database.dsn, "--schema", database.names.api)
    with (
        terminal("stream", "list", *target, width=60) as narrow,
        terminal("stream", "list", *target, width=400) as wide,
    ):
        narrow.end()
        wide.end()

    _, said, left_out = narrow.text.partition("\nno room for")
    assert said and "url" in left_out
    assert "radio 0" in narrow.text
    assert LONG_URL in wide.text
    assert "no room" not in wide.text


def test_without_rich_lines_are_cut(wide_fleet: Fleet, database: Database) -> None:
    """It belongs to the extra `cli`."""
    code = "import sys; sys.modules['rich'] = None; from orchestrator.cli import main; main()"
    target = ("--dsn", database.dsn, "--schema", database.names.api)
    with terminal("-c", code, "stream", "list", *target, program="python") as shown:
        assert shown.end() == 0, shown.text
    header, *lines = shown.text.splitlines()
    assert header.startswith("stream_id  name") and header.endswith("…")
    assert len(lines) == 3 and max(map(len, lines)) == 80


def test_on_a_pipe_a_row_is_one_line_however_long(wide_fleet: Fleet, cli: Cli, database: Database) -> None:
    lines = cli("stream", "list").stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].split() == [
        "stream_id",
        "name",
        "state",
        "instance_id",
        "number",
        "epoch",
        "region",
        "pinned_to",
        "url",
    ]
    assert LONG_NAME.strip() in lines[3] and lines[3].endswith(LONG_URL)


def test_progress_is_shown_on_a_terminal_only_and_never_with_json(database: Database, empty_database: str) -> None:
    """On standard error, so that the answer can be piped."""
    target = ("--dsn", empty_database, "--schema", "another")
    with terminal("db", "migrate", *target) as shown:
        assert shown.end() == 0, shown.text
    assert "migrating" in shown.text
    assert "repeatable files applied" in shown.text
    with terminal("db", "migrate", "--repair", "--json", *target) as shown:
        assert shown.end() == 0
    assert "migrating" not in shown.text
    piped = subprocess.run(
        [PROGRAMS / "orchestrator", "db", "migrate", "--repair", *target], capture_output=True, text=True, check=True
    )
    assert piped.stderr == ""
