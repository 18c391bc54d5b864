"""The driver: calls the database's jobs when they are due, and does for it what needs the outside world.

Any number of drivers run side by side. Each asks for the most overdue job until nothing is due, then sleeps until the
next is, or until the wake channel is notified. It decides nothing and holds nothing: one that is killed in the
middle of a job leaves an aborted transaction, or a claim that runs out.

Failures come in rounds (database/retry.py): three tries, then a longer pause, for ever. Only the start may be limited
in time (POSTGRES_STARTUP_TIMEOUT, APP_STARTUP_TIMEOUT). What failed meanwhile is told to the database when it answers
again.
"""

import asyncio
import math
import os
import signal
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta

from psycopg.types.json import Jsonb

from orchestrator.alerts.delivery import Delivery
from orchestrator.database import db
from orchestrator.database.retry import ANSWERS, PAUSE_SECONDS, Round, attempt
from orchestrator.driver.environment import StartOptions
from orchestrator.driver.job_runs import JobRun, Performance, report
from orchestrator.driver.outside import OutsideJobs
from orchestrator.driver.redis_signs import RedisSigns
from orchestrator.driver.server_clock import ServerClock
from orchestrator.driver.start import add_source, apply_environment, tell_health
from orchestrator.driver.trouble import logged, tell_who_holds_locks
from orchestrator.errors import CallerMistake, Contention, DatabaseUnavailable, OrchestratorError, class_of
from orchestrator.failures import Failures
from orchestrator.install import migrate
from orchestrator.install.program import MigrationError
from orchestrator.logs.log import get_logger

LONGEST_SLEEP_SECONDS = 60.0  # a notification is a hint: a driver looks for itself at least this often
LONGEST_POLL_SECONDS = 1.0  # the same without LISTEN, behind a pooler
SHORTEST_SLEEP_SECONDS = 0.1  # when what is due is in another driver's hands
PERFORMANCE_EVERY_SECONDS = 60.0
LONG_JOB_SECONDS = 1.0  # a job that takes longer may be waiting for another's transaction
LOOK_EVERY_SECONDS = 0.25

STARTUP = get_logger("STARTUP")
DATABASE = get_logger("DATABASE")


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
        self._outside_done = asyncio.Event()  # one ended, and is due again before its claim would have been over
        self._performance = Performance()
        self._server_clock = ServerClock(self._name)
        self._began = time.monotonic()
        self._reached = False  # the database answered once
        self._started = False  # and everything that belongs to the start is done
        self._progress = False  # a job was asked for since the last trouble
        self._failures = Failures(one_run=True)
        self._report_from = 0.0  # by the monotonic clock
        self._timeouts = db.STANDARD_TIMEOUTS
        self._delivery = Delivery(
            self._environment,
            fleet=schema,
            driver=self._name,
            connect=lambda: self._connect("deliver_alerts"),
            network_timeout=lambda: self._timeouts.network_timeout,
        )
        self._outside_jobs = OutsideJobs(
            connect=self._connect,
            environment=self._environment,
            delivery=self._delivery,
            redis_signs=RedisSigns(self._options.redis),
            note_failure=self._note_failure,
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
                self._note_failure(error)
                pause = min(PAUSE_SECONDS, self._seconds_to_start())
                DATABASE.warning("database left alone", rounds_failed=self._failures.in_a_row, seconds=round(pause, 1))
                await self._sleep(pause)
        if self._outside:
            STARTUP.info("waiting for the jobs outside the database", jobs=len(self._outside))
            await asyncio.gather(*self._outside)
        await asyncio.to_thread(self._delivery.close)
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
            self._note_failure(error)

    def _note_failure(self, error: OrchestratorError) -> None:
        """Keep it until the database can be told; a refusal that is an answer is no failure."""
        if not isinstance(error, ANSWERS):
            self._failures.failed(error.function or "unknown", error)

    def _is_worth_a_try(self, error: BaseException) -> bool:
        """The connection is thrown away at every failure: one path for every kind of trouble."""
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
        is_hopeless = isinstance(error, CallerMistake | MigrationError)
        return self._seconds_to_start() <= 0 or (is_hopeless and not self._reached)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless asked to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), max(seconds, SHORTEST_SLEEP_SECONDS))

    # -- work ----------------------------------------------------------------------------------------------------

    async def _connect_and_work(self) -> None:
        if self._stop.is_set():
            return
        if self._options.run_migrations and not self._started:
            with logged("migrate"):
                report = await asyncio.to_thread(migrate.migrate, self._dsn, self._schema)
            STARTUP.info("migrated", migrations=report.migrations, repeatables=len(report.repeatables))
        with logged("connect"):
            conn = await db.connect_async(
                self._dsn, schema=self._schema, application_name=f"run {self._name}", timeouts=self._timeouts
            )
        async with conn:
            self._reached = True
            with logged("listen"):
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
        self._outside_done.clear()
        free = len(self._outside) < self._options.max_workers
        clock = await self._server_clock.compare(conn)
        began = time.monotonic()
        looking = asyncio.create_task(self._end_hold_ups())
        try:
            [row] = await db.call_async(conn, "run_next_job", driver=self._name, outside=free, clock=clock)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        run = JobRun(**{each.name: row[each.name] for each in fields(JobRun)})
        if run.job is not None:
            self._performance.add(run, time.monotonic() - began)
            if run.outcome == "claimed":
                task = asyncio.create_task(asyncio.to_thread(self._outside_jobs.run, run))
                self._outside.add(task)
                task.add_done_callback(self._note_outside_done)
            else:
                report(run)
                if run.error is not None and issubclass(class_of(run.error.get("sqlstate")), Contention):
                    await tell_who_holds_locks(conn)
        return run

    async def _end_hold_ups(self) -> None:
        """From beside a job that takes long: end the transactions that keep it waiting, until it is done."""
        await asyncio.sleep(LONG_JOB_SECONDS)
        with suppress(OrchestratorError):  # a hint: the job itself says what is wrong with the database
            conn = await db.connect_async(
                self._dsn,
                schema=self._schema,
                application_name=f"run {self._name} end_hold_ups",
                timeouts=self._timeouts,
            )
            async with conn:
                while True:
                    for ended in await db.call_async(conn, "end_hold_ups"):
                        DATABASE.warning("decisions were held up", **ended)
                    await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _note_outside_done(self, task: asyncio.Task[None]) -> None:
        self._outside.discard(task)
        self._outside_done.set()

    async def _apply_timeouts(self, conn: db.AsyncConnection) -> None:
        """The limits that the settings ask for, for this connection and those that follow (R5.3)."""
        with logged("settings"):
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
        telling = self._failures.untold()
        if not telling or time.monotonic() < self._report_from:
            return
        try:
            rows = await db.call_async(
                conn,
                "record_failures",
                reporter=f"driver:{self._name}",
                failures=Jsonb(self._failures.described(telling)),
            )
        except OrchestratorError as error:
            if isinstance(error, DatabaseUnavailable):
                raise  # they are kept
            if isinstance(error, Contention):
                # kept as well; the jobs do not wait for the same lock again and again
                self._report_from = time.monotonic() + PAUSE_SECONDS
            else:
                self._failures.told(telling)  # why they were refused is in the log
            return
        self._failures.told(telling)
        DATABASE.info("failures reported", failures=sum(telling.values()), **rows[0])

    async def _rest(self, conn: db.AsyncConnection, listening: bool, next_due_in: timedelta | None) -> None:
        """Wait until the next job is due, one outside has ended, a notification comes or we are asked to stop."""
        longest = LONGEST_SLEEP_SECONDS if listening else LONGEST_POLL_SECONDS
        seconds = longest if next_due_in is None else min(next_due_in.total_seconds(), longest)
        if not listening:
            await self._sleep(seconds)
            return
        waits = {
            asyncio.create_task(_notification(conn, max(seconds, SHORTEST_SLEEP_SECONDS))),
            asyncio.create_task(self._outside_done.wait()),
            asyncio.create_task(self._stop.wait()),
        }
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        with logged("listen"):
            for task in done:
                task.result()

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
        await apply_environment(conn, self._environment)
        await asyncio.to_thread(add_source, self._connect, self._environment)
        if self._options.run_health_check:
            await tell_health(conn)
        self._started = True


async def _notification(conn: db.AsyncConnection, seconds: float) -> None:
    with db.translated_errors():
        async for _ in conn.notifies(timeout=seconds, stop_after=1):
            pass
