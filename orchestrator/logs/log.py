"""Structured log lines: key=value on a terminal or in a file, JSON when LOG_FORMAT=json.

Each line belongs to one category, under which operators search: STARTUP, INSTANCE, STREAM, BALANCE, DATABASE, ERROR,
PERF.
"""

import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Literal, cast

from orchestrator.logs.log_file import KEPT_FILES, LARGEST_FILE, Rotation, log_file
from orchestrator.redact import lines, redact_in

# Where rich is installed, structlog loads it for coloured tracebacks, which no log of ours has. That would take a fifth
# of the time in which a command starts.
_had_rich = sys.modules.setdefault("rich", cast(ModuleType, None))
import structlog  # noqa: E402
from structlog.typing import EventDict  # noqa: E402

if _had_rich is None:
    del sys.modules["rich"]

Category = Literal["STARTUP", "INSTANCE", "STREAM", "BALANCE", "DATABASE", "ERROR", "PERF"]


def set_up(
    *,
    level: str | None = None,
    file: Path | None = None,
    as_json: bool | None = None,
    rotation: Rotation | None = None,
    largest_file: int = LARGEST_FILE,
    kept_files: int = KEPT_FILES,
    name: str = "orchestrator",
    categorize: Callable[[logging.LogRecord], Category] = lambda record: "ERROR",
) -> None:
    """Send log lines to standard error, or to a file that is rotated at 100 MB or each day (7 are kept).

    Standard output stays free for what a command answers. `name` is the logger of other than this package's lines,
    which know nothing of categories: `categorize` says which one such a line has.

    Raises:
        LogFileInUse: another process writes the file.
        OSError: it cannot be written.
    """
    level = (level or os.environ.get("LOG_LEVEL") or "INFO").upper()
    if as_json is None:
        as_json = os.environ.get("LOG_FORMAT", "").lower() == "json"
    root = logging.getLogger(name)
    for before in root.handlers:
        before.close()
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        handler = log_file(file, rotation or "size", largest_file=largest_file, kept_files=kept_files)

    def add_category(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["category"] = categorize(event["_record"])
        return event

    handler.setFormatter(
        _HarmlessFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, _add_timestamp, add_category],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact,
                structlog.processors.JSONRenderer(ensure_ascii=False)
                if as_json
                else structlog.processors.LogfmtRenderer(
                    key_order=["timestamp", "level", "category", "event"], bool_as_flag=False
                ),
            ],
        )
    )
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(logging.getLevelNamesMapping().get(level, logging.INFO))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_timestamp,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _add_timestamp(_logger: object, _method: str, event: EventDict) -> EventDict:
    """In the time zone of TZ, which it names."""
    event["timestamp"] = datetime.now().astimezone().isoformat(timespec="milliseconds")
    return event


def _redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """All that a message from elsewhere quotes (R2.4)."""
    return {key: redact_in(value) for key, value in event.items()}


class _HarmlessFormatter(structlog.stdlib.ProcessorFormatter):
    """A log is read on terminals, and holds names and messages from elsewhere."""

    def format(self, record: logging.LogRecord) -> str:
        return lines(super().format(record))


def get_logger(category: Category) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("orchestrator", category=category)
    return logger
