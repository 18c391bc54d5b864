"""The smallest handler that loses nothing, as processes that are killed: each second is written once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from orchestrator.database import db
from orchestrator.lab import ledger
from orchestrator.lab.waiting import wait_until
from tests.driver.processes import DriverProcess
from tests.e2e.standby_host import EXAMPLE
from tests.support import Database

ROOT = Path(__file__).parents[2]
STATIONS = 4


class Stage:
    """Stations that broadcast, a fleet with a driver and standbys, a table of seconds, and hosts."""

    def __init__(self, database: Database, results: str, directory: Path) -> None:
        self.database, self.results, self.directory = database, results, directory
        self.hosts: list[subprocess.Popen[bytes]] = []
        self.admin = database.connect("admin")
        for name, value in (
            *(("settle_window", "0 seconds"), ("heartbeat_interval", "1 second")),
            *(("handoff_mode", "make_before_break"), ("standbys", "1"), ("standby_takeover", "4 seconds")),
        ):
            db.call(self.admin, "set_setting", name=name, value=value)
        with ledger.connect(results, "install") as conn:
            ledger.install_fence(conn)
        with psycopg.connect(results) as plain:
            plain.execute((EXAMPLE / "heard.sql").read_bytes())
        self.radio = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.lab.stations", "--stations", str(STATIONS)],
            stdout=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert self.radio.stdout is not None
        port = int(self.radio.stdout.readline())
        for number in range(1, STATIONS + 1):
            db.call(
                self.admin, "add_stream", url=f"http://127.0.0.1:{port}/station/{number}.wav", name=f"Radio {number}"
            )
        self.driver = DriverProcess(database.dsn, database.names.api, directory / "driver.log")

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """A worker on a host of its own."""
        with (self.directory / f"{name}.log").open("w") as log:
            arguments = (self.database.dsn, self.database.names.api, name, f"host of {name}", self.results)
            popen = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.standby_host", *arguments], stderr=log, stdout=log, cwd=ROOT
            )
        self.hosts.append(popen)
        return popen

    def heard(self) -> dict[int, list[int]]:
        """The seconds that were written, by stream."""
        with psycopg.connect(self.results) as conn:
            found = conn.execute("select stream_id, array_agg(second order by second) from heard group by stream_id")
            return dict(found.fetchall())

    def wait_until_all_have_standbys(self) -> None:
        def have() -> bool:
            running = db.view(self.admin, "assignments", where={"state": "running"})
            hearing = db.view(self.admin, "standbys", where={"state": "hearing"})
            return len(running) == len(hearing) == STATIONS

        wait_until(have, seconds=60, what="a standby hears each stream")

    def wait_until_it_has_written(self, seconds: int) -> None:
        """As many more of each station."""
        before = {stream_id: max(each) for stream_id, each in self.heard().items()}

        def has() -> bool:
            now = self.heard()
            return len(now) == STATIONS and all(max(now[each]) >= before.get(each, 0) + seconds for each in now)

        wait_until(has, seconds=60, what=f"{seconds} more seconds of each")

    def end(self) -> None:
        for popen in (*self.hosts, self.radio):
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


@pytest.mark.slow
def test_a_worker_that_is_killed_or_frozen_loses_no_second_and_none_is_written_twice(stage: Stage) -> None:
    first = stage.start("first")
    wait_until(lambda: len(stage.heard()) == STATIONS, seconds=60, what="the first one writes all")
    stage.start("second")
    stage.wait_until_all_have_standbys()
    stage.wait_until_it_has_written(3)

    first.send_signal(signal.SIGKILL)
    first.wait()
    stage.wait_until_it_has_written(5)
    third = stage.start("third")
    stage.wait_until_all_have_standbys()
    third.send_signal(signal.SIGSTOP)
    stage.wait_until_it_has_written(5)
    third.send_signal(signal.SIGCONT)
    stage.wait_until_it_has_written(5)

    for stream_id, seconds in stage.heard().items():
        missing = set(range(seconds[0], seconds[-1])) - set(seconds)
        assert not missing, f"stream {stream_id}"


def test_the_example_is_read_in_one_sitting() -> None:
    assert len((EXAMPLE / "standby.py").read_text().splitlines()) <= 140
