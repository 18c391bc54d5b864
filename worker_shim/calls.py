"""Calls of the orchestrator's functions: rounds of tries, a log line for each that fails, a memory of failed rounds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import psycopg

from orchestrator.failures import Failures
from orchestrator.redact import redact, redact_argument, redact_error
from orchestrator.sqlstates import Reaction, reaction_to
from worker_shim.clock import clock
from worker_shim.connection import Listener
from worker_shim.retry import one_round

logger = logging.getLogger("worker_shim")

LOCK_NOT_AVAILABLE = "55P03"
Row = Mapping[str, Any]


class Calls:
    """Calls over a listener's connection; after each new connection, `connected` makes it the worker's."""

    def __init__(self, listener: Listener, connected: Callable[[], Awaitable[None]]) -> None:
        self.failures = Failures(clock)
        self.round_trip = 0.0  # seconds that the last call that was answered took there and back
        self.answered_at = clock()  # the last answer, be it that the call has to be tried again
        self._listener = listener
        self._connected = connected

    async def call(self, function: str, **parameters: Any) -> Sequence[Row]:
        """One round of tries; connects first where that is needed. Raises the last error as it came."""
        failing = function
        try:
            async for attempt in one_round():
                with attempt:
                    number = attempt.retry_state.attempt_number
                    if not self._listener.connected:
                        failing = "connect"
                        async with self._noted("connect", number):
                            await self._listener.connect()
                        await self._connected()
                        self.failures.worked("connect", "listen")
                    failing = function
                    rows = await self.ask(function, number, **parameters)
        except (psycopg.Error, OSError) as error:
            self.failures.failed(failing, error)
            raise
        self.failures.worked(function)
        return rows

    async def ask(self, function: str, attempt: int = 1, /, **parameters: Any) -> Sequence[Row]:
        """One try, over the connection that there is."""
        async with self._noted(function, attempt, **parameters):
            began = clock()
            rows = await self._listener.call(function, **parameters)
            self.answered_at = clock()
            self.round_trip = self.answered_at - began
            return rows

    async def idle(self, seconds: float, wake: asyncio.Event) -> bool:
        """Wait for a notification, as Listener.idle; a connection that is lost meanwhile is a failure, too."""
        try:
            return await self._listener.idle(seconds, wake)
        except (psycopg.Error, OSError) as error:
            self.failures.failed("listen", error)
            raise

    async def report_failures(self, **who: Any) -> None:
        """Tell what failed since the last time, in one try; what does not arrive is kept for the next."""
        if telling := self.failures.untold():
            (row,) = await self.ask("report_failures", failures=self.failures.described(telling), **who)
            self.failures.told(telling)
            logger.info("failures reported count=%d recovery_mode=%s", row["recorded"], row["recovery"])

    @contextlib.asynccontextmanager
    async def _noted(self, function: str, attempt: int, /, **parameters: Any) -> AsyncIterator[None]:
        """Log a failure with all that it takes to find out why (R2.4)."""
        began = clock()
        try:
            yield
        except (psycopg.Error, OSError) as error:
            took = clock() - began
            if reaction_to(error) is Reaction.RECONNECT:
                await self._listener.close()
            else:
                self.answered_at = clock()
            holders = await self._lock_holders() if getattr(error, "sqlstate", None) == LOCK_NOT_AVAILABLE else "-"
            arguments = {name: redact_argument(name, value) for name, value in parameters.items()}
            logger.warning(
                "call failed function=%s arguments=%s attempt=%d duration=%.3f %s lock_holders=%s",
                *(function, arguments, attempt, took, describe(error), holders),
            )
            raise

    async def _lock_holders(self) -> str:
        try:
            return describe_holders(await self._listener.call("lock_holders")) or "none any more"
        except (psycopg.Error, OSError) as error:
            return f"unknown: {redact_error(error)}"


class Member:
    """The instance in whose name a worker calls, under the incarnation with which it registered last."""

    def __init__(self, instance_id: str, listener: Listener, connected: Callable[[], Awaitable[None]]) -> None:
        self.instance_id = instance_id
        self.incarnation: int | None = None  # None when it has to register
        self.listener = listener
        self.calls = Calls(listener, connected)

    async def call(self, function: str, **parameters: Any) -> Sequence[Row]:
        """One round of tries, as Calls.call."""
        return await self.calls.call(function, **self._identity, **parameters)

    async def ask(self, function: str, **parameters: Any) -> Sequence[Row]:
        """One try, as Calls.ask."""
        return await self.calls.ask(function, **self._identity, **parameters)

    async def report_failures(self) -> None:
        """Tell what failed since the last time, as Calls.report_failures."""
        await self.calls.report_failures(**self._identity)

    @property
    def _identity(self) -> dict[str, Any]:
        return {"instance_id": self.instance_id, "incarnation": self.incarnation}


def describe(error: psycopg.Error | OSError) -> str:
    """SQLSTATE, message, detail and hint, as key=value text."""
    if not isinstance(error, psycopg.Error):
        return f"sqlstate=None error={redact_error(error)!r}"
    diagnostic = error.diag
    return (
        f"sqlstate={error.sqlstate} error={redact_error(diagnostic.message_primary or error)!r}"
        f" detail={redact(str(diagnostic.message_detail))} hint={diagnostic.message_hint!r}"
    )


def describe_holders(holders: Sequence[Mapping[str, Any]]) -> str:
    """Who holds locks, as lock_holders() says it, on one line."""
    return "; ".join(
        f"{row['lock']} {row['mode']} pid={row['pid']} login={row['login']} program={row['application_name']!r}"
        f" state={row['state']} transaction_age={row['transaction_age']} waiting={row['waiting']}"
        for row in holders
    )
