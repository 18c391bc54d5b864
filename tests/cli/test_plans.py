"""What would be, and why things are as they are, on the terminal."""

import pytest

from orchestrator.database import db
from tests.cli.conftest import Cli, Fleet


def test_a_plan_shows_each_instance_before_and_after_and_each_move_with_its_reason(cli: Cli, fleet: Fleet) -> None:
    fleet.add_streams(8)
    fleet.register("three")
    shown = cli("rebalance", "plan").stdout
    assert "its owner has more than its share" in shown
    told = shown.splitlines()[-2:]
    assert told[0].endswith(" moves, the least possible 2")
    plan_id = told[0].split()[1].rstrip(":")
    assert told[1] == f"to make it: orchestrator rebalance apply {plan_id}"
    cells = {
        line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith(("one ", "two ", "three "))
    }
    assert cells == {
        "one": ["10", "4", "3", "0", "1"],
        "two": ["10", "4", "3", "0", "1"],
        "three": ["10", "0", "2", "2", "0"],
    }
    assert cli("rebalance", "apply", plan_id, "--json").json["moves"] == 2


def test_what_if_tells_what_would_become_of_another_fleet(cli: Cli, fleet: Fleet) -> None:
    fleet.add_streams(8)
    before = db.view(fleet.conn, "assignments", order_by=["stream_id"])
    answer = cli("rebalance", "plan", "--without", "two", "--with", "new:3", "--capacity", "one=4", "--json").json
    assert answer["waiting_after"] == 1
    loads = {row["instance_id"]: (row["change"], row["streams_after"]) for row in answer["instances"]}
    assert loads == {"one": ("capacity", 4), "two": ("without", 0), "new": ("new", 3)}
    shown = cli("rebalance", "plan", "--without", "two", "--with", "new:3", "--capacity", "one=4").stdout
    assert shown.endswith("streams that wait: 0 before, 1 after\nnothing was changed\n")
    assert db.view(fleet.conn, "assignments", order_by=["stream_id"]) == before


@pytest.mark.parametrize(
    "given", [("--with", "new"), ("--with", ":5"), ("--with", "new:many"), ("--capacity", "one:4")]
)
def test_what_cannot_be_supposed_is_a_wrong_usage(cli: Cli, fleet: Fleet, given: tuple[str, str]) -> None:
    assert cli("rebalance", "plan", *given).exit_code == 2


def test_an_unknown_instance_cannot_be_supposed_away(cli: Cli, fleet: Fleet) -> None:
    answer = cli("rebalance", "plan", "--without", "unknown", "--json")
    assert (answer.exit_code, answer.error["code"]) == (1, "OR103")


def test_an_instance_shows_its_life(cli: Cli, fleet: Fleet) -> None:
    fleet.add_streams(2)
    cli("instance", "drain", "one", "--reason", "a new disk")
    life = cli("instance", "show", "one", "--json").json["life"]
    assert life[0]["what"] == "now draining"
    assert "a new disk" in [row["reason"] for row in life]
    assert "a new disk" in cli("instance", "show", "one").stdout


def test_a_waiting_stream_shows_what_keeps_each_instance_from_it(cli: Cli, fleet: Fleet) -> None:
    [added] = db.call(fleet.conn, "add_stream", url="http://radio.example/x", required_capabilities=["aac"])
    shown = cli("stream", "explain", added["stream_id"]).stdout
    assert "it waits: no instance has the capabilities" in shown
    assert "it lacks aac" in shown


def test_a_stream_that_is_heard_shows_who_else_could_have_it(cli: Cli, fleet: Fleet) -> None:
    [stream_id] = fleet.add_streams(1)
    other = {"one": "two", "two": "one"}[fleet.owner(stream_id)]
    shown = cli("stream", "explain", stream_id).stdout
    assert shown.split("who else could have it")[1].split()[4] == other


def test_a_plan_says_what_cannot_be_moved_and_why(cli: Cli, fleet: Fleet) -> None:
    fleet.register("keeper", metadata={"keeps_streams": True})
    fleet.register("http-1")
    fleet.add_streams(8)
    fleet.register("three")
    # as a client that asks for its streams has them
    fleet.conn.execute(
        f"update {fleet.conn.names.private}.instance set placement = 'pull' where instance_id = 'http-1'"
    )
    streams = {row["instance_id"]: row["assigned_streams"] for row in db.view(fleet.conn, "instances")}
    shown = cli("rebalance", "plan").stdout.splitlines()
    assert (
        f"keeper: its {streams['keeper']} streams cannot be moved: it stops none while it lives; stop its process"
        in shown
    )
    assert (
        f"http-1: its {streams['http-1']} streams cannot be moved: it stops none while it lives; recreate its container"
        in shown
    )
    told = cli("rebalance", "plan", "--json").json["cannot_be_moved"]
    assert [row["instance_id"] for row in told] == ["http-1", "keeper"]
    [first, *_] = cli("rebalance", "plan", "--json").json["moves"]
    effect = db.call(fleet.conn, "plan_effect", plan_id=first["plan_id"])
    assert {row["instance_id"] for row in effect if row["immovable"]} == {"http-1", "keeper"}
