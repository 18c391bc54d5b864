"""What the tests of the doubles and the scenarios stand on."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.field.judge import Judge
from tests.field.launcher import Field
from tests.field.scripted import Scripted

ALL = range(60)
FACTOR = 60.0


@dataclass
class Stage:
    """Clients before a server that answers what the test says."""

    server: Scripted
    field: Field
    judge: Judge


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
