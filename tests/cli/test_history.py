"""orchestrator history, and how moments are written."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from orchestrator.cli import moments
from tests.cli.conftest import Cli, Fleet


@pytest.fixture
def in_sao_paulo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three hours behind UTC."""
    monkeypatch.setenv("TZ", "America/Sao_Paulo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = datetime.fromisoformat("2026-11-30T08:30:00-03:00")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-11-30T08:30:00-03:00"),
        ("today", "2026-11-30T00:00:00-03:00"),
        ("yesterday", "2026-11-29T00:00:00-03:00"),
        ("8h", "2026-11-30T00:30:00-03:00"),
        ("90 s", "2026-11-30T08:28:30-03:00"),
        ("1 h 30 min", "2026-11-30T07:00:00-03:00"),
        ("1h30m", "2026-11-30T07:00:00-03:00"),
        ("2d", "2026-11-28T08:30:00-03:00"),
        ("03:12", "2026-11-30T03:12:00-03:00"),
        ("9:00", "2026-11-29T09:00:00-03:00"),
        ("2026-11-30", "2026-11-30T00:00:00-03:00"),
        ("2026-11-30 03:12", "2026-11-30T03:12:00-03:00"),
        ("2026-11-30T03:12", "2026-11-30T03:12:00-03:00"),
        ("2026-11-30T03:12Z", "2026-11-30T03:12:00+00:00"),
        ("2026-11-30T03:12:07.5+01:00", "2026-11-30T03:12:07.5+01:00"),
    ],
)
def test_a_moment_has_the_zone_that_is_written_or_the_local_one(in_sao_paulo: None, text: str, moment: str) -> None:
    told = moments.moment_of(text, NOW.astimezone())

    assert told == datetime.fromisoformat(moment)
    assert told.tzinfo is not None


@pytest.mark.parametrize("option", ["--at", "--since", "--until"])
@pytest.mark.parametrize("text", ["soon", "25:00", "-8h", "8", "8 fortnights", "99999999d", "0000-01-01", "2026-13-01"])
def test_what_is_no_moment_is_wrong_usage(cli: Cli, option: str, text: str) -> None:
    answer = cli("history", option, text, "--json")

    assert answer.exit_code == 2
    assert answer.error["code"] == "usage"
    assert option in answer.error["detail"]["parameter"]


@pytest.mark.parametrize(
    "wrong", [("--at", "now", "--since", "1h"), ("--at", "now", "--until", "now"), ("--since", "1h", "--until", "2h")]
)
def test_moments_that_contradict_each_other_are_wrong_usage(cli: Cli, wrong: tuple[str, ...]) -> None:
    assert cli("history", *wrong).exit_code == 2


def test_history_tells_what_moved_and_why_in_a_line_and_says_the_zone(
    cli: Cli, fleet: Fleet, in_sao_paulo: None
) -> None:
    [first, second] = fleet.add_streams(2)
    owner = fleet.owner(first)
    other = {"one": "two", "two": "one"}[owner]
    cli("stream", "move", first, other, "--reason", "quieter there")

    told = cli("history", "--since", "1h").stdout.splitlines()
    rows = cli("history", "--stream", first, "--json").json

    assert told[0].startswith("from ") and told[0].endswith("-03:00 (-03) to now")
    [line] = [line for line in told if "quieter there" in line]
    assert f"stream {first} {owner} → {other}" in line
    assert "-03:00" in line
    assert f"{owner} → {other}" in rows[-1]["what"]
    assert rows[-1]["changes"][0]["stream_ids"] == [first]
    assert not any(row["changes"][0]["stream_ids"] == [second] for row in rows)
    assert cli("history", "--instance", "unknown", "--json").json == []


def test_history_at_a_moment_tells_who_had_what(cli: Cli, fleet: Fleet) -> None:
    [first, second] = fleet.add_streams(2)
    then = datetime.now().astimezone()
    owner = fleet.owner(first)
    cli("stream", "remove", first)

    rows = cli("history", "--at", then.isoformat(), "--json").json

    assert [row["stream_id"] for row in rows] == [first, second]
    assert rows[0] == {"stream_id": first, "instance_id": owner, "epoch": 1, "state": "assigned"}
    assert cli("history", "--at", then.isoformat(), "--stream", second, "--json").json == rows[1:]
    assert {row["instance_id"] for row in cli("history", "--at", "now", "--instance", owner, "--json").json} <= {owner}
    assert [row["stream_id"] for row in cli("history", "--at", "now", "--json").json] == [second]
    assert cli("history", "--at", then.isoformat()).stdout.startswith(f"at {moments.text_of(then)}\n")


def test_a_moment_before_the_history_is_refused_with_the_oldest_one(cli: Cli, fleet: Fleet) -> None:
    for asked in (("--at", "31d"), ("--since", "31d")):
        answer = cli("history", *asked, "--json")
        assert (answer.exit_code, answer.error["code"]) == (1, "OR101")
        oldest = datetime.fromisoformat(answer.error["detail"]["oldest"])
        assert abs(datetime.now().astimezone() - timedelta(days=30) - oldest) < timedelta(minutes=5)
    assert cli("history", "--at", "2999-01-01").exit_code == 1
