"""The worker's side of the protocol: what is held, what the database says, and how the two become equal.

One task talks to the database, step by step (`_step`): register when there is no incarnation, beat when one is due,
ask for news when a notification hinted at some, acknowledge what started and stopped, then wait. Any failure ends the
step and the next one begins where the database stands, so there is no other path for recovery.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from orchestrator.redact import redact_error
from orchestrator.sqlstates import is_retried
from worker_shim.assignments import Assignments
from worker_shim.beats import Beats
from worker_shim.calls import Member, Row
from worker_shim.clock import clock
from worker_shim.connection import Refused
from worker_shim.departure import Departure
from worker_shim.identity import Identity
from worker_shim.loop import Loop
from worker_shim.retry import STALE, UNWANTED, Breaker, backoff
from worker_shim.stream import digest
from worker_shim.vitals import Usage

logger = logging.getLogger("worker_shim")

ATTEMPTS = 3  # to get in step before registering anew


class Renewals:
    """Registrations since the worker was last in step: the first may follow at once, others up to a minute apart."""

    def __init__(self) -> None:
        self.count = 0
        self._due = 0.0
        self._next_due = 0.0

    @property
    def remaining(self) -> float:
        """Seconds until the worker may register."""
        return max(0.0, self._due - clock())

    @property
    def is_possible(self) -> bool:
        """Whether one more would follow at once."""
        return clock() >= self._next_due

    def one_more(self) -> None:
        """The worker has to register anew."""
        self.count += 1
        self._due = self._next_due
        self._next_due = max(clock(), self._due) + backoff(self.count, 1, 60)

    def end(self) -> None:
        """The worker is in step."""
        self.count = 0
        self._next_due = 0.0


class Protocol:
    """Serves until the worker has left; raises Refused when the orchestrator does not want it."""

    def __init__(
        self,
        registration: Mapping[str, Any],
        wait_for_id: float,
        member: Member,
        assignments: Assignments,
        beats: Beats,
        departure: Departure,
        loop: Loop,
    ) -> None:
        self.renewals = Renewals()
        self.unbroken_since = clock()  # the last connection or registration
        self._registration = registration
        self._identity = Identity()
        self._wait_for_id_until = clock() + wait_for_id
        self._member = member
        self.beats = beats
        self._assignments = assignments
        self._departure = departure
        self._loop = loop
        self._breaker = Breaker()
        self._usage = Usage()
        self._round_trip: float | None = None  # of the last beat, for the next one to tell
        self._attempts = 0  # to get in step
        self._is_hinted = False
        self._was_accepted = False  # whether a registration or a beat ever was

    async def serve(self) -> None:
        """One step after the other, also after one that failed."""
        while not self._departure.at_once.is_set():
            try:
                if self._departure.how and await self._departure.step():
                    return
                await self._step()
            except (psycopg.Error, OSError) as error:
                await self._handle(error)

    async def connected(self) -> None:
        """The connection is a new one."""
        self.unbroken_since = clock()
        self.beats.at_once()
        self._assignments.unowned.say_again()
        await self._attach()

    async def _step(self) -> None:
        if remaining := self._breaker.remaining:
            await self._pause(remaining)
            return
        if self._assignments.is_stopping:
            await self._pause(0.1)  # it comes back with empty hands
            return
        if self._member.incarnation is None and (remaining := self.renewals.remaining):
            await self._pause(remaining)
            return
        self._loop.wake.clear()
        acknowledgements = self._assignments.acknowledgements
        with self._breaker.calling():
            if self._member.incarnation is None:
                await self._register()
            if self.beats.due <= clock():
                await self._beat()
            elif self._is_hinted:
                await self._fetch_commands()
            if self._member.incarnation is None:
                return  # to register anew
            if acknowledgements.due <= clock():
                await acknowledgements.send(partial(self._member.call, "acknowledge"))
                if self._assignments.unowned.are_due:
                    self.beats.at_once()  # to hear that they are ours
        due = min(self.beats.due, acknowledgements.due)
        with self._breaker.calling():
            self._is_hinted = await self._member.calls.idle(max(0.0, due - clock()), self._loop.wake)

    async def _handle(self, error: psycopg.Error | OSError) -> None:
        """A step failed. The handlers go on, unless this worker is not wanted."""
        self.beats.at_once()
        code = getattr(error, "sqlstate", None)
        if code in STALE:
            self._register_anew(redact_error(error))
            return
        supervisor = self._assignments.supervisor
        never_registered = not self._was_accepted and code is not None and not is_retried(error)
        if code in UNWANTED or never_registered:
            if code != "OR104" or clock() >= self._wait_for_id_until or supervisor.busy:
                raise Refused.because(error) from error
            await self._pause(1.0)
            return
        if not is_retried(error):
            await self._member.listener.close()  # not understood: begin with a clean session
        rounds = self._breaker.fail_counter
        logger.log(
            logging.WARNING if rounds <= 5 else logging.CRITICAL,
            "database away error=%r sqlstate=%s rounds=%d next_in=%.1f streams_kept=%d",
            *(redact_error(error), code, rounds, self._breaker.remaining, len(supervisor.held)),
        )

    async def _pause(self, seconds: float) -> None:
        await self._loop.pause(seconds, lambda: self._departure.is_due)

    # -- Registration ---------------------------------------------------------

    async def _register(self) -> None:
        sent = clock()
        identity = self._identity.as_metadata()
        metadata = {**identity, **self._registration["metadata"], "process": identity["process"]}
        (row,) = await self._member.calls.call("register_instance", **{**self._registration, "metadata": metadata})
        if self._assignments.is_stopping:
            return  # it was isolated meanwhile
        self._member.incarnation = row["incarnation"]
        self.unbroken_since = clock()
        self.beats.interval = row["heartbeat_interval"].total_seconds()
        self._accept(sent)
        self._attempts = 0
        await self._attach()
        full = await self._member.call("get_assignments")
        if self._member.incarnation is None:
            return
        self._assignments.replace(full)
        self.beats.check_soon()
        logger.info(
            "registered instance_id=%s incarnation=%s status=%s streams=%d heartbeat_interval=%s",
            *(self._member.instance_id, self._member.incarnation, row["status"], len(full), self.beats.interval),
        )

    async def _attach(self) -> None:
        """Tie the session to the instance; a session that cannot be tied is not kept."""
        if self._member.listener.pooled or self._member.incarnation is None:
            return
        try:
            await self._member.ask("attach_session")
        except BaseException:
            await self._member.listener.close()
            raise

    def _register_anew(self, reason: str) -> None:
        self.renewals.one_more()
        logger.warning(
            "registering anew instance_id=%s reason=%r in=%.1f",
            *(self._member.instance_id, reason, self.renewals.remaining),
        )
        self._member.incarnation = None

    def _accept(self, sent: float) -> None:
        """The database has heard from us."""
        self._was_accepted = True
        self._assignments.renew(sent)

    # -- Getting and staying in step ------------------------------------------

    async def _beat(self) -> None:
        """Beat, and repair the difference that the answer shows: at most ATTEMPTS times, then register anew.

        The first attempt follows the commands of the beat. When they say nothing that is not done already, the
        database does not know what is held here, and it is told in full.
        """
        self._assignments.isolate()
        if self._member.incarnation is None:
            return
        sent = clock()
        held = list(self._assignments.supervisor.held.values())
        answer = await self._member.call("heartbeat", digest=digest(held), report=self._report())
        if self._member.incarnation is None:
            return  # isolated before the answer came
        self._round_trip = self._member.calls.round_trip
        self._accept(sent)
        self.beats.heed(answer)
        self._assignments.restart_silent(answer)
        self._assignments.unowned.prepare_only(answer)
        commands = _to_apply(answer)
        if not commands:
            self._attempts = 0
            self.renewals.end()
            self.beats.due = sent + self._until_next_beat()
        else:
            self.beats.check_soon()
            await self._get_in_step(commands)
        if self._member.incarnation is not None:
            self._stand_by(answer)
            await self._report_failures()

    async def _fetch_commands(self) -> None:
        """A notification came: do what is new. A beat shows soon whether that was all."""
        self._assignments.isolate()
        if self._member.incarnation is None:
            return
        answer = await self._member.call("get_commands")
        if self._member.incarnation is not None:  # not isolated meanwhile
            self._is_hinted = False
            self._assignments.unowned.prepare(answer)
            self._assignments.apply(_to_apply(answer))
            self._stand_by(answer)
            self.beats.check_soon(planned=self.beats.due)

    def _stand_by(self, answer: Sequence[Row]) -> None:
        """After what is to be removed: the owner of a stream may become its standby."""
        if self._departure.how is None and self._assignments.unowned.stand_by(answer):
            self.beats.check_soon(planned=self.beats.due)

    async def _get_in_step(self, commands: Sequence[Row]) -> None:
        self._attempts = 1 if self._assignments.apply(commands) else self._attempts + 1
        if self._attempts == 1:
            return
        if self._attempts > ATTEMPTS:
            if self.renewals.is_possible:
                self._register_anew(f"still out of step after {ATTEMPTS} attempts")
            else:
                self.beats.due = clock() + self._until_next_beat()
            return
        logger.warning(
            "out of step, reporting all streams instance_id=%s attempt=%d", self._member.instance_id, self._attempts
        )
        running = self._assignments.may_run()
        ids, epochs = [stream.stream_id for stream in running], [stream.epoch for stream in running]
        commands = await self._member.call("report_streams", streams=ids, epochs=epochs)
        if self._member.incarnation is not None:
            self._assignments.apply(commands)

    def _until_next_beat(self) -> float:
        return self.beats.until_next(polls=self._member.listener.polls, leaves=self._departure.how is not None)

    def _report(self) -> dict[str, Any]:
        cpu, memory = self._usage.measure()
        supervisor, counts = self._assignments.supervisor, self._assignments.counts
        unowned = self._assignments.unowned
        return {
            "status": "draining" if self._departure.how == "drain" else "active",
            "current_streams": len(supervisor.held),
            "processed_count": counts.processed,
            "error_count": counts.errors,
            "cpu_usage": cpu,
            "memory_usage": memory,
            "last_activity": counts.last_activity.isoformat() if counts.last_activity else None,
            "timestamp": datetime.now(UTC).isoformat(),
            "heartbeat_interval": self.beats.interval,
            "breaker": self._breaker.current_state,
            "breaker_opened": self._breaker.opened,
            "round_trip": self._round_trip,
            **unowned.report(),
            **self._assignments.progress.report(supervisor.running, set(unowned.standbys)),
        }

    async def _report_failures(self) -> None:
        """Tell of failed calls. That this fails is no reason to do anything, but keep them."""
        try:
            await self._member.report_failures()
        except psycopg.Error as error:
            if error.sqlstate in STALE:
                raise


def _to_apply(answer: Sequence[Row]) -> list[Row]:
    return [row for row in answer if row["action"] in ("add", "adopt", "remove")]
