"""How a worker leaves: what it says to the database, and in which order it lets go of its streams.

While the database is away there is none to hand anything over to, and who runs containers kills after 30 s. So a worker
that leaves ends within ENDS_WITHIN of it, however it was to leave:

    0 ── patience ───── stop_timeout + 1 ── LAST_WORD ── CLOSING, twice ── ENDS_WITHIN
         no answer      handlers end        the word
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import psycopg

from orchestrator.redact import redact_error
from worker_shim.assignments import Assignments
from worker_shim.beats import Beats
from worker_shim.calls import Member
from worker_shim.clock import clock
from worker_shim.loop import Loop

logger = logging.getLogger("worker_shim")

OnExit = Literal["drain", "suspend", "leave"]

ENDS_WITHIN = 22.0  # seconds, on a machine that is not busy
LAST_WORD = 2.0  # seconds for it, when there is no time left
CLOSING = 0.5  # seconds; what is under way hears by then that it was hung up


@dataclass(frozen=True)
class Manners:
    """How to leave unless told otherwise, and how long it may take; seconds."""

    on_exit: OnExit
    drain_timeout: float
    suspend_for: float
    stop_timeout: float


class Departure:
    """Begins with `begin`; from then on each step of the protocol asks `step` whether the worker may end."""

    def __init__(
        self,
        manners: Manners,
        member: Member,
        assignments: Assignments,
        beats: Beats,
        loop: Loop,
    ) -> None:
        self.how: OnExit | None = None  # None while the worker stays
        self.at_once = asyncio.Event()  # set when it was told twice, or has waited for the database in vain
        self._has_begun = asyncio.Event()
        self._began_at = 0.0
        self._until = 0.0
        self._handlers_until: float | None = None
        self._manners = manners
        self._member = member
        self._assignments = assignments
        self._beats = beats
        self._loop = loop

    @property
    def is_due(self) -> bool:
        """Whether it has begun and waits for nothing more."""
        return self.how is not None and clock() >= self._until

    def request(self, how: OnExit | None = None) -> None:
        """Begin to leave, from any thread or a signal handler; a worker that does not run yet will leave at once."""
        if self._loop.has_begun:
            self._loop.call(self.begin, how)
        else:
            self.how = how or self._manners.on_exit

    def begin(self, how: OnExit | None = None) -> None:
        """Begin to leave; the second time, leave at once."""
        if self.how is not None:
            self.how = "leave"
            self.at_once.set()
            return
        self.how = how or self._manners.on_exit
        streams = len(self._assignments.supervisor.held)
        logger.info("leaving instance_id=%s how=%s streams=%d", self._member.instance_id, self.how, streams)
        self._began_at = clock()
        self._until = self._began_at + (self._manners.drain_timeout if self.how == "drain" else 0)
        self._has_begun.set()
        self._assignments.unowned.end_standbys()  # what it became the owner of now would move once more
        self._beats.at_once()
        self._loop.wake.set()

    async def step(self) -> bool:
        """One step of leaving; True when there is nothing left to do but to end."""
        drains = self._member.incarnation is not None and self.how == "drain"
        if drains and not self._is_handed_over and not self.is_due:
            return False
        if self.how == "suspend" and not self._has_promised:
            await self._say_how()  # the streams stay its own: what its handlers hear until they end is, too
        # first, so that no second is heard twice
        elif await self.stop_handlers() or not self._has_promised:
            await self._say_how()
        return True

    async def stop_handlers(self) -> bool:
        """Let go of everything; True when every handler has ended in time."""
        if self._handlers_until is None:
            self._handlers_until = clock() + self._manners.stop_timeout + 1
        return await self._assignments.supervisor.stop_all(within=max(0.0, self._handlers_until - clock()))

    async def no_time_left(self) -> None:
        """Return when the worker is to end without another step: told twice, or the database is away for too long."""
        waits = asyncio.create_task(self._database_is_away())
        try:
            await self.at_once.wait()
        finally:
            waits.cancel()

    async def _database_is_away(self) -> None:
        await self._has_begun.wait()
        patience = max(0.0, ENDS_WITHIN - 2 * CLOSING - LAST_WORD - self._manners.stop_timeout - 1)
        while True:
            away_for = clock() - max(self._began_at, self._member.calls.answered_at)
            if away_for >= patience:
                break
            await asyncio.sleep(patience - away_for)
        logger.warning("leaving without the database instance_id=%s away_for=%.1f", self._member.instance_id, away_for)
        self.at_once.set()

    async def hang_up(self, step: asyncio.Task[None]) -> None:
        """End what is under way with the database when there is no time left."""
        if self.at_once.is_set() and not step.done():
            self._assignments.supervisor.let_go()  # they end meanwhile
            self._member.listener.hang_up()
            await asyncio.wait((step,), timeout=CLOSING)  # a cancellation would ask the server first

    async def end(self) -> None:
        """Stop what still runs, and say the last word when the protocol had no time to."""
        has_stopped = await self.stop_handlers()
        if self.at_once.is_set() and (has_stopped or not self._has_promised):
            hangs_up = asyncio.get_running_loop().call_later(LAST_WORD, self._member.listener.hang_up)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._say_how(), LAST_WORD + CLOSING)
            hangs_up.cancel()

    async def end_session(self) -> None:
        """Give back what is ours and leave the connection to the others; failing that, it ends, and they return."""
        listener = self._member.listener
        if listener.shared and listener.connected and self._member.incarnation is not None:
            hangs_up = asyncio.get_running_loop().call_later(LAST_WORD, listener.hang_up)
            try:
                await self._member.ask("detach_session")
                listener.leave()
                return
            except (psycopg.Error, OSError) as error:
                logger.debug("not detached instance_id=%s error=%r", self._member.instance_id, redact_error(error))
            finally:
                hangs_up.cancel()
        await listener.close()
        listener.leave()

    @property
    def _has_promised(self) -> bool:
        """Whether others count on it to have stopped: then no word of parting is said before it has.

        When it must leave earlier it says none at all, and the others wait until its lease is over.
        """
        return self._assignments.isolation is not None

    async def _say_how(self) -> None:
        if self.how == "suspend":
            await self._say("suspend_instance", **{"for": timedelta(seconds=self._manners.suspend_for)})
        else:
            await self._say("deregister_instance")

    @property
    def _is_handed_over(self) -> bool:
        return not self._assignments.supervisor.busy and not self._assignments.acknowledgements.waiting

    async def _say(self, function: str, **parameters: Any) -> None:
        """A last word. That it does not arrive is no reason to stay: a lost session says the same, later."""
        if self._member.incarnation is None:
            return
        try:
            await self._member.call(function, **parameters)
        except (psycopg.Error, OSError) as error:
            logger.warning("left without a word instance_id=%s error=%r", self._member.instance_id, redact_error(error))
