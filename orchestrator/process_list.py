"""What a process shows of itself: its command line can be read by every user of the host, its environment cannot."""

import os
import sys

import psycopg
from psycopg.conninfo import conninfo_to_dict

from orchestrator.redact import redact


def hide_password() -> None:
    """When the DSN on the command line holds a password, start anew with the DSN in the environment instead.

    One that cannot be read is refused as what was typed; that ends the process, too.
    """
    arguments, dsn = _without_dsn(sys.orig_argv[1:])
    if dsn is not None and redact(dsn) != dsn and _is_readable(dsn):
        os.execve(sys.executable, [sys.executable, *arguments], {**os.environ, "ORCHESTRATOR_DSN": dsn})


def _without_dsn(arguments: list[str]) -> tuple[list[str], str | None]:
    """The other arguments, and the last DSN."""
    others, dsn = [], None
    words = iter(arguments)
    for word in words:
        if word == "--dsn":
            dsn = next(words, None)
        elif word.startswith("--dsn="):
            dsn = word.removeprefix("--dsn=")
        else:
            others.append(word)
    return others, dsn


def _is_readable(dsn: str) -> bool:
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return False
    return True
