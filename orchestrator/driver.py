"""The driver: calls the database's jobs when they are due, and does for it what needs the outside world.

Any number of drivers run side by side. Each asks for the most overdue job until nothing is due, then sleeps until the
next is, or until somebody notifies the wake channel. It decides nothing and holds nothing: one that is killed in the
middle of a job leaves an aborted transaction, or a claim that runs out.

Failures come in rounds (patience.py): three tries, then a longer pause, for ever. Only the start may be limited in time
(POSTGRES_STARTUP_TIMEOUT, APP_STARTUP_TIMEOUT). What failed meanwhile is told to the database when it answers again.
"""

import asyncio
import math
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from orchestrator import db, migrate
from orchestrator.alerts.postman import Postman
from orchestrator.environment import StartOptions, WantedSetting, wanted_settings
from orchestrator.errors import CallerMistake, Contention, DatabaseUnavailable, OrchestratorError, UnknownName, class_of
from orchestrator.failures import Failures
from orchestrator.log import Category, get_logger
from orchestrator.patience import PAUSE_SECONDS, Round, attempt, is_retryable
from orchestrator.redact import redact

LONGEST_SLEEP_SECONDS = 60.0  # a notification is a hint: a driver looks for itself at least this often
LONGEST_POLL_SECONDS = 1.0  # the same without LISTEN, behind a pooler
SHORTEST_SLEEP_SECONDS = 0.1  # when what is due is in another driver's hands
PERFORMANCE_EVERY_SECONDS = 60.0

STARTUP = get_logger("STARTUP")
DATABASE = get_logger("DATABASE")
ERROR = get_logger("ERROR")
PERF = get_logger("PERF")

JOB_CATEGORIES: Mapping[str, Category] = {
    "watch_instances": "INSTANCE",
    "settle": "BALANCE",
    "check_balance": "BALANCE",
    "watch_recovery": "BALANCE",
    "finish_handoffs": "STREAM",
    "sync_source": "STREAM",
}
"""The log category of what a job did; DATABASE for the others, which keep the house."""


@dataclass(frozen=True)
class JobRun:
    """One answer of run_next_job. `job` is None when nothing is due; then only `next_due_in` counts."""

    job: str | None
    job_run_id: int | None
    outcome: str | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    duration: timedelta | None
    next_due_in: timedelta | None
    event_id: UUID | None
    """What ties its log lines, decisions and alerts together; None when nothing was done."""


@dataclass
class Performance:
    """What this driver did since it last told."""

    since: float = field(default_factory=time.monotonic)
    runs: int = 0
    did_something: int = 0
    failed: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    longest_job: str | None = None

    def add(self, run: JobRun, seconds: float) -> None:
        self.runs += 1
        self.did_something += run.outcome in ("done", "claimed")
        self.failed += run.outcome == "failed"
        self.seconds += seconds
        if seconds > self.longest_seconds:
            self.longest_seconds, self.longest_job = seconds, run.job

    def tell(self) -> None:
        PERF.info(
            "jobs",
            runs=self.runs,
            did_something=self.did_something,
            failed=self.failed,
            mean_ms=round(1000 * self.seconds / self.runs, 2) if self.runs else None,
            longest_ms=round(1000 * self.longest_seconds, 2),
            longest_job=self.longest_job,
            over_seconds=round(time.monotonic() - self.since, 1),
        )


def default_name() -> str:
    """Which process this is, to a reader of the table of job runs."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Driver:
    """One driver. `run()` returns when SIGTERM or SIGINT has asked it to stop."""

    def __init__(
        self,
        dsn: str | None,
        *,
        schema: str,
        name: str | None = None,
        options: StartOptions | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._name = name or default_name()
        self._options = options or StartOptions()
        self._environment = environment or {}
        self._stop = asyncio.Event()
        self._outside: set[asyncio.Task[None]] = set()
        self._performance = Performance()
        self._began = time.monotonic()
        self._reached = False  # the database answered once
        self._started = False  # and everything that belongs to the start is done
        self._progress = False  # a job was asked for since the last trouble
        self._failures = Failures()
        self._timeouts = db.STANDARD_TIMEOUTS
        self._postman = Postman(
            self._environment,
            fleet=schema,
            driver=self._name,
            connect=lambda: self._connect("deliver_alerts"),
            network_timeout=lambda: self._timeouts.network_timeout,
        )
        # A driver is back within some 15 s of its database.
        self._round = Round(first_wait=0.5, exponential=self._options.exponential_backoff, worth=self._is_worth_a_try)

    async def run(self) -> None:
        """Drive until stopped.

        Raises:
            OrchestratorError: the start took longer than allowed, the DSN or schema cannot be read, or the database
                cannot be migrated. Later trouble is only logged.
        """
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._options.max_workers, thread_name_prefix="outside"))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_stop, number)
        STARTUP.info("driver starts", driver=self._name, schema=self._schema, pid=os.getpid())
        while not self._stop.is_set():
            try:
                await self._round.run_async(self._try, sleep=self._sleep)
            except OrchestratorError as error:
                if self._is_final(error):
                    raise
                self._failures.add(error)
                pause = min(PAUSE_SECONDS, self._seconds_to_start())
                DATABASE.warning("database left alone", rounds_failed=self._failures.in_a_row, seconds=round(pause, 1))
                await self._sleep(pause)
        if self._outside:
            STARTUP.info("waiting for the jobs outside the database", jobs=len(self._outside))
            await asyncio.gather(*self._outside)
        await asyncio.to_thread(self._postman.close)
        self._performance.tell()
        STARTUP.info("driver stopped", driver=self._name)

    def _ask_to_stop(self, number: int) -> None:
        STARTUP.info("stopping after the present job", signal=signal.Signals(number).name)
        self._stop.set()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)  # the second one ends the process at once

    # -- trouble -------------------------------------------------------------------------------------------------

    async def _try(self) -> None:
        self._progress = False
        try:
            await self._connect_and_work()
        except OrchestratorError as error:
            if not self._progress:
                raise
            # What failed was working a moment ago: a new round begins.
            self._failures.add(error)

    def _is_worth_a_try(self, error: BaseException) -> bool:
        """Whatever fails, the connection is thrown away: one path for every kind of trouble."""
        return isinstance(error, OrchestratorError) and not self._is_final(error)

    def _seconds_to_start(self) -> float:
        """What is left of the time allowed for the start; endless once that is done."""
        limits = [
            None if self._reached else self._options.postgres_startup_timeout,
            None if self._started else self._options.app_startup_timeout,
        ]
        allowed = min((limit for limit in limits if limit is not None), default=math.inf)
        return allowed - (time.monotonic() - self._began)

    def _is_final(self, error: OrchestratorError) -> bool:
        """Only a start fails for good: a DSN or schema that cannot be read, a database that cannot be migrated, or the
        time allowed for it is over."""
        is_hopeless = isinstance(error, CallerMistake | migrate.MigrationError)
        return self._seconds_to_start() <= 0 or (is_hopeless and not self._reached)

    @contextmanager
    def _logged(self, function: str, **arguments: Any) -> Iterator[None]:
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

    async def _tell_who_holds_locks(self, conn: db.AsyncConnection) -> None:
        """A lock that a job needed was not free in time: log who has the decision lock, and for whom others wait
        (R2.4)."""
        with suppress(OrchestratorError):
            for lock in await db.call_async(conn, "lock_holders"):
                if lock["waiting"] or lock["lock"] == "decision":
                    DATABASE.warning(
                        "lock held",
                        lock=lock["lock"],
                        **{key: lock[key] for key in ("pid", "login", "application_name", "state")},
                        seconds=lock["transaction_age"].total_seconds() if lock["transaction_age"] else None,
                    )

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless asked to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), max(seconds, SHORTEST_SLEEP_SECONDS))

    # -- work ----------------------------------------------------------------------------------------------------

    async def _connect_and_work(self) -> None:
        if self._stop.is_set():
            return
        if self._options.run_migrations and not self._started:
            with self._logged("migrate"):
                report = await asyncio.to_thread(migrate.migrate, self._dsn, self._schema)
            STARTUP.info("migrated", migrations=report.migrations, repeatables=len(report.repeatables))
        with self._logged("connect"):
            conn = await db.connect_async(
                self._dsn, schema=self._schema, application_name=f"run {self._name}", timeouts=self._timeouts
            )
        async with conn:
            self._reached = True
            with self._logged("listen"):
                listening = await db.listen_async(conn, "wake")
            if not self._started:
                await self._start(conn)
            await self._apply_timeouts(conn)
            DATABASE.info(
                "connected",
                host=conn.info.host,
                port=conn.info.port,
                dbname=conn.info.dbname,
                user=conn.info.user,
                server_version=conn.info.server_version,
                woken_by="notification" if listening else "polling",
            )
            while not self._stop.is_set():
                run = await self._run_next_job(conn)
                self._progress = True
                await self._report_failures(conn)
                if run.job is None:
                    await self._rest(conn, listening, run.next_due_in)
                if time.monotonic() - self._performance.since >= PERFORMANCE_EVERY_SECONDS:
                    self._performance.tell()
                    self._performance = Performance()
                    await self._apply_timeouts(conn)

    async def _run_next_job(self, conn: db.AsyncConnection) -> JobRun:
        free = len(self._outside) < self._options.max_workers
        began = time.monotonic()
        [row] = await db.call_async(conn, "run_next_job", driver=self._name, outside=free)
        run = JobRun(**{each.name: row[each.name] for each in fields(JobRun)})
        if run.job is not None:
            self._performance.add(run, time.monotonic() - began)
            if run.outcome == "claimed":
                task = asyncio.create_task(asyncio.to_thread(self._run_outside, run))
                self._outside.add(task)
                task.add_done_callback(self._outside.discard)
            else:
                report(run)
                if run.error is not None and issubclass(class_of(run.error.get("sqlstate")), Contention):
                    await self._tell_who_holds_locks(conn)
        return run

    async def _apply_timeouts(self, conn: db.AsyncConnection) -> None:
        """The limits that the settings ask for, for this connection and those that follow (R5.3)."""
        with self._logged("settings"):
            rows = await db.view_async(conn, "settings")
            seconds = {row["name"]: row["duration"].total_seconds() for row in rows if row["duration"] is not None}
            wanted = db.Timeouts(
                statement_timeout=seconds["transaction_timeout"],
                transaction_timeout=seconds["transaction_timeout"],
                idle_in_transaction_session_timeout=seconds["transaction_timeout"],
                network_timeout=seconds["network_timeout"],
            )
            if wanted != self._timeouts:
                await db.limit_async(conn, wanted)
                self._timeouts = wanted

    async def _report_failures(self, conn: db.AsyncConnection) -> None:
        """Tell the database what failed while it could not be told."""
        self._failures.worked()
        attempt.set(1)
        failed = self._failures.take()
        if not failed:
            return
        try:
            rows = await db.call_async(
                conn,
                "record_failures",
                reporter=f"driver:{self._name}",
                failures=Jsonb(self._failures.described(failed)),
            )
        except OrchestratorError as error:
            if isinstance(error, DatabaseUnavailable):
                self._failures.put_back(failed)
                raise
            return  # it is in the log
        DATABASE.info("failures reported", failures=sum(each.count for each in failed), **rows[0])

    async def _rest(self, conn: db.AsyncConnection, listening: bool, next_due_in: timedelta | None) -> None:
        """Wait until the next job is due, a notification comes or we are asked to stop."""
        longest = LONGEST_SLEEP_SECONDS if listening else LONGEST_POLL_SECONDS
        seconds = longest if next_due_in is None else min(next_due_in.total_seconds(), longest)
        if not listening:
            await self._sleep(seconds)
            return
        waits = {
            asyncio.create_task(_notification(conn, max(seconds, SHORTEST_SLEEP_SECONDS))),
            asyncio.create_task(self._stop.wait()),
        }
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        with self._logged("listen"):
            for task in done:
                task.result()

    def _run_outside(self, run: JobRun) -> None:
        """Run a claimed job in this thread, on a connection of its own, and hand in its result.

        A result that cannot be handed in is lost with its claim, which runs out; then the job is due again.
        """
        assert run.job is not None
        attempt.set(1)  # a thread begins with what its starter was at
        structlog.contextvars.bind_contextvars(event_id=str(run.event_id))
        result: dict[str, Any] | None = None
        error: dict[str, Any] | None = None
        try:
            with self._logged("finish_job", job=run.job, job_run_id=run.job_run_id):
                with self._connect(run.job) as conn:
                    try:
                        with self._logged(run.job):
                            result = self._do(run, conn)
                    except OrchestratorError as failure:
                        error = described(failure)
                    except Exception as failure:  # a bug in one job must not end a driver
                        ERROR.exception("job failed", job=run.job)
                        error = {"message": redact(f"{type(failure).__name__}: {failure}")}
                    if not conn.broken:
                        _finish(conn, run, error, result)
                        return
                Round().run(self._finish_on_another_connection, run, error, result)
        except OrchestratorError as failure:
            self._failures.add(failure)

    def _do(self, run: JobRun, conn: db.Connection) -> dict[str, Any] | None:
        """What a job does in the outside world, and returns as its result (None: nothing to do)."""
        from orchestrator import source

        if run.job == "sync_source":
            results = source.sync_due(conn, environment=self._environment, event_id=run.event_id)
            return {"sources": [result.as_dict() for result in results]} if results else None
        if run.job == "deliver_alerts":
            return self._postman.deliver(conn)
        raise UnknownName(
            f"this driver does not know the job {run.job}",
            hint="the database is newer than this program: upgrade it, or disable the job",
        )

    def _finish_on_another_connection(
        self, run: JobRun, error: dict[str, Any] | None, result: dict[str, Any] | None
    ) -> None:
        with self._connect("finish_job") as conn:
            _finish(conn, run, error, result)

    def _connect(self, purpose: str) -> db.Connection:
        return db.connect(
            self._dsn,
            schema=self._schema,
            application_name=f"run {self._name} {purpose}",
            timeouts=self._timeouts,
        )

    # -- the start -----------------------------------------------------------------------------------------------

    async def _start(self, conn: db.AsyncConnection) -> None:
        """What is done once, with the first connection that works."""
        await self._apply_environment(conn)
        await asyncio.to_thread(self._add_source)
        if self._options.run_health_check:
            for row in await db.call_async(conn, "health"):
                tell = STARTUP.info if row["status"] == "healthy" else ERROR.error
                tell("health", **{key: value for key, value in row.items() if key != "response_time"})
        self._started = True

    def _add_source(self) -> None:
        """Make the table that POSTGRES_HOST and the others describe a source of streams."""
        from orchestrator import source

        with suppress(OrchestratorError), self._logged("add_source"), self._connect("add_source") as conn:
            if added := source.ensure_environment_source(conn, self._environment):
                STARTUP.info("source from the environment", source=added.name, table=added.table_name)

    async def _apply_environment(self, conn: db.AsyncConnection) -> None:
        """Put the operators' environment variables into the settings. A refused one is logged and changes nothing.

        The settings hold each other in bounds (warning < timeout < removal), so that one may be refused before another
        has made room for it: what was refused is tried again for as long as anything gets through.
        """
        with self._logged("settings"):
            rows = await db.view_async(conn, "settings")
        interval = next(row["duration"] for row in rows if row["name"] == "heartbeat_interval")
        waiting = wanted_settings(self._environment, heartbeat_interval=interval)
        refused: dict[WantedSetting, OrchestratorError] = {}
        while waiting:
            refused = {}
            for wanted in waiting:
                try:
                    [change] = await db.call_async(conn, "set_setting", name=wanted.setting, value=wanted.value)
                except OrchestratorError as error:
                    if is_retryable(error):
                        raise
                    refused[wanted] = error
                else:
                    tell = STARTUP.debug if change["old_value"] == change["value"] else STARTUP.info
                    tell("setting from the environment", variable=wanted.variable, **change)
            waiting = list(refused) if len(refused) < len(waiting) else []
        for wanted, refusal in refused.items():
            ERROR.error(
                "setting from the environment refused",
                variable=wanted.variable,
                setting=wanted.setting,
                value=wanted.value,
                **described(refusal),
            )


def _finish(conn: db.Connection, run: JobRun, error: dict[str, Any] | None, result: dict[str, Any] | None) -> None:
    db.call(conn, "finish_job", job_run_id=run.job_run_id, error=error, result=result)


def described(error: OrchestratorError) -> dict[str, Any]:
    """An error in the words of a log entry and of a job's record."""
    words = {"sqlstate": error.code, "message": error.message, "detail": error.detail, "hint": error.hint}
    return {word: value for word, value in words.items() if value is not None}


def report(run: JobRun) -> None:
    """Log what a job did, in the category of its subject; a job that found nothing to do is not worth a line."""
    assert run.job is not None
    duration_ms = round(1000 * run.duration.total_seconds(), 1) if run.duration is not None else None
    event_id = str(run.event_id) if run.event_id is not None else None
    if run.outcome == "failed":
        ERROR.error("job failed", job=run.job, event_id=event_id, **flattened(run.error or {}), duration_ms=duration_ms)
        return
    log = get_logger(JOB_CATEGORIES.get(run.job, "DATABASE"))
    tell = log.info if run.outcome == "done" else log.debug
    said = flattened(run.result or {})
    tell("job", job=run.job, outcome=run.outcome, event_id=event_id, **said, duration_ms=duration_ms)


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as one: {"lost": {"instances": 1}} is {"lost_instances": 1}; lists of words as words with commas.

    A key that the log line has already gets a prefix of its own.
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{name}_")
        else:
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                value = ",".join(value)
            flat[f"result_{name}" if name in _KEYS_OF_A_LINE else name] = value
    return flat


_KEYS_OF_A_LINE = frozenset({"event", "job", "outcome", "duration_ms", "event_id", "timestamp", "level", "category"})


async def _notification(conn: db.AsyncConnection, seconds: float) -> None:
    with db.translated_errors():
        async for _ in conn.notifies(timeout=seconds, stop_after=1):
            pass
