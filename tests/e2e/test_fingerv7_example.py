"""The example of a host, as the process that it is: it hears stations, writes through the fence, and leaves in time."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from orchestrator.database import db
from orchestrator.lab import ledger
from orchestrator.lab.waiting import wait_until
from tests.driver.processes import DriverProcess
from tests.support import Database

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "fingerv7"
STATIONS = 4
STOP_SECONDS = 10.0


@dataclass
class Host:
    """One process of the example."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def terminate(self) -> float:
        """SIGTERM; how long it took to end."""
        began = time.monotonic()
        self.popen.send_signal(signal.SIGTERM)
        assert self.popen.wait(STOP_SECONDS + 5) == 0, self.log.read_text()
        return time.monotonic() - began

    @property
    def heard_and_written(self) -> tuple[int, int]:
        """What it says at its end."""
        [(heard, written)] = re.findall(r"end heard=(\d+) written=(\d+)", self.log.read_text())
        return int(heard), int(written)


class Stage:
    """Stations that broadcast, a fleet with a driver, a table of results, and hosts."""

    def __init__(self, database: Database, results: str, directory: Path) -> None:
        self.database, self.results, self.directory = database, results, directory
        self.hosts: list[Host] = []
        self.admin = database.connect("admin")
        db.call(self.admin, "set_setting", name="settle_window", value="0 seconds")
        db.call(self.admin, "set_setting", name="heartbeat_interval", value="1 second")
        with ledger.connect(results, "install") as conn:
            ledger.install_fence(conn)
        with psycopg.connect(results) as plain:
            plain.execute((EXAMPLE / "music_log.sql").read_bytes())
        self.radio = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.lab.stations", "--stations", str(STATIONS)],
            stdout=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert self.radio.stdout is not None
        port = int(self.radio.stdout.readline())
        for number in range(1, STATIONS + 1):
            db.call(
                self.admin, "add_stream", url=f"http://127.0.0.1:{port}/station/{number}.wav", name=f"Radio {number}",
                metadata={"index": number, "regiao": "sudeste"},
            )  # fmt: skip
        self.driver = DriverProcess(database.dsn, database.names.api, directory / "driver.log")

    def start(self, name: str, **variables: str) -> Host:
        log = self.directory / f"{name}.log"
        environment = os.environ | {
            "ORCHESTRATOR_DSN": self.database.dsn,
            "ORCHESTRATOR_SCHEMA": self.database.names.api,
            "MUSIC_LOG_DSN": self.results,
            "SERVER_ID": name,
            "IDENTIFICATION_DURATION": "1",
            "WRITE_EVERY": "60",  # only its end, or a full batch, has it write
            **variables,
        }
        with log.open("w") as errors:
            popen = subprocess.Popen(
                [sys.executable, EXAMPLE / "fingerv7.py"], stderr=errors, cwd=ROOT, env=environment
            )
        self.hosts.append(Host(name, popen, log))
        return self.hosts[-1]

    def rows(self, name: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.results, row_factory=dict_row) as conn:
            return conn.execute("select * from music_log where server_id = %s order by heard_from", [name]).fetchall()

    def runs(self, name: str) -> int:
        """How many streams it has, and has confirmed."""
        return len(db.view(self.admin, "assignments", where={"instance_id": name, "state": "running"}))

    def wait_until_it_runs(self, host: Host, streams: int) -> None:
        def runs() -> bool:
            assert host.popen.poll() is None, host.log.read_text()
            return self.runs(host.name) == streams

        wait_until(runs, seconds=40, what=f"{host.name} runs {streams}")

    def wait_until_it_has_heard(self, host: Host, samples: int) -> None:
        """As many more of all stations together, as its beats say."""

        def heard() -> int:
            assert host.popen.poll() is None, host.log.read_text()
            [row] = db.view(self.admin, "instances", where={"instance_id": host.name})
            return int(row["processed_count"] or 0)

        enough = heard() + samples
        wait_until(lambda: heard() >= enough, seconds=60, what=f"{host.name} has heard {samples} samples")

    def end(self) -> None:
        for popen in (*(host.popen for host in self.hosts), self.radio):
            if popen.poll() is None:
                popen.kill()
            popen.wait()
        assert self.radio.stdout is not None
        self.radio.stdout.close()
        self.driver.end()


@pytest.fixture
def stage(database: Database, empty_database: str, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(database, empty_database, tmp_path)
    yield stage
    stage.end()


def _path(sampler: str, empty: Path) -> str:
    if sampler == "by hand":
        return str(empty)
    if shutil.which("ffmpeg") is None:
        assert os.environ.get("CI") != "true", "CI has ffmpeg"
        pytest.skip("ffmpeg is not installed")
    return os.environ["PATH"]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["ffmpeg", "by hand"])
def test_the_example_hears_writes_through_the_fence_and_leaves_with_nothing_lost_or_written_twice(
    stage: Stage, tmp_path: Path, sampler: str
) -> None:
    path = _path(sampler, tmp_path)
    first = stage.start("first", PATH=path)
    stage.wait_until_it_runs(first, STATIONS)
    stage.wait_until_it_has_heard(first, 2 * STATIONS)
    second = stage.start("second", PATH=path)
    stage.wait_until_it_runs(second, STATIONS // 2)  # what the first one gives is written when it stops

    assert first.terminate() < STOP_SECONDS
    stage.wait_until_it_runs(second, STATIONS)
    stage.wait_until_it_has_heard(second, 2 * STATIONS)
    assert second.terminate() < STOP_SECONDS

    written = {host.name: stage.rows(host.name) for host in (first, second)}
    for host in (first, second):
        assert host.heard_and_written == (len(written[host.name]), len(written[host.name]))
        assert {row["station_index"] for row in written[host.name]} == {1, 2, 3, 4}
        assert {row["region"] for row in written[host.name]} == {"sudeste"}
    for number in range(1, STATIONS + 1):
        rows = sorted(
            (row for each in written.values() for row in each if row["station_index"] == number),
            key=lambda row: row["heard_from"],
        )
        assert len(rows) >= 4
        assert all(one["heard_until"] <= next_one["heard_from"] for one, next_one in pairwise(rows))
        assert [row["epoch"] for row in rows] == sorted(row["epoch"] for row in rows)
    with psycopg.connect(stage.results) as conn:
        assert conn.execute("select * from orchestrator_fence.refused").fetchall() == []


@pytest.mark.slow
@pytest.mark.parametrize("on_sigterm", ["exit", "stay"])
def test_an_ffmpeg_has_ended_when_its_station_has(stage: Stage, tmp_path: Path, on_sigterm: str) -> None:
    """Also one that does not obey SIGTERM."""
    ffmpeg, started = tmp_path / "ffmpeg", tmp_path / "started"
    trap = "trap '' TERM" if on_sigterm == "stay" else ":"
    ffmpeg.write_text(f"#!/bin/sh\n{trap}\necho $$ >> {started}\nwhile true; do sleep 0.1; done\n")
    ffmpeg.chmod(0o755)
    host = stage.start("host", PATH=f"{tmp_path}:{os.environ['PATH']}")
    wait_until(
        lambda: started.exists() and len(started.read_text().split()) == STATIONS,
        seconds=40,
        what="ffmpeg runs for each",
    )

    assert host.terminate() < STOP_SECONDS

    assert [pid for pid in started.read_text().split() if Path(f"/proc/{pid}").exists()] == []
    assert host.heard_and_written == (0, 0)


def test_the_example_is_read_in_one_sitting() -> None:
    assert len((EXAMPLE / "fingerv7.py").read_text().splitlines()) <= 200
