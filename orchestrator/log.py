"""Structured log lines: key=value on a terminal or in a file, JSON when LOG_FORMAT=json.

Each line belongs to one category, under which operators search: STARTUP, INSTANCE, STREAM, BALANCE, DATABASE, ERROR,
PERF.
"""

import logging
import logging.handlers
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog
from structlog.typing import EventDict

from orchestrator import printable

Category = Literal["STARTUP", "INSTANCE", "STREAM", "BALANCE", "DATABASE", "ERROR", "PERF"]

_LARGEST_FILE = 100 * 1024 * 1024
_KEPT_FILES = 7


def set_up(*, level: str | None = None, file: Path | None = None, as_json: bool | None = None) -> None:
    """Send log lines to standard error, or to a file that is rotated at 100 MB (7 are kept).

    Standard output stays free for what a command answers.
    """
    level = (level or os.environ.get("LOG_LEVEL") or "INFO").upper()
    if as_json is None:
        as_json = os.environ.get("LOG_FORMAT", "").lower() == "json"
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            file, maxBytes=_LARGEST_FILE, backupCount=_KEPT_FILES - 1, encoding="utf-8"
        )
    handler.setFormatter(_HarmlessFormatter("%(message)s"))
    root = logging.getLogger("orchestrator")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(logging.getLevelNamesMapping().get(level, logging.INFO))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_timestamp,
            structlog.processors.format_exc_info,
            _without_secrets,
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if as_json
            else structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "category", "event"], bool_as_flag=False
            ),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _add_timestamp(_logger: object, _method: str, event: EventDict) -> EventDict:
    """In the time zone of TZ, which it names."""
    event["timestamp"] = datetime.now().astimezone().isoformat(timespec="milliseconds")
    return event


def _without_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Whatever a message from elsewhere quotes (R2.4)."""
    return {key: printable.without_secrets_in(value) for key, value in event.items()}


class _HarmlessFormatter(logging.Formatter):
    """A log is read on terminals, and holds names and messages from elsewhere."""

    def format(self, record: logging.LogRecord) -> str:
        return printable.lines(super().format(record))


def get_logger(category: Category) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("orchestrator", category=category)
    return logger
