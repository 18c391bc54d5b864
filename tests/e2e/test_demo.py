"""The demo, whole and real but small: the figures in its report, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

STATIONS = 8
LONGEST = 240
BEAT = 30
"""The seconds between two beats, by the default."""


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that the server's own user may enter; when the test is over, nothing may run from it."""
    directory = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    try:
        assert running_from(directory) == []
        assert list(directory.iterdir()) == []
    finally:
        shutil.rmtree(directory)


def running_from(directory: Path) -> list[str]:
    """Processes whose command line names something in the directory."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [" ".join(command) for command in commands if str(directory) in " ".join(command)]


def start_demo(place: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from orchestrator.cli import main; main()", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(place)},
    )


def test_the_demo_obeys_its_laws_and_its_ledger_shows_what_happened(place: Path) -> None:
    """R1.1, R1.2, R5.2: measured in audio."""
    demo = start_demo(place, "--stations", str(STATIONS), "--workers", "2", "--seconds", "20", "--json")
    answer, progress = demo.communicate(timeout=LONGEST)
    assert demo.returncode == 0, progress + answer
    report = json.loads(answer)
    assert report["ok"] is True
    assert report["failure"] is None
    assert all(law["holds"] for law in report["laws"])

    acts = {act["act"]: act for act in report["acts"]}
    assert list(acts) == ["start", "listen", "kill", "join", "freeze", "drain", "restart"]
    assert acts["start"]["moves"] >= STATIONS
    for act in acts.values():
        assert act["moves"] == act["least_moves"]
        assert act["seconds_written_twice"] == 0
        assert act["seconds_lost_without_a_move"] == 0
        # coverage against the sound: nothing lost is called heard, and at most a beat of each stream too much
        assert act["seconds_lost_without_a_gap"] == 0
        if act["act"] != "start":  # what is lost before all is heard is not counted
            assert act["seconds_lost"] <= act["seconds_not_covered"] <= act["seconds_lost"] + BEAT * STATIONS
    assert acts["listen"]["seconds_lost"] == 0
    assert acts["kill"]["moves"] == STATIONS / 2
    assert acts["kill"]["seconds_lost"] >= STATIONS / 2
    assert 0 < acts["kill"]["seconds_until_all_heard"] < 60
    assert acts["join"]["moves"] == STATIONS / 2
    assert acts["freeze"]["writes_refused"] > 0
    assert acts["drain"]["moves"] == STATIONS / 2
    assert (acts["restart"]["moves"], acts["restart"]["seconds_lost"]) == (0, 0)

    totals = report["totals"]
    assert totals["seconds_heard"] + totals["seconds_lost"] == totals["seconds_sung"]
    assert totals["seconds_sung"] >= STATIONS * 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(place: Path, number: signal.Signals) -> None:
    demo = start_demo(place, "--stations", "4", "--workers", "2", "--json")
    assert demo.stderr is not None
    for line in demo.stderr:
        if "listen" in line:
            break
    assert running_from(place) != []
    demo.send_signal(number)
    time.sleep(0.2)
    demo.send_signal(number)  # impatience
    answer, progress = demo.communicate(timeout=60)
    assert demo.returncode == 130, progress
    assert "everything was put away" in progress
    assert answer == ""
