"""The map of the SQL: its rooms, the files that it names, and the calls along its walks."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.templates import SQL_ROOT
from tests.docs.conftest import ROOT
from tests.lint.test_sql_rooms import FLOORS
from tests.rooms import calls, sql_file_of

MAP = (SQL_ROOT / "README.md").read_text()
_FILE = re.compile(r"`([\w./]+\.(?:sql|py))`")
_WALKS = re.findall(r"^\*\*([^*]+)\*\*(.*?)(?=^\*\*|^## )", MAP.partition("## Four walks")[2], re.DOTALL | re.MULTILINE)


def _path(name: str) -> Path:
    """Python's files are named from the root, those of SQL from `sql/`."""
    return ROOT / name if name.endswith(".py") else SQL_ROOT / name


def _calls_of(path: Path) -> set[str]:
    """The functions that a file calls; in Python they are named in quotes."""
    if path.suffix == ".py":
        return set(re.findall(r'"(\w+)"', path.read_text()))
    return {called for name in calls() if sql_file_of(name) == path for called in calls()[name]}


def test_the_map_is_read_in_one_sitting_and_lists_every_room_from_the_ground_up() -> None:
    assert len(MAP.splitlines()) <= 130
    assert tuple(re.findall(r"^\| `(\w+)/` \|", MAP, re.MULTILINE)) == FLOORS
    assert {path.name for path in SQL_ROOT.iterdir() if path.is_dir()} == {*FLOORS, "fence", "runner", "demo"}


def test_every_file_that_the_map_names_exists() -> None:
    named = _FILE.findall(MAP)
    assert len(named) > 40
    assert [name for name in named if not _path(name).exists()] == []


@pytest.mark.parametrize(("title", "walk"), _WALKS)
def test_in_each_walk_a_file_calls_the_next_one(title: str, walk: str) -> None:
    chains = [re.findall(r"`([^`]+)`", chain) for chain in re.findall(r"`[^`]+`(?:\s+→\s+`[^`]+`)+", walk)]
    assert len(chains) >= 3
    for caller, called in (pair for chain in chains for pair in pairwise(chain)):
        made = {name for name in calls() if sql_file_of(name) == _path(called)}
        assert _calls_of(_path(caller)) & made, f"{title} {caller} calls nothing of {called}"


def test_there_are_four_walks() -> None:
    assert [title.rstrip(".") for title, _ in _WALKS] == [
        "A beat",
        "A loss",
        "`orchestrator rebalance plan`",
        "`POST /heartbeat`",
    ]
