"""What is assigned to a worker, carried out: commands start and stop handlers, and handlers say how they fare."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from worker_shim.acknowledgements import Acknowledgements
from worker_shim.calls import Member, Row
from worker_shim.context import Context, Counts
from worker_shim.isolation import Isolation
from worker_shim.loop import Loop
from worker_shim.stream import Stream
from worker_shim.supervisor import Handler, Supervisor
from worker_shim.unowned import Unowned
from worker_shim.vitals import Progress

logger = logging.getLogger("worker_shim")


class Assignments:
    """The streams of a worker: their handlers, what these count, and what is still to be acknowledged of them."""

    def __init__(
        self,
        handler: Handler,
        stop_timeout: float,
        member: Member,
        isolation: Isolation | None,
        loop: Loop,
        takes_standbys: bool = False,
    ) -> None:
        self.counts = Counts()
        self.progress = Progress()
        self.supervisor = Supervisor(
            handler,
            self._make_context,
            lambda stream: self.acknowledgements.started(stream),
            lambda stream_id: self.acknowledgements.stopped(stream_id, self._let_go.pop(stream_id, None)),
            self._failed,
            stop_timeout,
            self._interrupted,
        )
        self.acknowledgements = Acknowledgements(self.supervisor.held, self.supervisor.prepared, loop.wake.set)
        self.unowned = Unowned(self.supervisor, self.acknowledgements, takes_standbys)
        self._let_go: dict[int, int | None] = {}  # under which epochs, of what is to be told as stopped
        self.isolation = isolation
        self._is_isolated = False
        self._member = member
        self._loop = loop

    # -- Commands -------------------------------------------------------------

    def replace(self, full: Sequence[Row]) -> None:
        """Hold these streams, and no other."""
        for stream_id in self.supervisor.held.keys() - {row["stream_id"] for row in full}:
            self._stop(stream_id, None)
        for row in full:
            if row.get("adopts"):  # an older database does not say
                self.supervisor.adopt(Stream.of(row))
            else:
                self.supervisor.start(Stream.of(row))

    def apply(self, commands: Sequence[Row]) -> bool:
        """Carry out what is to be added and removed, removals first; False when all of it was carried out before."""
        changed = False
        for command in sorted(commands, key=lambda command: str(command["action"]), reverse=True):
            stream_id, epoch = command["stream_id"], command["epoch"]
            held = self.supervisor.held.get(stream_id)
            logger.debug("command action=%s stream_id=%s epoch=%s", command["action"], stream_id, epoch)
            if command["action"] == "add":
                changed |= self.supervisor.start(Stream.of(command))
            elif command["action"] == "adopt":
                changed |= self.supervisor.adopt(Stream.of(command))
            elif held is not None and epoch is not None and held.epoch > epoch:
                self.acknowledgements.stopped(stream_id, epoch)  # an ownership that ended before the present one
            else:
                changed |= self._stop(stream_id, epoch)
        return changed

    def _stop(self, stream_id: int, epoch: int | None) -> bool:
        """Let go of a stream; told as stopped under its epoch, or the command's, if that is later.

        The database may have begun a later one, of which nothing was heard before the stream was to stop.
        """
        held = self.supervisor.held.get(stream_id)
        epochs = [self._let_go.get(stream_id), epoch, held.epoch if held is not None else None]
        self._let_go[stream_id] = max((each for each in epochs if each is not None), default=None)
        return self.supervisor.stop(stream_id)

    def restart_silent(self, commands: Sequence[Row]) -> None:
        """Run the handlers anew that the database found silent for too long."""
        for row in commands:
            if row["action"] == "restart" and self.supervisor.restart(row["stream_id"], row["epoch"]):
                logger.warning("handler is silent, restarting it stream_id=%s", row["stream_id"])

    # -- Isolation ------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Whether handlers still run that isolation has told to stop."""
        return self.isolation is not None and self.isolation.stopped and self.supervisor.busy

    def may_run(self) -> list[Stream]:
        """All that is held; after a promise to have stopped before others start, also what has not ended yet."""
        ending = self.supervisor.ending if self.isolation is not None else []
        return list({stream.stream_id: stream for stream in [*ending, *self.supervisor.held.values()]}.values())

    def renew(self, sent: float) -> None:
        """A registration or a beat that was sent then has been accepted."""
        self._is_isolated = False
        if self.isolation is not None:
            self.isolation.renew(sent)

    def isolate(self) -> None:
        """When it is time, let go of everything; come back as one who has to be told everything."""
        streams = len(self.supervisor.running)
        if self.let_go_when_due() and not self._is_isolated:
            self._is_isolated = True
            logger.critical(
                "isolated, stopping all handlers instance_id=%s streams=%d", self._member.instance_id, streams
            )
            self.acknowledgements.forget()
            self._loop.wake.set()

    def let_go_when_due(self) -> bool:
        """Let go of the handlers when it is time; True when it was. May be called by a signal handler."""
        if self.isolation is None or not self.isolation.is_due or not self.supervisor.busy:
            return False
        self.isolation.stopped = True
        self._member.incarnation = None
        self.supervisor.let_go()
        return True

    # -- Handlers -------------------------------------------------------------

    def _make_context(self, stream: Stream) -> Context:
        self.progress.began(stream.stream_id)
        term = self.isolation.term if self.isolation is not None else 0
        return Context(
            *(stream, self.counts, self.progress, self._is_current, partial(self._is_valid, stream, term)),
            *(self.supervisor.owned(stream), partial(self._loop.call, self.unowned.hears, stream), self._renew_epoch),
            lambda: self.unowned.window,
        )

    def _failed(self, stream: Stream, error: str) -> None:
        self._interrupted(stream)
        self.acknowledgements.failed(stream, error)

    def _interrupted(self, stream: Stream) -> None:
        self.counts.add(errors=1)
        self.unowned.interrupted(stream)

    def _is_valid(self, stream: Stream, term: int) -> bool:
        held = self.supervisor.held.get(stream.stream_id)
        if held is not None and held.epoch > stream.epoch:
            return False
        return self.isolation is None or self.isolation.counts(term)

    async def _is_current(self, stream: Stream) -> bool:
        if self.supervisor.held.get(stream.stream_id) != stream:
            return False
        (row,) = await self._member.calls.ask("is_current", stream_id=stream.stream_id, epoch=stream.epoch)
        return bool(row["is_current"])

    async def _renew_epoch(self, stream: Stream, above: int) -> bool:
        if self.supervisor.held.get(stream.stream_id) is not stream or self._member.incarnation is None:
            return False
        rows = await self._member.ask("renew_epoch", stream_id=stream.stream_id, above=above)
        for row in rows:
            self.supervisor.adopt(replace(stream, epoch=row["epoch"]))
        return bool(rows) and stream.epoch > above
