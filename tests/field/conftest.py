"""What the tests of the doubles and the scenarios stand on."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.field.judge import Judge
from tests.field.launcher import Client, Field
from tests.field.scripted import Scripted
from tests.field.world import FIRST_STREAM_ID, World, make_table
from tests.support import Database, Server

ALL = range(60)
FACTOR = 60.0
PROGRAMS_START = 15.0
"""Real seconds that tests of the doubles grant on top, for a busy machine to start programs in."""
SCENARIO_SERVERS = int(os.environ.get("ORCHESTRATOR_FIELD_SERVERS", "1"))
ACCOUNTS = Path(os.environ["ORCHESTRATOR_FIELD_ACCOUNTS"]) if "ORCHESTRATOR_FIELD_ACCOUNTS" in os.environ else None
"""Where each scenario writes what ran where and for how long."""
SCENARIO_FACTOR = float(os.environ.get("ORCHESTRATOR_FIELD_FACTOR", "20"))


@dataclass
class Stage:
    """Clients before a server that answers what the test says."""

    server: Scripted
    field: Field
    judge: Judge

    def until(self, condition: Callable[[], object], what: str, *, within: float = 200) -> None:
        self.judge.wait_for(condition, within=within, grace=PROGRAMS_START, what=what)

    def until_called(self, client: Client, path: str, times: int = 2) -> None:
        """It has called that so often from now on."""
        since = time.monotonic()
        self.until(lambda: len(client.calls(path, since=since)) >= times, f"{times} calls of {path}")


SetStage = Callable[..., Stage]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Sixty stations, 0 to 59; a minute of the clients is a second of ours."""
    yield from _stage(tmp_path, ALL, FACTOR)


@pytest.fixture
def set_stage(tmp_path: Path) -> Iterator[SetStage]:
    """The same with other indexes, or another factor."""
    made: list[Iterator[Stage]] = []

    def make(indexes: Sequence[int] = ALL, factor: float = FACTOR) -> Stage:
        made.append(_stage(tmp_path / str(len(made)), indexes, factor))
        return next(made[-1])

    yield make
    for each in made:
        next(each, None)


def _stage(within: Path, indexes: Sequence[int], factor: float) -> Iterator[Stage]:
    within.mkdir(exist_ok=True)
    table = within / "table.json"
    table.write_text(json.dumps([[index, f"http://radio.example/{index}"] for index in indexes]))
    judge, server = Judge(indexes, factor), Scripted()
    field = Field(judge, within, url=server.url, table=("--table", str(table)))
    yield Stage(server, field, judge)
    field.end()
    server.end()
    field.check()


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(
    server: Server,
    database: Database,
    empty_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[MakeWorld]:
    """The product, started: `indexes` of the stations, `ids` for the newer table, how many `servers`."""
    worlds: list[World] = []
    if server.password is not None:
        monkeypatch.setenv("PGPASSWORD", server.password)

    def make(
        indexes: Sequence[int] = ALL,
        *,
        ids: Sequence[int] | None = None,
        servers: int = SCENARIO_SERVERS,
        factor: float = SCENARIO_FACTOR,
        first_stream_id: int = FIRST_STREAM_ID,
        column_map: Mapping[str, Any] | None = None,
    ) -> World:
        make_table(empty_database, indexes, ids)
        world = World(database, empty_database, indexes, factor, tmp_path)
        worlds.append(world)
        world.start(
            servers=servers,
            column_map=column_map or ({"external_id": "index"} if ids is not None else None),
            first_stream_id=first_stream_id,
        )
        return world

    yield make
    for world in worlds:
        if ACCOUNTS is not None:
            with ACCOUNTS.open("a") as file:
                file.write(f"{request.node.name} {world.judge.account()}\n")
        world.end()
        world.field.check()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Sixty stations, 0 to 59, and one server."""
    return make_world()
