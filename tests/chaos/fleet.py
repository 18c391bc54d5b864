"""The fleet that is broken: real processes, each with a line of its own to the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, LiteralString

from psycopg import sql

from orchestrator import db
from orchestrator.demo import ledger
from orchestrator.demo.processes import Process
from orchestrator.demo.stage import DATABASE, LOOK_EVERY, Stage, StageFailed
from orchestrator.embedded import PORT
from orchestrator.errors import OrchestratorError
from orchestrator.patience import is_retryable
from tests.chaos.proxy import Line, Proxy

# After a mass disconnect lost sessions are not believed for restart_grace, 60 s; that is waited for, and some more.
LONGEST_QUIET = 150.0

_QUIET = """
select
    not exists (
        select from {private}.instance
        where instance_id = any(%(workers)s)
            and (status <> 'active' or (session_key is not null and session_lost_at is not null) or suspended_until is not null)
    )
    and not exists (select from {private}.settle_request) as is_settled,
    coalesce(sessions_trusted_from <= {private}.now(), true) as trusts_sessions,
    recovery_since is null as balances
from {private}.controller
"""  # noqa: E501  # SQL reads better in whole lines


class Fleet:
    """Drivers and workers on a stage, the lines between them and the database, and what can be asked about them."""

    def __init__(self, stage: Stage, proxy: Proxy, *, workers: int, say: Callable[[str], None]) -> None:
        self.stage = stage
        self.server = stage.server
        self.say = say
        self.drivers: list[Process] = []
        self.workers: list[Process] = []
        self._proxy = proxy
        self._strength = workers
        # With one worker gone the others have room for everything, and some to spare.
        self._max_streams = -(-stage.stations * 3 // (2 * max(1, workers - 1)))
        self._lines: dict[str, Line] = {}
        self._number = 0

    # -- Processes --------------------------------------------------------------

    def start(self) -> None:
        """Two drivers and all workers; returns when every station is heard."""
        self.stage.set()
        for number in (1, 2):
            self.start_driver(f"driver-{number}")
        for _ in range(self._strength):
            self.start_worker()
        self.stage.wait_until("all stations are heard", lambda picture: picture.all_heard and picture.settled)

    def start_driver(self, name: str) -> Process:
        """Start a driver, under an old name or a new one."""
        driver = self.stage.start_driver(name, self.line(name).dsn(DATABASE))
        self.drivers = [other for other in self.drivers if other.name != name] + [driver]
        return driver

    def start_worker(self, name: str | None = None, *options: str) -> Process:
        """Start a worker, under an old id or a new one."""
        if name is None:
            self._number += 1
            name = f"worker-{self._number}"
        worker = self.stage.start_worker(name, self._max_streams, *options, dsn=self.line(name).dsn(DATABASE))
        self.workers = sorted([other for other in self.workers if other.name != name] + [worker], key=lambda w: w.name)
        return worker

    def lose(self, worker: Process) -> None:
        """It is gone for good, and was told to."""
        self.workers.remove(worker)

    @property
    def missing(self) -> int:
        """How many workers it takes to be at full strength again."""
        return self._strength - len(self.workers)

    def line(self, name: str) -> Line:
        """The way of one process to the database, open."""
        if name not in self._lines:
            self._lines[name] = self._proxy.open_line(name, self.server.socket_directory / f".s.PGSQL.{PORT}")
        return self._lines[name]

    def lines(self) -> Sequence[Line]:
        """All ways to the database."""
        return list(self._lines.values())

    def handlers_ended(self) -> int:
        """How many handlers have ended until now, as the workers' logs say."""
        logs = {process.log for process in self.stage.processes.all if process.name.startswith("worker")}
        return sum(log.read_bytes().count(b"handler ended stream_id=") for log in logs)

    # -- Questions --------------------------------------------------------------

    def ask(self, question: LiteralString, **parameters: Any) -> list[db.Row]:
        """Ask the orchestrator's database; `{api}` and `{private}` stand for its schemas."""
        conn = self.stage.orchestrator()
        names = {"api": sql.Identifier(conn.names.api), "private": sql.Identifier(conn.names.private)}
        with db.translated_errors():
            return conn.execute(sql.SQL(question).format(**names), parameters).fetchall()

    def streams_of(self, worker: Process) -> list[int]:
        """The streams that a worker has now."""
        rows = db.view(self.stage.orchestrator(), "assignments", where={"instance_id": worker.name})
        return sorted(row["stream_id"] for row in rows)

    # -- Waiting ----------------------------------------------------------------

    def wait_until(self, what: str, condition: Callable[[], bool], patience: float = 60.0) -> None:
        """Look until it is so; a database that is away is no answer. `patience` in seconds."""
        deadline = time.monotonic() + patience
        while True:
            try:
                if condition():
                    return
            except OrchestratorError as error:
                if not is_retryable(error):
                    raise
            if time.monotonic() > deadline:
                raise StageFailed(f"after {patience:.0f} s it was still not so that {what}")
            time.sleep(LOOK_EVERY)

    def wait_until_healed(self) -> None:
        """Wait until every station is heard again, from now on."""
        self.stage.wait_until_all_heard_since(time.time())

    def wait_until_quiet(self, *, trusting: bool = False, balancing: bool = False) -> None:
        """Wait until all is as it should be: everybody active, nothing on its way, all heard.

        `trusting`: and lost sessions are believed (again). `balancing`: and no recovery mode holds balancing back.
        """

        def is_quiet() -> bool:
            (found,) = self.ask(_QUIET, workers=[worker.name for worker in self.workers])
            return (
                found["is_settled"]
                and (found["trusts_sessions"] or not trusting)
                and (found["balances"] or not balancing)
            )

        self.wait_until("the fleet is quiet", is_quiet, LONGEST_QUIET)
        self.wait_until_healed()
        self.stage.wait_until_up_to_date()

    def ledger(self) -> db.Connection:
        """A session on the ledger."""
        return self.stage.ledger()

    @property
    def ledger_database(self) -> str:
        return ledger.DATABASE
