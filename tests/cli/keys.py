"""The keys of every command's JSON, kept beside this file: programs read them, so a change has to be seen in review.

`python -m tests.cli.keys` (make snapshot) writes them anew: from a fleet on the embedded server, on which each is run.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from orchestrator.cli import main
from orchestrator.database import db
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from orchestrator.names import DEFAULT_SCHEMA
from tests.cli.conftest import Cli, Fleet, cli_for, fleet_on

FILE = Path(__file__).with_name("json_keys.json")

WITHOUT_JSON = {
    "completion": "prints a script for a shell",
    "db render": "prints SQL",
    "db roles": "prints SQL",
    "demo": "has tests of its own",
    "jobs install-pg-cron": "needs the extension",
    "run": "with --json its log lines are JSON",
    "serve": "with --json its log lines are JSON",
}


def commands(group: click.Group = main, name: str = "") -> Iterator[str]:
    """Every command that does something: "stream add", and "alerts" itself."""
    ctx = click.Context(group, info_name=name)
    if name and group.invoke_without_command:
        yield name
    for word in group.list_commands(ctx):
        command = group.get_command(ctx, word)
        full_name = f"{name} {word}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, full_name)
        else:
            yield full_name


# What is in these is told elsewhere, and is no part of the contract.
OPEN = frozenset(
    {
        *("metadata", "detail", "evidence", "loads", "thresholds", "result", "error", "recovery_detail", "last_error"),
        *("column_map", "difference", "example", "labels", "report"),
    }
)


def keys_of(value: Any) -> Any:
    """An object with the keys of what is in it; a list with those of its first item."""
    if isinstance(value, dict):
        return {key: "…" if key in OPEN else keys_of(part) for key, part in sorted(value.items())}
    if isinstance(value, list):
        return [keys_of(value[0])] if value and isinstance(value[0], dict) else []
    return "…"


def answers(cli: Cli, fleet: Fleet, dsn: str) -> dict[str, Any]:
    """Run every command once, on a fleet where something of everything is there; command → keys of its answer."""
    told: dict[str, Any] = {}

    def ask(command: str, *arguments: object) -> Any:
        answer = cli(*command.split(), *arguments, "--json")
        assert answer.stdout, (command, answer)
        told[command] = keys_of(answer.json)
        return answer.json

    [first, *_] = fleet.add_streams(4)
    fleet.make_trouble(first)
    alert_id = fleet.open_alert()
    fleet.conn.execute("create table station (id bigint, url text, name text)")
    fleet.conn.execute("insert into station values (1, 'http://radio.example/1', 'one'), (2, 'ftp://x', 'skipped')")
    with tempfile.NamedTemporaryFile(suffix=".m3u") as playlist:
        playlist.write(b"#EXTM3U\nhttp://radio.example/imported\n")
        playlist.flush()
        ask("stream import", playlist.name, "--source", "list")
    ask("db migrate")
    ask("db status")
    fleet.conn.execute(f"create table {fleet.conn.names.private}.left_over ()")
    ask("db check")
    fleet.conn.execute(f"drop table {fleet.conn.names.private}.left_over")
    cli("jobs", "run", "evaluate_alerts")
    cli("jobs", "run")
    ask("alerts target set", "ops")
    ask("alerts targets")
    ask("alerts")
    ask("alerts ack", alert_id)
    ask("alerts deliveries")
    ask("alerts target remove", "ops")
    ask("alerts test", "log")
    ask("source add", "field", "--from", dsn, "--table", "station")
    ask("source sync", "field")
    ask("source list")
    ask("source remove", "field", "--with-streams")
    ask("status")
    ask("health")
    ask("metrics")
    ask("diagnose")
    ask("rebalance end-recovery")
    fleet.conn.execute(f"update {fleet.conn.names.private}.instance set probation_until = null")
    stream_id = ask("stream add", "http://radio.example/added")["stream_id"]
    ask("stream list")
    ask("stream explain", stream_id)
    ask("stream pin", stream_id, "one")
    ask("stream unpin", stream_id)
    ask("stream deactivate", stream_id)
    ask("stream activate", stream_id)
    ask("stream standby", stream_id, "on")
    ask("stream move", stream_id, ask_other(cli, stream_id))
    ask("stream remove", stream_id)
    fleet.register("three")
    ask("rebalance apply", ask("rebalance plan")["plan_id"])
    ask("rebalance now")
    ask("rebalance pause")
    ask("rebalance resume")
    told["rebalance plan --without"] = keys_of(cli("rebalance", "plan", "--without", "one", "--json").json)
    ask("instance list")
    ask("instance capacity", "three", 9)
    ask("instance owner", "three", fleet.conn.names.worker)
    registration = {"server_id": "http-1", "ip": "192.0.2.1", "port": 8000, "max_streams": 5}
    db.call(fleet.conn, "http_register", request=registration, address="192.0.2.1")
    ask("instance kind", "http-1", "plain")
    ask("instance drain", "three")
    ask("instance undrain", "three")
    ask("instance show", "two")
    ask("instance remove", "three")
    ask("instance readmit", "three")
    ask("jobs list")
    ask("jobs runs")
    ask("jobs run")
    told["jobs run JOB"] = keys_of(cli("jobs", "run", "settle", "--json").json)
    ask("jobs schedule", "settle", "2 seconds")
    ask("settings list")
    ask("settings get", "strategy")
    ask("settings set", "strategy", "capacity")
    ask("coverage")
    event_id = ask("event")[0]["event_id"]
    told["event EVENT_ID"] = keys_of(cli("event", event_id, "--json").json)
    ask("history")
    told["history --at"] = keys_of(cli("history", "--at", "now", "--json").json)
    ask("top", "--once")
    told["an error"] = {"error": keys_of(cli("instance", "show", "unknown", "--json").error)}
    told["wrong usage"] = {"error": keys_of(cli("instance", "show", "--json").error)}
    return told


def ask_other(cli: Cli, stream_id: int) -> str:
    """An instance that does not have the stream."""
    [stream] = [row for row in cli("stream", "list", "--json").json if row["stream_id"] == stream_id]
    return {"one": "two", "two": "one"}[stream["instance_id"]]


def text_of(told: dict[str, Any]) -> str:
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write() -> None:
    with temporary_server(settings={"fsync": "off"}) as server:
        migrate(server.dsn())
        with db.connect(server.dsn(), application_name="test") as conn:
            cli = cli_for(server.dsn(), DEFAULT_SCHEMA)
            FILE.write_text(text_of(answers(cli, fleet_on(conn), server.dsn())))


if __name__ == "__main__":
    write()
