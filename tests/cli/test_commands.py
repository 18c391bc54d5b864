"""Every command end to end: what it does, its JSON keys, its refusals and exit codes."""

from functools import partial

import psycopg
import pytest

from orchestrator.cli import answer as cli_answer
from orchestrator.cli.diagnose import SECTIONS
from orchestrator.database.retry import Round
from tests.cli.conftest import Cli, Fleet
from tests.support import Database

# -- reading ---------------------------------------------------------------------------------------------------------


def test_status_shows_the_fleet_on_one_page(cli: Cli, fleet: Fleet) -> None:
    fleet.add_streams(6)

    page = cli("status", "--json").json
    text = cli("status").stdout

    assert page.keys() == {"fleet", "health", "instances", "alerts", "decisions"}
    assert page["fleet"]["streams_held"] == 6
    assert {each["instance_id"]: each["assigned_streams"] for each in page["instances"]} == {"one": 3, "two": 3}
    assert "6 held, 0 waiting" in text
    assert "balancing  on" in text
    assert "what to type" not in text


def test_status_says_who_paused_balancing_and_why(cli: Cli, fleet: Fleet) -> None:
    cli("rebalance", "pause", "--reason", "inventory")

    assert "inventory" in cli("status").stdout


def test_health_exits_1_when_something_is_unhealthy(cli: Cli, fleet: Fleet, database: Database) -> None:
    """R6.3"""
    assert cli("health").exit_code == 0
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute(f"update {database.names.private}.instance_load set owned = owned + 1")

    answer = cli("health", "--json")

    assert answer.exit_code == 1
    assert {check["component"]: check["status"] for check in answer.json}["integrity"] == "unhealthy"
    assert answer.json[0].keys() == {"component", "status", "finding", "detail", "response_time"}


def test_diagnose_collects_what_helps(cli: Cli, fleet: Fleet) -> None:
    answer = cli("diagnose", "--json")

    assert answer.exit_code == 0
    assert answer.json.keys() == {"findings", "health", *(section.key for section in SECTIONS)}
    assert "no session waits for a lock" in cli("diagnose").stdout


def test_diagnose_and_status_show_trouble_plainly(cli: Cli, fleet: Fleet) -> None:
    [stream_id] = fleet.add_streams(1)
    fleet.make_trouble(stream_id)

    told, page = cli("diagnose").stdout, cli("status").stdout
    found = cli("diagnose", "--json").json

    assert "recovery mode: balancing is frozen, failover is not" in told
    assert "RECOVERY MODE since" in page
    assert "balancing  frozen by recovery mode" in page
    assert "what to type: orchestrator diagnose" in page
    assert [row["breaker"] for row in found["breakers"]] == ["instance one", "alert target ops"]
    assert [row["instance_id"] for row in found["probation"]] == ["two"]
    assert [row["stream_id"] for row in found["failing_stations"]] == [stream_id]
    assert [row["instance_id"] for row in found["repairs"]] == ["one"]
    assert [row["reporter"] for row in found["failures_in_a_row"]] == ["driver:night"]
    assert [row["pattern"] for row in found["patterns"]] == ["no answer from <address>"]
    assert cli("rebalance", "end-recovery", "--json").json["recovery_since"]
    assert "RECOVERY MODE" not in cli("status").stdout
    for word in ("half-open", "alert target ops", "driver:night", "stations that fail everywhere"):
        assert word in told


# -- instances -------------------------------------------------------------------------------------------------------


def test_instances_are_listed_and_shown(cli: Cli, fleet: Fleet) -> None:
    fleet.add_streams(4)

    listed = cli("instance", "list", "--json").json
    shown = cli("instance", "show", "one", "--json").json

    assert [row["instance_id"] for row in listed] == ["one", "two"]
    assert {"status", "assigned_streams", "max_streams", "load_percentage", "silent_for"} <= listed[0].keys()
    assert shown["instance_id"] == "one"
    assert len(shown["streams"]) == shown["assigned_streams"] == 2
    assert "two" in cli("instance", "list").stdout
    assert "radio 0" in cli("instance", "show", "one").stdout


def test_an_instance_is_drained_and_undrained(cli: Cli, fleet: Fleet) -> None:
    assert cli("instance", "drain", "one", "--json").json["status"] == "draining"
    assert cli("instance", "undrain", "one", "--json").json["status"] == "active"


def test_a_removed_instance_is_hidden_until_asked_for_and_may_be_readmitted(cli: Cli, fleet: Fleet) -> None:
    fleet.add_streams(2)

    assert cli("instance", "remove", "one", "--json").json["moved"] == 1
    assert "one" not in cli("instance", "list").stdout
    assert "one" in cli("instance", "list", "--all").stdout
    assert cli("instance", "readmit", "one", "--json").json["instance_id"] == "one"
    fleet.register("one")


def test_the_capacity_of_an_instance_is_changed(cli: Cli, fleet: Fleet) -> None:
    assert cli("instance", "capacity", "one", 5, "--json").json["max_streams"] == 5

    refused = cli("instance", "capacity", "one", 1001, "--json")

    assert (refused.exit_code, refused.error["code"]) == (1, "OR101")
    assert refused.error.keys() == {"code", "message", "detail", "hint"}


# -- streams ---------------------------------------------------------------------------------------------------------


def test_a_stream_lives_from_add_to_remove(cli: Cli, fleet: Fleet) -> None:
    added = cli(
        "stream", "add", "http://radio.example/a", "--name", "Radio A", "--metadata", '{"sheet": 1}', "--json"
    ).json
    stream_id = added["stream_id"]
    assert added["instance_id"] in ("one", "two")

    [listed] = cli("stream", "list", "--json").json
    assert (listed["name"], listed["metadata"]) == ("Radio A", {"sheet": 1})
    assert "Radio A" in cli("stream", "list", "--instance", added["instance_id"]).stdout
    assert cli("stream", "list", "--state", "waiting", "--json").json == []

    assert cli("stream", "deactivate", stream_id, "--json").json["state"] == "idle"
    assert cli("stream", "activate", stream_id, "--json").json["state"] in ("assigned", "waiting")
    assert cli("stream", "explain", stream_id, "--json").json[0]["what"].startswith("now")
    assert cli("stream", "remove", stream_id, "--json").exit_code == 0
    assert cli("stream", "list").stdout == "no streams\n"


def test_a_stream_is_moved_and_pinned(cli: Cli, fleet: Fleet) -> None:
    [stream_id] = fleet.add_streams(1)
    home = fleet.owner(stream_id)
    other = {"one": "two", "two": "one"}[home]

    pinned = {"stream_id": stream_id, "pinned_to": home, "event_id": None}
    assert cli("stream", "pin", stream_id, "--json").json == pinned
    refused = cli("stream", "move", stream_id, other, "--json")
    assert (refused.exit_code, refused.error["code"]) == (1, "OR402")
    assert cli("stream", "unpin", stream_id, "--json").json["was_pinned_to"] == home
    assert cli("stream", "move", stream_id, other, "--json").json["to_instance_id"] == other
    assert cli("stream", "move", stream_id, other, "--json").json is None
    assert cli("stream", "move", stream_id, other).stdout == "nothing to do\n"


def test_metadata_that_is_no_object_is_a_usage_error(cli: Cli) -> None:
    for text in ("{", "[]"):
        answer = cli("stream", "add", "http://radio.example/a", "--metadata", text)
        assert answer.exit_code == 2
        assert "--metadata" in answer.stderr


def test_a_fence_whose_name_needs_quotes_is_a_usage_error(cli: Cli) -> None:
    answer = cli("db", "render", "--fence", "--fence-schema", 'my"fence; drop')

    assert answer.exit_code == 2
    assert "--fence-schema" in answer.stderr


# -- balancing -------------------------------------------------------------------------------------------------------


def test_a_rebalance_is_planned_then_applied_once(cli: Cli, fleet: Fleet) -> None:
    fleet.add_streams(8)
    fleet.register("three")

    plan = cli("rebalance", "plan", "--json").json
    assert plan.keys() == {"plan_id", "moves", "least_moves", "instances", "cannot_be_moved"}
    assert plan["moves"][0].keys() == {"plan_id", "stream_id", "from_instance_id", "to_instance_id", "why"}
    applied = cli("rebalance", "apply", plan["plan_id"], "--json")
    assert applied.json["moves"] == applied.json["least_moves"] == len(plan["moves"])

    again = cli("rebalance", "apply", plan["plan_id"], "--json")
    assert (again.exit_code, again.error["code"]) == (1, "OR403")


def test_a_rebalance_is_refused_while_paused(cli: Cli, fleet: Fleet) -> None:
    assert cli("rebalance", "pause", "--reason", "night", "--json").json["reason"] == "night"

    refused = cli("rebalance", "now", "--json")

    assert (refused.exit_code, refused.error["code"]) == (1, "OR401")
    assert cli("rebalance", "resume", "--json").json["was_paused_at"]
    assert cli("rebalance", "now", "--json").json["moves"] == 0
    assert cli("rebalance", "plan").stdout == "nothing to move: the load is even\n"


# -- settings, jobs, alerts ------------------------------------------------------------------------------------------


def test_settings_are_listed_read_and_changed(cli: Cli) -> None:
    assert {"name", "value", "default_value", "unit", "description"} <= cli("settings", "list", "--json").json[0].keys()
    assert cli("settings", "set", "imbalance_threshold", "0.3", "--json").json == {
        "name": "imbalance_threshold",
        "old_value": "0.20",
        "value": "0.3",
    }
    assert cli("settings", "get", "imbalance_threshold").stdout == "0.3\n"
    assert cli("settings", "get", "imbalance_threshold", "--json").json["value"] == "0.3"
    assert "heartbeat_timeout" in cli("settings", "list").stdout


def test_a_setting_that_breaks_an_inequality_is_refused(cli: Cli) -> None:
    refused = cli("settings", "set", "heartbeat_warning", "400 seconds", "--json")

    assert (refused.exit_code, refused.error["code"]) == (1, "OR108")
    assert "heartbeat_warning < heartbeat_timeout" in refused.error["message"]


def test_jobs_are_listed_run_requested_and_scheduled(cli: Cli) -> None:
    names = {row["job"] for row in cli("jobs", "list", "--json").json}
    assert {"watch_instances", "settle", "sync_source"} <= names
    assert "watch_instances" in cli("jobs", "list").stdout

    done = cli("jobs", "run", "--json")
    assert done.exit_code == 0
    assert {"job", "outcome", "result", "error", "duration", "event_id"} == done.json[0].keys()
    assert cli("jobs", "run", "purge_history", "--json").json["job"] == "purge_history"
    assert "purge_history" in {row["job"] for row in cli("jobs", "run", "--json").json}

    changed = cli("jobs", "schedule", "check_balance", "1 minute", "--disable", "--json").json
    assert (changed["schedule"], changed["enabled"]) == ("1 minute", False)
    assert cli("jobs", "schedule", "check_balance", "--enable", "--json").json["enabled"] is True
    assert cli("jobs", "schedule", "check_balance").exit_code == 2
    assert cli("jobs", "schedule", "check_balance", "whenever", "--json").error["code"] == "OR101"


def test_an_event_is_told_by_its_id_or_the_beginning_that_tables_show(cli: Cli, fleet: Fleet) -> None:
    [stream_id] = fleet.add_streams(1)
    other = {"one": "two", "two": "one"}[fleet.owner(stream_id)]
    event_id = cli("stream", "move", stream_id, other, "--reason", "louder there", "--json").json["event_id"]

    assert cli("event").stdout.splitlines()[1].split()[2] == event_id[:8], "the latest"
    assert f"  {event_id[:8]}" in cli("stream", "explain", stream_id).stdout
    told = cli("event", event_id[:8]).stdout
    assert told.startswith(f"event {event_id}\n")
    assert "louder there" in told
    story = cli("event", event_id, "--json").json
    assert [(row["kind"], row["what"]) for row in story] == [
        ("decision", "moved by hand"),
        ("move", "asked to hand over"),
    ]
    assert story[0].keys() == {"event_id", "at", "kind", "what", "subject", "text", "id", "detail"}
    assert cli("event", event_id[:7], "--json").error["code"] == "OR101"
    assert cli("event", "00000000", "--json").error["code"] == "OR107"


def test_jobs_run_exits_1_when_one_failed_and_runs_shows_it(cli: Cli, database: Database) -> None:
    names = database.names
    database.connect().execute(
        f"""
        create or replace function {names.private}.check_balance() returns jsonb language plpgsql as
        $$ begin raise exception using errcode = 'OR901', message = 'broken on purpose'; end $$
        """
    )

    assert cli("jobs", "run").exit_code == 1

    [run] = cli("jobs", "runs", "--failed", "--json").json
    assert run["error"]["sqlstate"] == "OR901"
    assert "check_balance" in cli("jobs", "runs", "--job", "check_balance").stdout


def test_alerts_are_listed_and_acknowledged(cli: Cli, database: Database) -> None:
    names = database.names
    conn = database.connect()
    conn.execute(
        f"""
        insert into {names.private}.alert (code, subject, severity, message, opened_at, updated_at, resolved_at)
        values ('open', '', 'critical', 'the fleet is gone', now(), now(), null),
               ('over', '', 'warning', 'the fleet was gone', now(), now(), now())
        """
    )

    [alert] = cli("alerts", "--json").json
    assert alert["code"] == "open"
    assert [row["code"] for row in cli("alerts", "--all", "--json").json] == ["open", "over"]
    assert cli("alerts", "ack", alert["alert_id"], "--json").json["acknowledged_by"]
    assert cli("alerts", "--json", "ack", alert["alert_id"]).json["alert_id"] == alert["alert_id"]
    assert "the fleet is gone" in cli("alerts").stdout


# -- refusals that many commands share -------------------------------------------------------------------------------

UNKNOWN: list[tuple[str, ...]] = [
    ("instance", "show", "unknown"),
    ("instance", "drain", "unknown"),
    ("instance", "undrain", "unknown"),
    ("instance", "remove", "unknown"),
    ("instance", "readmit", "unknown"),
    ("instance", "capacity", "unknown", "10"),
    ("stream", "remove", "4711"),
    ("stream", "move", "4711", "one"),
    ("stream", "pin", "4711"),
    ("stream", "unpin", "4711"),
    ("stream", "explain", "4711"),
    ("stream", "activate", "4711"),
    ("rebalance", "apply", "4711"),
    ("settings", "get", "nothing"),
    ("settings", "set", "nothing", "1"),
    ("alerts", "ack", "4711"),
    ("jobs", "run", "nothing"),
    ("jobs", "schedule", "nothing", "1 minute"),
]


@pytest.mark.parametrize("command", UNKNOWN, ids=" ".join)
def test_what_is_unknown_is_refused_with_a_code_and_a_hint(cli: Cli, fleet: Fleet, command: tuple[str, ...]) -> None:
    answer = cli(*command, "--json")
    told = cli(*command)

    assert answer.exit_code == told.exit_code == 1
    assert answer.error["code"] in ("OR102", "OR103", "OR107")
    assert answer.error["hint"]
    assert answer.stdout == told.stdout == ""
    assert answer.error["message"] in told.stderr
    assert "Traceback" not in told.stderr


def test_a_database_that_does_not_answer_means_try_again_and_keeps_the_password(cli: Cli) -> None:
    answer = cli("status", "--json", "--dsn", "host=/nowhere dbname=x password=hush")

    assert answer.exit_code == 75
    assert answer.error["code"] == "08000"
    assert answer.error["hint"]
    assert "hush" not in answer.stderr


def test_a_lock_that_is_not_free_means_try_again(
    cli: Cli, fleet: Fleet, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R2.1"""
    monkeypatch.setattr(cli_answer, "Round", partial(Round, tries=1))
    other = database.connect("owner", autocommit=False)
    other.execute(f"select {database.names.private}.lock_decisions()")

    answer = cli("rebalance", "now", "--json")

    assert answer.exit_code == 75
    assert answer.error["code"] == "55P03"


def test_a_database_without_the_schema_says_what_to_do(cli: Cli, empty_database: str) -> None:
    answer = cli("status", "--json", "--dsn", empty_database)

    assert answer.exit_code == 1
    assert "orchestrator db" in answer.error["hint"]


def test_a_reader_may_look_and_nothing_else(cli: Cli, fleet: Fleet, database: Database) -> None:
    [stream_id] = fleet.add_streams(1)
    dsn = ("--dsn", database.create_login("reader"))

    for command in ("status", "health", "diagnose", "alerts", "instance list", "stream list", "jobs list", "jobs runs"):
        assert cli(*command.split(), *dsn).exit_code == 0, command
    assert cli("settings", "list", *dsn).exit_code == 0
    assert cli("stream", "explain", stream_id, *dsn).exit_code == 0
    refused = cli("rebalance", "now", "--json", *dsn)
    assert (refused.exit_code, refused.error["code"]) == (1, "42501")
    assert "admin" in refused.error["hint"]


def test_a_name_cannot_give_orders_to_a_terminal(cli: Cli, fleet: Fleet) -> None:
    cli("stream", "add", "http://radio.example/a", "--name", "\x1b]0;owned\x07\x1b[2J\u202eoidar")

    for answer in (cli("stream", "list"), cli("stream", "list", "--json"), cli("instance", "show", "one")):
        assert not set(answer.stdout) & set("\x1b\x07\u202e")
    assert "\\u001b]0;owned" in cli("stream", "list").stdout
