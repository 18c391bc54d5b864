"""How a worker leaves: what it says to the database, and in which order it lets go of its streams."""

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

LAST_WORD = 5.0  # seconds for it, when a worker is told a second time to leave


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
        self.at_once = asyncio.Event()  # set when it was told twice
        self._until = 0.0
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
            self.at_once.set()
            return
        self.how = how or self._manners.on_exit
        streams = len(self._assignments.supervisor.held)
        logger.info("leaving instance_id=%s how=%s streams=%d", self._member.instance_id, self.how, streams)
        self._until = clock() + (self._manners.drain_timeout if self.how == "drain" else 0)
        self._beats.at_once()
        self._loop.wake.set()

    async def step(self) -> bool:
        """One step of leaving; True when there is nothing left to do but to end."""
        drains = self._member.incarnation is not None and self.how == "drain"
        if drains and not self._is_handed_over and not self.is_due:
            return False
        if self.how == "suspend" and not self._has_promised:
            await self._suspend()  # the streams stay its own: what its handlers hear until they end is, too
        # first, so that no second is heard twice
        elif await self.stop_handlers() or not self._has_promised:
            await (self._suspend() if self.how == "suspend" else self._say("deregister_instance"))
        return True

    async def stop_handlers(self) -> bool:
        """Let go of everything; True when every handler has ended in time."""
        return await self._assignments.supervisor.stop_all(within=self._manners.stop_timeout + 1)

    def hang_up_when_at_once(self) -> None:
        """End what is under way with the database when the worker was told twice."""
        if self.at_once.is_set():
            self._member.listener.hang_up()

    async def end(self) -> None:
        """Stop what still runs, and say goodbye when the protocol had no time to."""
        has_stopped = await self.stop_handlers()
        if self.at_once.is_set() and (has_stopped or not self._has_promised):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._say("deregister_instance"), LAST_WORD)

    async def end_session(self) -> None:
        """Give back what is ours and leave the connection to the others; failing that, it ends, and they return."""
        if self._member.listener.shared and self._member.listener.connected and self._member.incarnation is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await self._member.ask("detach_session")
                self._member.listener.leave()
                return
        await self._member.listener.close()
        self._member.listener.leave()

    @property
    def _has_promised(self) -> bool:
        """Whether others count on it to have stopped: then no word of parting is said before it has.

        When it must leave earlier it says none at all, and the others wait until its lease is over.
        """
        return self._assignments.isolation is not None

    async def _suspend(self) -> None:
        await self._say("suspend_instance", **{"for": timedelta(seconds=self._manners.suspend_for)})

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
