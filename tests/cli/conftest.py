import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from orchestrator import db
from orchestrator.cli import main
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
def cli(database: Database, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `orchestrator …` on the test's database."""
    monkeypatch.setenv("ORCHESTRATOR_DSN", database.dsn)
    monkeypatch.setenv("ORCHESTRATOR_SCHEMA", database.names.api)

    def run(*arguments: object) -> Answer:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
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

    def owner(self, stream_id: int) -> Any:
        return db.view(self.conn, "assignments", where={"stream_id": stream_id})[0]["instance_id"]


@pytest.fixture
def fleet(database: Database) -> Fleet:
    """Two instances, one and two; the jobs have just run."""
    fleet = Fleet(database.connect())
    db.call(fleet.conn, "run_due_jobs")
    fleet.register("one")
    fleet.register("two")
    return fleet
