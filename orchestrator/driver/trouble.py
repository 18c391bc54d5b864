"""What the log says when something failed (R2.4)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator.database import db
from orchestrator.database.retry import attempt
from orchestrator.errors import OrchestratorError
from orchestrator.logs.log import get_logger

DATABASE = get_logger("DATABASE")
ERROR = get_logger("ERROR")


@contextmanager
def logged(function: str, **arguments: Any) -> Iterator[None]:
    """Let a failure out, and leave a log entry good enough to find its cause (R2.4)."""
    began = time.monotonic()
    try:
        yield
    except OrchestratorError as error:
        error.function = error.function or function
        ERROR.error(
            "database operation failed",
            function=function,
            arguments=arguments,
            **described(error),
            attempt=attempt.get(),
            duration_ms=round(1000 * (time.monotonic() - began), 1),
        )
        raise


def described(error: OrchestratorError) -> dict[str, Any]:
    """An error in the words of a log entry and of a job's record."""
    words = {"sqlstate": error.code, "message": error.message, "detail": error.detail, "hint": error.hint}
    return {word: value for word, value in words.items() if value is not None}


async def tell_who_holds_locks(conn: db.AsyncConnection) -> None:
    """A lock that a job needed was not free in time: log who holds what others wait for (R2.4)."""
    with suppress(OrchestratorError):
        for holder in await db.call_async(conn, "lock_holders"):
            if holder["waiting"] or holder["lock"] == "decision":
                DATABASE.warning(
                    "lock held",
                    **{key: holder[key] for key in ("lock", "pid", "login", "application_name", "state")},
                    seconds=holder["transaction_age"].total_seconds() if holder["transaction_age"] else None,
                )
