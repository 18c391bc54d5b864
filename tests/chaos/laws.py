"""The laws, and a thread that looks whether they hold while the fleet is being broken.

The thread has sessions of its own, past the proxy. It only reads, in statements that give up after two seconds, so that
no other session waits for it; while the database is away or locked it sees nothing and says so at the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, LiteralString

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from orchestrator.lab import ledger
from orchestrator.names import DEFAULT_SCHEMA
from tests.properties import laws
from tests.properties.laws import Snapshot
from tests.support import query

LOOK_EVERY = 0.5
# So many seconds of the ledger are looked at each time; all of them at the end.
RECENT = 120
# Contention is an answer (OR2xx, too), and what happened to the connection is the fault's doing.
EXCUSED = ("55P03", "57014", "40001", "57P01", "57P02", "57P03", "57P05", "08000", "08003", "08006")
_TIMEOUTS = db.Timeouts(statement_timeout=2, lock_timeout=0.5)


class Law(Enum):
    """What must hold, however the fleet is broken."""

    OWNERS = "no two instances heard a stream under one epoch"
    TWICE = "no second of a station is written twice"
    SOUND = "the sound says what the ledger says"
    CAPACITY = "no instance above its capacity, no epoch goes back, no planned move leaves a stream alone"
    RECOUNT = "counters and digests equal a recount"
    CHAINS = "each movement has its decision, and the owner is who got it last"
    FENCE = "the fence lets owners through and no others"
    RECORD = "who is gone has nothing, and no decision moves less than it must"
    ASSIGNED = "every active stream is assigned and heard when the fleet is quiet"
    LOST = "nothing is lost by a station that was neither moved nor restarted"
    MOVES = "no more moves than the fault allows"
    HANDLERS = "no handler is stopped that keeps its stream"
    TRANSACTIONS = "no transaction of ours beyond 30 s"
    DEADLOCKS = "no deadlock"
    JOBS = "no job fails but by contention or a lost connection"
    REPAIRS = "no worker has to be repaired"
    PROCESSES = "no process ends by itself"


@dataclass(frozen=True)
class Breach:
    """A law was broken: during what, and how."""

    law: Law
    act: str
    detail: str


class Watch(threading.Thread):
    """Looks at the laws until stopped. `act` is what is being done at this moment, set by who does it."""

    def __init__(
        self, dsn: str, ledger_dsn: str | None, *, schema: str = DEFAULT_SCHEMA, every: float = LOOK_EVERY
    ) -> None:
        super().__init__(name="laws", daemon=True)
        self.act = "start"
        self.looks = 0
        self.blind = 0
        self._every = every
        self._dsn, self._ledger_dsn, self._schema = dsn, ledger_dsn, schema
        self._conn: db.Connection | None = None
        self._ledger_conn: db.Connection | None = None
        self._before: Snapshot | None = None
        self._breaches: dict[tuple[Law, str], Breach] = {}
        self._last_job_run = 0
        self._last_repair = 0
        self._last_deadlocks: int | None = None
        self._ended = threading.Event()

    @property
    def breaches(self) -> list[Breach]:
        """Everything that was found, once for each law and act."""
        return list(self._breaches.values())

    def note(self, law: Law, detail: object) -> None:
        """A law is broken; of each act the first time is kept."""
        self._breaches.setdefault((law, self.act), Breach(law, self.act, str(detail)[:2000]))

    def run(self) -> None:
        """Look, again and again."""
        while not self._ended.wait(self._every):
            self.look()

    def stop(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()

    def look(self, *, whole: bool = False) -> None:
        """One look at everything; `whole`: at all seconds of the ledger, not only the recent ones."""
        try:
            self._look_at_record()
            self._look_at_sessions()
            if self._ledger_dsn is not None:
                self._look_at_ledger(whole)
            self.looks += 1
        except OrchestratorError:  # away, locked or terminated: the next look has a new session
            self.blind += 1
            self._before = None
            for conn in (self._conn, self._ledger_conn):
                if conn is not None:
                    with suppress(OrchestratorError):
                        conn.close()
            self._conn = self._ledger_conn = None

    # -- What is looked at ------------------------------------------------------

    def _look_at_record(self) -> None:
        conn = self._orchestrator()
        with db.translated_errors(), conn.transaction():
            # one moment for the fence, too, which is a function and would look for itself
            conn.execute("set transaction isolation level repeatable read, read only")
            now = laws.look(conn)
        self._holds(Law.RECOUNT, laws.check_counts, now)
        self._holds(Law.CHAINS, laws.check_chains, now)
        self._holds(Law.FENCE, laws.check_fence, now)
        self._holds(Law.FENCE, laws.check_preparations, now)
        self._holds(Law.RECORD, laws.check_sums, now)
        if self._before is not None:
            self._holds(Law.CAPACITY, laws.check_step, self._before, now)
        self._before = now

    def _look_at_sessions(self) -> None:
        conn = self._orchestrator()
        for row in ask(conn, _LONG_TRANSACTIONS):
            self.note(Law.TRANSACTIONS, row)
        (row,) = ask(conn, "select sum(deadlocks)::integer as deadlocks from pg_stat_database")
        if self._last_deadlocks is not None:
            # fewer than before: the server crashed, and its statistics with it
            more = row["deadlocks"] - (self._last_deadlocks if row["deadlocks"] >= self._last_deadlocks else 0)
            if more:
                self.note(Law.DEADLOCKS, f"{more} more")
        self._last_deadlocks = row["deadlocks"]
        for row in ask(conn, _FAILED_JOBS, after=self._last_job_run, excused=list(EXCUSED)):
            self._last_job_run = max(self._last_job_run, row["job_run_id"])
            self.note(Law.JOBS, row)
        for row in ask(conn, _REPAIRS, after=self._last_repair):
            self._last_repair = max(self._last_repair, row["repair_id"])
            self.note(Law.REPAIRS, row)

    def _look_at_ledger(self, whole: bool) -> None:
        conn = self._ledger()
        since = 0 if whole else RECENT
        for row in ask(conn, _TWO_OWNERS, recent=since):
            self.note(Law.OWNERS, row)
        for row in ask(conn, _WRITTEN_TWICE, recent=since):
            self.note(Law.TWICE, row)

    def _holds(self, law: Law, check: Callable[..., None], *snapshots: Snapshot) -> None:
        try:
            check(*snapshots)
        except AssertionError as broken:
            self.note(law, broken)

    def _orchestrator(self) -> db.Connection:
        if self._conn is None:
            self._conn = db.connect(self._dsn, schema=self._schema, application_name="chaos laws", timeouts=_TIMEOUTS)
        return self._conn

    def _ledger(self) -> db.Connection:
        if self._ledger_conn is None:
            self._ledger_conn = db.connect(
                self._ledger_dsn, schema=ledger.SCHEMA, application_name="chaos laws", timeouts=_TIMEOUTS
            )
        return self._ledger_conn


def ask(conn: db.Connection, question: LiteralString, **parameters: Any) -> list[db.Row]:
    """Rows of a question in which `{api}` and `{private}` stand for the schemas; its errors are ours."""
    with db.translated_errors():
        return query(conn, question, conn.names, parameters)


# A session that is called "chaos …" breaks or watches, and is none of ours.
_LONG_TRANSACTIONS = """
select pid, application_name, state, wait_event, left(query, 200) as query, clock_timestamp() - xact_start as age
from pg_stat_activity
where backend_type = 'client backend' and application_name not like '%%chaos%%'
    and xact_start < clock_timestamp() - interval '31 seconds'
"""

_FAILED_JOBS = """
select job_run_id, job, error from {api}.job_runs
where job_run_id > %(after)s and outcome = 'failed'
    and coalesce(error ->> 'sqlstate', '') <> all(%(excused)s) and coalesce(error ->> 'sqlstate', '') not like 'OR2%%'
order by job_run_id
"""

_REPAIRS = """
select repair_id, instance_id, found_by, attempt, difference, repaired_by from {private}.repair
where repair_id > %(after)s order by repair_id
"""

# `recent` is in seconds; 0 is everything.
_TWO_OWNERS = """
select stream_id, epoch, array_agg(distinct instance_id) as instances from {api}.heard
where %(recent)s = 0 or second > extract(epoch from clock_timestamp()) - %(recent)s
group by stream_id, epoch having count(distinct instance_id) > 1
"""

_WRITTEN_TWICE = """
select station, second, array_agg(format('%%s under epoch %%s', instance_id, epoch)) as writers from {api}.heard
where %(recent)s = 0 or second > extract(epoch from clock_timestamp()) - %(recent)s
group by station, second having count(*) > 1
"""
