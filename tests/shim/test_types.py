"""Type checkers find what is wrong with a handler before a worker is made."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from functools import partial
from worker_shim import Context, Stop, Stream, Worker, run_workers
from worker_shim.handlers import program

async def listen(stream: Stream, context: Context) -> None: ...
def listen_in_a_thread(station: Stream, told: Stop) -> None: ...
async def listen_to(directory: str, stream: Stream, context: Context) -> None: ...
def begin(stream: Stream) -> object:
    return stream.url
async def end(stream: Stream) -> None: ...

class Listener:
    async def __call__(self, stream: Stream, context: Context) -> None: ...
    def hear(self, stream: Stream, stop: Stop) -> None: ...

workers = [
    Worker("", "fv-1", 10, listen),
    Worker("", "fv-1", 10, handler=listen_in_a_thread, on_exit="suspend", on_isolation="stop", lease=90),
    Worker("", "fv-1", 10, Listener(), make_before_break=True, standbys=True, host="rack-7"),
    Worker("", "fv-1", 10, Listener().hear, stop_timeout=2.5),
    Worker("", "fv-1", 10, partial(listen_to, "/tmp")),
    Worker("", "fv-1", 10, on_start=begin, on_stop=end, metadata={"keeps_streams": True}),
    Worker("", "fv-1", 10, program("listen {url}", 10)),
]
run_workers(workers)
"""

BAD = """
from worker_shim import Context, Stop, Stream, Worker

async def swapped(context: Context, stream: Stream) -> None: ...
def swapped_in_a_thread(stop: Stop, stream: Stream) -> None: ...
async def stopped(stream: Stream, stop: Stop) -> None: ...
def in_a_thread(stream: Stream, context: Context) -> None: ...
async def listen(stream: Stream, context: Context) -> None: ...
def begin(stream: Stream) -> None: ...
def begin_with(stream: Stream, context: Context) -> None: ...

Worker("", "fv-1", 10, swapped)  # wrong
Worker("", "fv-1", 10, swapped_in_a_thread)  # wrong
Worker("", "fv-1", 10, stopped)  # wrong
Worker("", "fv-1", 10, in_a_thread)  # wrong
Worker("", "fv-1", 10, begin)  # wrong
Worker("", "fv-1", 10)  # wrong
Worker("", "fv-1", 10, None)  # wrong
Worker("", "fv-1", 10, "listen")  # wrong
Worker("", "fv-1", 10, on_start=begin)  # wrong
Worker("", "fv-1", 10, on_stop=begin)  # wrong
Worker("", "fv-1", 10, listen, on_start=begin, on_stop=begin)  # wrong
Worker("", "fv-1", 10, on_start=begin_with, on_stop=begin)  # wrong
Worker("", "fv-1", 10, on_start=begin, on_stop=begin, make_before_break=True)  # wrong
Worker("", "fv-1", 10, on_start=begin, on_stop=begin, standbys=True)  # wrong
Worker("", "fv-1", 10, listen, on_exit="x")  # wrong
Worker("", "fv-1", 10, listen, on_isolation="x")  # wrong
Worker("", "fv-1", "10", listen)  # wrong
Worker("", "fv-1", 10, listen, lease="90")  # wrong
Worker("", "fv-1", 10, listen, on_isolaton="stop")  # wrong
Worker("", "fv-1", 10, listen).stop("x")  # wrong
Worker("", "fv-1", 10, listen).stop("suspend")
"""


def _mypy(path: Path) -> set[int]:
    """The lines in which mypy finds a mistake."""
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--output=json", str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert found.returncode in (0, 1), found.stderr
    messages = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    return {message["line"] for message in messages if message["severity"] == "error"}


def _pyright(path: Path) -> set[int]:
    """The lines in which pyright, or its kin, finds a mistake."""
    program = shutil.which("pyright") or shutil.which("basedpyright")
    if program is None:
        pytest.skip("neither pyright nor basedpyright is installed")
    found = subprocess.run(
        [program, "--outputjson", "--pythonpath", sys.executable, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    said = json.loads(found.stdout)
    return {each["range"]["start"]["line"] + 1 for each in said["generalDiagnostics"] if each["severity"] == "error"}


@pytest.mark.parametrize("check", [_mypy, _pyright], ids=["mypy", "pyright"])
@pytest.mark.parametrize("sample", [GOOD, BAD], ids=["good", "bad"])
def test_a_type_checker_finds_each_mistake_and_nothing_else(check: object, sample: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(sample)
    wrong = {number for number, line in enumerate(sample.splitlines(), start=1) if line.endswith("# wrong")}
    assert callable(check) and check(path) == wrong
