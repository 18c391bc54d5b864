"""Who is at the database: the sessions as pg_activity reads them, in the words of this system.

Every connection that this project opens names itself in application_name; docs/operating/operators.md lists the names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from psycopg import sql

from orchestrator import templates
from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from orchestrator.redact import redact

Who = Literal["driver", "worker", "http", "command", "migration", "source", "demo", "dba", "other"]

_OURS = re.compile(r"orchestrator:(?P<word>\S+) ?(?P<rest>.*)")
_WORKER = re.compile(r"worker_shim [^.]+\.(?P<instance_id>.+)")
_DBA = re.compile(r"psql|pg_activity|pgadmin|pgcli|dbeaver|datagrip|pg_dump|pg_restore", re.IGNORECASE)
_WORDS: Mapping[str, Who] = {
    "run": "driver",
    "http": "http",
    "migrate": "migration",
    "source": "source",
    "demo": "demo",
}


@dataclass(frozen=True)
class Session:
    """One session. `seconds`: how long its statement has been running, or since the last one, inside a transaction."""

    pid: int
    who: Who
    name: str
    """Of the driver, the instance, the command; else the program."""
    login: str | None
    application_name: str
    client: str | None
    state: str | None
    seconds: float | None
    lock: str | None
    mode: str | None
    relation: str | None
    blocked_by: list[int]
    blocks: list[int]
    query: str | None


@dataclass(frozen=True)
class Sessions:
    """Those of one database. Without `sees_all`, states and statements of other logins are hidden from this one."""

    sees_all: bool
    running: list[Session]
    waiting: list[Session]
    blocking: list[Session]


def who_is(application_name: str) -> tuple[Who, str]:
    """Who a session belongs to, and the name of that one.

    >>> who_is("worker_shim orchestrator.fingerv7-001"), who_is("orchestrator:instance drain"), who_is("psql")
    (('worker', 'fingerv7-001'), ('command', 'instance drain'), ('dba', 'psql'))
    """
    if match := _WORKER.fullmatch(application_name):
        return "worker", match["instance_id"]
    if match := _OURS.fullmatch(application_name):
        who = _WORDS.get(match["word"])
        return ("command", f"{match['word']} {match['rest']}".strip()) if who is None else (who, match["rest"])
    if application_name.startswith("pg_cron"):
        return "driver", "pg_cron"
    return ("dba" if _DBA.match(application_name) else "other"), application_name


def read(conn: db.Connection) -> Sessions:
    """The sessions of this connection's database, but for its own.

    pg_activity says what runs, waits and blocks. What it does not tell apart, PostgreSQL does: who waits for whom, and
    that by advisory locks too, of which the decision lock is one.
    """
    from pgactivity.data import Data
    from pgactivity.types import FailedQueriesInfo, Filters

    filters = Filters(dbname=this_database(conn.info.dbname))
    data = Data(cast(Any, conn), "", conn.info.server_version, b"utf-8", 0.0, filters, {}, FailedQueriesInfo())
    with db.translated_errors(), db.answered(conn), conn.transaction():
        text = templates.render("runner/sessions.sql", conn.names)
        known = {row["pid"]: row for row in conn.execute(sql.SQL(cast(Any, text))).fetchall()}
        try:
            running, waiting, blocking = data.pg_get_activities(), data.pg_get_waiting(), data.pg_get_blocking()
        except ValueError as error:  # a kind of lock that is younger than it
            raise OrchestratorError(
                f"pg_activity cannot read the locks: {error}", hint="upgrade it: pip install --upgrade pg-activity"
            ) from error
    blockers = {pid for row in known.values() for pid in row["blocked_by"]}
    # pg_activity's blocking sessions are all that hold a lock of the kind; and one for each lock.
    holders = {process.pid: process for process in [*running, *blocking] if process.pid in blockers}
    return Sessions(
        sees_all=all(row["sees_all"] for row in known.values()),
        running=[_session(process, known) for process in running],
        waiting=list({process.pid: _session(process, known) for process in waiting}.values()),
        blocking=[_session(holders.get(pid), known, pid=pid) for pid in sorted(blockers & known.keys())],
    )


def this_database(name: str) -> str:
    """pg_activity's filter for one database: a regular expression, upper and lower case being the same to it."""
    return f"^{re.escape(name)}$"


def _session(process: Any, known: Mapping[int, db.Row], *, pid: int = 0) -> Session:
    """A process as pg_activity has it, or only what PostgreSQL says of its pid."""
    pid = pid or process.pid
    row = known.get(pid, {})
    application_name = (process.application_name if process else row.get("application_name")) or ""
    who, name = who_is(application_name)
    seconds = getattr(process, "duration", None)
    query = getattr(process, "query", None)
    return Session(
        pid=pid,
        who=who,
        name=name,
        login=process.user if process else row.get("login"),
        application_name=application_name,
        client=_text(getattr(process, "client", None)),
        state=process.state if process else row.get("state"),
        seconds=None if seconds is None else round(float(seconds), 3),
        lock=_text(getattr(process, "type", None)),
        mode=getattr(process, "mode", None),
        relation=_text(getattr(process, "relation", None)),
        blocked_by=list(row.get("blocked_by", ())),
        blocks=sorted(other for other, row in known.items() if pid in row["blocked_by"]),
        query=None if query is None else redact(query),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
