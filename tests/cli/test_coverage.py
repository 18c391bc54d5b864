"""orchestrator coverage: what was not heard, for people and for programs."""

import pytest

from tests.cli.conftest import Cli, Fleet


def test_it_tells_what_was_not_heard_and_why_the_worst_first(cli: Cli, fleet: Fleet) -> None:
    first, *_ = fleet.add_streams(3)
    shown = cli("coverage").stdout
    assert "waiting" in shown
    assert shown.splitlines()[-1].endswith(" s were covered, of 3 streams")
    rows = cli("coverage", "--since", "1h", "--json").json
    assert [row["uncovered"] for row in rows] == sorted((row["uncovered"] for row in rows), reverse=True)
    [row] = cli("coverage", "--stream", first, "--cause", "waiting", "--json").json
    assert (row["stream_id"], row["cause"]) == (first, "waiting")
    assert row["expected"] >= row["uncovered"] > 0
    assert cli("coverage", "--instance", "nobody", "--json").json == []
    assert cli("coverage", "--instance", "nobody").stdout == "no gaps\n"


@pytest.mark.parametrize("given", [("--cause", "boredom"), ("--since", "soon"), ("--since", "1h", "--until", "2h")])
def test_what_means_nothing_is_a_wrong_usage(cli: Cli, fleet: Fleet, given: tuple[str, ...]) -> None:
    assert cli("coverage", *given).exit_code == 2
