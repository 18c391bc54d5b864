"""Log files: rotated by their size or by the day, one process each, and moving them does no harm."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.driver.processes import ORCHESTRATOR, wait_until

WORKER_SHIM = ORCHESTRATOR.with_name("worker-shim")
# Sets the log up as the programs do, then writes a line for each that it reads, and says so.
WRITER = """
import sys, pathlib
from orchestrator.logs import log
from orchestrator.errors import OrchestratorError
try:
    log.set_up(file=pathlib.Path(sys.argv[1]), rotation=sys.argv[2], as_json=True, largest_file=1000, kept_files=3)
except OrchestratorError as error:
    sys.exit(error.message)
for line in sys.stdin:
    log.get_logger("PERF").info(line.strip())
    print(line, end="", flush=True)
"""


class Writer:
    def __init__(self, file: Path, rotation: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), rotation],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def write(self, line: str) -> None:
        assert self.process.stdin and self.process.stdout
        print(line, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == f"{line}\n", self.process.communicate()[1]

    def end(self) -> str:
        return self.process.communicate()[1]


def lines(file: Path) -> list[str]:
    return [json.loads(line)["event"] for line in file.read_text().splitlines()]


def test_a_log_is_rotated_at_its_size_and_so_many_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "driver.log"
    writer = Writer(file, "size")
    for number in range(40):
        writer.write(f"line {number}")
    assert writer.end() == ""

    logs = sorted(path for path in file.parent.iterdir() if path.suffix != ".lock")
    assert [path.name for path in logs] == ["driver.log", "driver.log.1", "driver.log.2"]
    assert all(0 < path.stat().st_size <= 1000 for path in logs)
    kept = [line for path in reversed(logs) for line in lines(path)]
    assert kept == [f"line {number}" for number in range(40 - len(kept), 40)]


def test_a_log_is_rotated_by_the_day_and_so_many_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "driver.log"
    today = datetime.now()
    for days in (1, 2, 3):
        # as if the process had been stopped that evening, and started again the next day
        writer = Writer(file, "day")
        writer.write(f"{days} days ago")
        assert writer.end() == ""
        evening = (today - timedelta(days=4 - days)).replace(hour=23).timestamp()
        os.utime(file, (evening, evening))
    writer = Writer(file, "day")
    writer.write("today")
    assert writer.end() == ""

    names = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock")
    assert names == ["driver.log", *(f"driver.log.{today - timedelta(days=days):%Y-%m-%d}" for days in (2, 1))]
    assert lines(file) == ["today"]


@pytest.mark.parametrize("rotation", ["size", "day"])
def test_who_moves_the_file_away_gets_a_new_one_with_the_next_line(tmp_path: Path, rotation: str) -> None:
    """As logrotate does, with and without copytruncate."""
    file = tmp_path / "driver.log"
    writer = Writer(file, rotation)
    writer.write("one")
    file.rename(tmp_path / "away")
    writer.write("two")
    file.unlink()
    writer.write("three")
    os.truncate(file, 0)
    writer.write("four")
    assert writer.end() == ""
    assert (lines(tmp_path / "away"), lines(file)) == (["one"], ["four"])


def test_what_cannot_be_rotated_grows_and_loses_no_line(tmp_path: Path) -> None:
    file = tmp_path / "driver.log"
    (tmp_path / "driver.log.1").mkdir()
    (tmp_path / "driver.log.2").mkdir()
    writer = Writer(file, "size")
    for number in range(40):
        writer.write(f"line {number}")
    assert writer.end() == ""
    assert lines(file) == [f"line {number}" for number in range(40)]


def test_a_second_process_is_refused_the_file_until_the_first_has_ended_however(tmp_path: Path) -> None:
    file = tmp_path / "driver.log"
    first = Writer(file, "size")
    first.write("one")
    assert Writer(file, "day").end() == "another process writes this log file\n"
    file.rename(tmp_path / "away")
    assert Writer(file, "size").end() == "another process writes this log file\n"
    first.write("two")
    first.process.send_signal(signal.SIGKILL)
    first.end()
    second = Writer(file, "size")
    second.write("three")
    assert second.end() == ""
    assert lines(file) == ["two", "three"]


@pytest.mark.parametrize("program", ["run", "serve", "worker-shim"])
def test_every_program_that_runs_for_long_writes_its_own_file_in_either_form(tmp_path: Path, program: str) -> None:
    commands: dict[str, list[str | Path]] = {
        "run": [ORCHESTRATOR, "run"],
        "serve": [ORCHESTRATOR, "serve", "--port", "1"],
        "worker-shim": [WORKER_SHIM, "run", "--instance-id", "fv-1", "--max-streams", "1", "--exec", "true"],
    }
    command = commands[program]
    environment = {
        **os.environ,
        "ORCHESTRATOR_DSN": "host=/nowhere dbname=x",
        "LOG_ROTATION": "day",
        "APP_STARTUP_TIMEOUT": "60",
    }
    file = tmp_path / "own.log"
    for form in ("json", "text"):
        held = Writer(file, "size")
        held.write("x")
        refused = subprocess.run(
            [*command, "--log-file", file], env=environment, capture_output=True, text=True, timeout=60
        )
        assert (refused.returncode, "another process writes this log file" in refused.stderr) == (1, True)
        held.end()
        yesterday = time.time() - 86400
        os.utime(file, (yesterday, yesterday))
        process = subprocess.Popen(
            [*command, "--log-file", file], env={**environment, "LOG_FORMAT": form}, stderr=subprocess.PIPE
        )
        try:
            wait_until(
                lambda: len(list(tmp_path.iterdir())) > 2 and file.read_text().count("\n") >= 1,
                what="its first line, by the day",
            )
        finally:
            process.kill()
            process.communicate()
        first = file.read_text().splitlines()[0]
        if form == "json":
            assert {"timestamp", "level", "category", "event"} <= json.loads(first).keys()
        else:
            assert first.startswith("timestamp=") and " category=" in first
        for path in tmp_path.iterdir():
            path.unlink()
