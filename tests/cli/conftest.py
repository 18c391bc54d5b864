import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from orchestrator.cli import main
from orchestrator.database import db
from tests.support import Database


@dataclass(frozen=True)
class Answer:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> Any:
        """What stands under "error" in the JSON on standard error."""
        return json.loads(self.stderr)["error"]


Cli = Callable[..., Answer]


@pytest.fixture
def cli(database: Database) -> Cli:
    """Runs `orchestrator …` on the test's database."""
    return cli_for(database.dsn, database.names.api)


def cli_for(dsn: str, schema: str) -> Cli:
    environment = {"ORCHESTRATOR_DSN": dsn, "ORCHESTRATOR_SCHEMA": schema}

    def run(*arguments: object) -> Answer:
        result = CliRunner(env=environment).invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


class Fleet:
    """Instances and streams, registered as workers would."""

    def __init__(self, conn: db.Connection) -> None:
        self.conn = conn
        self.incarnations: dict[str, int] = {}

    def register(self, instance_id: str, max_streams: int = 10, **more: Any) -> None:
        [row] = db.call(self.conn, "register_instance", instance_id=instance_id, max_streams=max_streams, **more)
        self.incarnations[instance_id] = row["incarnation"]
        self.beat(instance_id)

    def beat(self, instance_id: str) -> None:
        db.call(self.conn, "heartbeat", instance_id=instance_id, incarnation=self.incarnations[instance_id], digest=0)

    def add_streams(self, count: int) -> list[int]:
        added = [
            db.call(self.conn, "add_stream", url=f"http://radio.example/{n}", name=f"radio {n}") for n in range(count)
        ]
        return [rows[0]["stream_id"] for rows in added]

    def make_trouble(self, stream_id: int) -> None:
        """Something of everything that diagnose looks for."""
        conn, private = self.conn, self.conn.names.private
        conn.execute(
            f"update {private}.controller set recovery_since = now(), recovery_detail = '{{\"failures\": 12}}'"
        )
        conn.execute(
            f"update {private}.heartbeat set breaker = 'half-open', breaker_opened = 3 where instance_id = 'one'"
        )
        conn.execute(
            f"update {private}.instance set probation_until = now() + interval '1 minute', crashes = 4 "
            "where instance_id = 'two'"
        )
        conn.execute(
            f"insert into {private}.repair"
            " (instance_id, incarnation, found_at, found_by, attempt, difference, repaired_by)"
            " values ('one', 1, now(), 'heartbeat', 2, '{\"missing\": [1]}', 'commands')"
        )
        conn.execute(
            f"insert into {private}.station_fault (stream_id, found_at, last_failed_at, evidence)"
            " values (%s, now(), now(), '{}')",
            [stream_id],
        )
        db.call(conn, "set_alert_target", target="ops")
        conn.execute(
            f'update {private}.alert_target set consecutive_failures = 2, last_error = \'{{"message": "500"}}\','
            " retry_at = now() + interval '1 minute' where target = 'ops'"
        )
        failures = [{"function": "connect", "message": "no answer from 10.0.0.7", "count": 4, "consecutive": 4}]
        db.call(conn, "record_failures", reporter="driver:night", failures=Jsonb(failures))

    def open_alert(self, message: str = "the fleet is gone", subject: str = "") -> int:
        row = self.conn.execute(
            f"insert into {self.conn.names.private}.alert (code, subject, severity, message, opened_at, updated_at)"
            " values ('open', %s, 'critical', %s, now(), now()) returning alert_id",
            [subject, message],
        ).fetchone()
        assert row is not None
        return int(row["alert_id"])

    def owner(self, stream_id: int) -> Any:
        return db.view(self.conn, "assignments", where={"stream_id": stream_id})[0]["instance_id"]


@pytest.fixture
def fleet(database: Database) -> Fleet:
    """Two instances, one and two; the jobs have just run."""
    return fleet_on(database.connect())


def fleet_on(conn: db.Connection) -> Fleet:
    fleet = Fleet(conn)
    db.call(fleet.conn, "run_due_jobs")
    fleet.register("one")
    fleet.register("two")
    return fleet
