"""The categories under which the lines of a worker's log are found."""

import logging
from pathlib import Path

import worker_shim
from worker_shim.cli import CATEGORIES, categorize


def test_every_module_that_logs_has_a_category_and_no_other() -> None:
    modules = Path(worker_shim.__file__).parent.glob("*.py")
    assert {path.stem for path in modules if "logger." in path.read_text()} == CATEGORIES.keys()


def test_lines_of_other_loggers_are_a_handlers() -> None:
    record = logging.LogRecord("fingerv7", logging.INFO, "worker.py", 1, "connected", None, None)
    assert categorize(record) == "STREAM"
