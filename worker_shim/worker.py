"""The worker's side of the protocol: what is held, what the database says, and how the two become equal.

One task talks to the database, step by step (`_step`): register when there is no incarnation, beat when one is
due, ask for news when a notification hinted at some, acknowledge what started and stopped, then wait. Any failure
ends the step and the next one begins where the database stands, so there is no other path for recovery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import random
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from typing import Any, Literal

import psycopg

from worker_shim.acknowledgements import Acknowledgements
from worker_shim.calls import Calls, Row
from worker_shim.connection import Listener, Refused
from worker_shim.context import Context, Counts
from worker_shim.handlers import as_handler
from worker_shim.isolation import Isolation
from worker_shim.patience import STALE, UNWANTED, Breaker, backoff, clock, is_transient, one_line
from worker_shim.stream import Stream, digest
from worker_shim.supervisor import Supervisor
from worker_shim.vitals import Progress, Usage

logger = logging.getLogger("worker_shim")

OnExit = Literal["drain", "suspend", "leave"]
OnIsolation = Literal["continue", "stop"]

CHECK_AFTER = 1.0  # seconds from a repair to the beat that shows whether it was all
ATTEMPTS = 3  # to get in step before registering anew


class Worker:
    """A member of the fleet: runs the handler for each stream that the orchestrator gives it.

    handler: `async def handler(stream, context)`, cancelled when the stream goes, or a plain function
    `handler(stream, stop)` that runs in a thread and returns when `stop` (a threading.Event) is set. Programs
    with threads of their own give `on_start(stream)` and `on_stop(stream)` instead.

    All times are in seconds. on_exit says what SIGTERM and `stop()` do: drain (hand everything over first, at most
    drain_timeout), suspend (a planned restart: keep the streams for suspend_for), leave (others get them at once).
    Without `listen`, and behind a pooler, changes are asked for with a beat each poll_interval.
    on_isolation says what happens while the database is away: continue, or stop every handler before the lease is over.
    make_before_break: the handler can hear a stream before it owns it (Context.is_owner), so that none of it is lost.
    """

    def __init__(
        self,
        dsn: str,
        instance_id: str,
        max_streams: int,
        handler: Callable[..., Any] | None = None,
        *,
        on_start: Callable[[Stream], Any] | None = None,
        on_stop: Callable[[Stream], Any] | None = None,
        capabilities: Sequence[str] = ("audio_fingerprinting",),
        version: str | None = None,
        location: str | None = None,
        schema: str = "orchestrator",
        on_exit: OnExit = "drain",
        on_isolation: OnIsolation = "continue",
        lease: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        drain_timeout: float = 60,
        suspend_for: float = 120,
        stop_timeout: float = 10,
        network_timeout: float = 30,
        listen: bool = True,
        poll_interval: float = 2,
        wait_for_id: float = 0,
        make_before_break: bool = False,
    ) -> None:
        if make_before_break and handler is None:
            raise ValueError("make_before_break needs a handler: callbacks cannot say when they hear the stream")
        if on_isolation == "stop" and lease is None:
            lease = 90
        self._supervisor = Supervisor(
            as_handler(handler, on_start, on_stop),
            self._make_context,
            lambda stream: self._acknowledgements.started(stream),
            lambda stream_id: self._acknowledgements.stopped(stream_id),
            self._handler_failed,
            stop_timeout,
        )
        self._isolation: Isolation | None = None
        if on_isolation == "stop" and lease is not None:
            self._isolation = Isolation(lease, stop_timeout, lambda: self._supervisor.busy, self._isolate_soon)
        self.instance_id = instance_id
        self._registration: dict[str, Any] = {
            "instance_id": instance_id,
            "max_streams": max_streams,
            "capabilities": list(capabilities),
            "version": version,
            "location": location,
            "lease": timedelta(seconds=lease) if lease is not None else None,
            # The process is what may register again under this id; a restarted program is another one.
            "metadata": {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                **(metadata or {}),
                "make_before_break": make_before_break,
                "process": str(uuid.uuid4()),
            },
        }
        if self._isolation is not None:
            self._registration["stop_within"] = timedelta(seconds=self._isolation.stop_within)
        self._on_exit = on_exit
        self._lease = lease
        self._drain_timeout = drain_timeout
        self._suspend_for = suspend_for
        self._stop_timeout = stop_timeout
        self._poll_interval = poll_interval
        self._wait_for_id_until = clock() + wait_for_id

        self._counts = Counts()
        self._progress = Progress()
        self._usage = Usage()
        self._breaker = Breaker()
        self._listener = Listener(dsn, schema, f"{schema}.{instance_id}", network_timeout, listen)
        self._calls = Calls(self._listener, self._connected)

        self._incarnation: int | None = None
        self._interval = 30.0  # until register_instance says otherwise
        self._beat_due = 0.0
        self._round_trip: float | None = None  # of the last beat, for the next one to tell
        self._accepted_at = 0.0  # when the last accepted beat was sent
        self._attempts = 0
        self._beat_within = math.inf  # seconds in which the database wants to hear the next beat
        self._spread_next = False  # whether the next beat is to come at a random moment of its interval
        self._anew = 0  # registrations since it was last in step, …
        self._register_at = 0.0  # … which is why there may be a pause before the next
        self._anew_allowed_at = 0.0
        self._no_driver = False
        self._is_hinted = False
        self._is_isolated = False
        self._unknown_actions: set[str] = set()
        self._heard: set[Stream] = set()  # prepared, and heard already
        self._acknowledgements = Acknowledgements(
            self._supervisor.held, self._supervisor.prepared, lambda: self._wake.set()
        )

        self._leaving: OnExit | None = None
        self._leave_until = 0.0
        self._wake = asyncio.Event()
        self._at_once = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._thread_error: BaseException | None = None

    # -- The face -------------------------------------------------------------

    @property
    def streams(self) -> frozenset[Stream]:
        """The streams held at this moment."""
        return frozenset(self._supervisor.held.copy().values())

    def processed(self, count: int = 1) -> None:
        """Count work done, from any thread."""
        self._counts.add(processed=count)

    def error(self, count: int = 1) -> None:
        """Count errors, from any thread."""
        self._counts.add(errors=count)

    def progress(self, stream_id: int) -> None:
        """Something of this stream was heard: for programs that get callbacks. From any thread."""
        self._progress.made(stream_id)

    def run(self) -> None:
        """Work until stopped; SIGTERM and SIGINT stop it when this is the main thread. Raises Refused."""
        asyncio.run(self.run_async(signals=threading.current_thread() is threading.main_thread()))

    def start(self) -> None:
        """Work in a background thread; `stop()` and `join()` end it."""

        def body() -> None:
            try:
                self.run()
            except BaseException as error:
                self._thread_error = error
                logger.critical("worker ended instance_id=%s error=%r", self.instance_id, one_line(error))

        self._thread = threading.Thread(target=body, name="worker_shim", daemon=True)
        self._thread.start()

    def stop(self, how: OnExit | None = None) -> None:
        """Begin to leave, as on_exit or how says; a second call leaves at once. From any thread or a signal handler."""
        if self._loop is None:
            self._leaving = how or self._on_exit
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has left already
                self._loop.call_soon_threadsafe(self._begin_to_leave, how or self._on_exit)

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread of `start()`; raises what ended it."""
        if self._thread is not None:
            self._thread.join(timeout)
        if self._thread_error is not None:
            raise self._thread_error

    async def run_async(self, *, signals: bool = False) -> None:
        """Work until stopped. Cancelling it stops the handlers and says nothing to the database."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT) if signals else ():
            self._loop.add_signal_handler(number, self._begin_to_leave, self._on_exit)
        if self._isolation is not None:
            self._isolation.watch()
            if signals:
                woken = signal.signal(signal.SIGCONT, self.look_at_the_clock)
        tasks = {asyncio.create_task(self._serve()), asyncio.create_task(self._at_once.wait())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            if self._at_once.is_set():
                self._listener.hang_up()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._supervisor.stop_all(within=self._stop_timeout + 1)
            if self._at_once.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._say("deregister_instance"), 5)
            if self._isolation is not None and not self._supervisor.busy:
                self._isolation.end()  # else it ends the process, when it must
                if signals:
                    signal.signal(signal.SIGCONT, woken or signal.SIG_DFL)
            await self._end_session()
            logger.info("worker ended instance_id=%s", self.instance_id)

    def share_connection(self, other: Worker) -> None:
        """Use the connection of another worker of this process: see run_workers."""
        self._listener.share(other._listener)

    # -- Steps ----------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            try:
                if self._leaving and await self._leave():
                    return
                await self._step()
            except (psycopg.Error, OSError) as error:
                await self._handle(error)

    async def _step(self) -> None:
        if self._breaker.remaining:
            await self._pause(self._breaker.remaining)
            return
        if self._is_stopping:
            await self._pause(0.1)  # it comes back with empty hands
            return
        if self._incarnation is None and clock() < self._register_at:
            await self._pause(self._register_at - clock())
            return
        self._wake.clear()
        with self._breaker.calling():
            if self._incarnation is None:
                await self._register()
            if self._beat_due <= clock():
                await self._beat()
            elif self._is_hinted:
                await self._obey()
            if self._incarnation is None:
                return  # to register anew
            if self._acknowledgements.due <= clock():
                await self._acknowledgements.send(partial(self._call_mine, "acknowledge"))
                if self._heard:
                    self._beat_due = 0.0  # to hear that they are ours
        due = min(self._beat_due, self._acknowledgements.due)
        with self._breaker.calling():
            self._is_hinted = await self._calls.idle(max(0.0, due - clock()), self._wake)

    async def _handle(self, error: psycopg.Error | OSError) -> None:
        """A step failed. The handlers go on whatever it was, unless this worker is not wanted."""
        self._beat_due = 0.0
        code = getattr(error, "sqlstate", None)
        if code in STALE:
            self._register_anew(one_line(error))
            return
        never_registered = self._accepted_at == 0 and code is not None and not is_transient(error)
        if code in UNWANTED or never_registered:
            if code != "OR104" or clock() >= self._wait_for_id_until or self._supervisor.busy:
                raise Refused.because(error) from error
            await self._pause(1.0)
            return
        if not is_transient(error):
            await self._listener.close()  # not understood: begin with a clean session
        rounds = self._breaker.fail_counter
        logger.log(
            logging.WARNING if rounds <= 5 else logging.CRITICAL,
            "database away error=%r sqlstate=%s rounds=%d next_in=%.1f streams_kept=%d",
            *(one_line(error), code, rounds, self._breaker.remaining, len(self._supervisor.held)),
        )

    async def _pause(self, seconds: float) -> None:
        until = clock() + seconds
        while (remaining := until - clock()) > 0:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), remaining)
            if self._leaving and clock() >= self._leave_until:
                return

    async def _call_mine(self, function: str, **parameters: Any) -> Sequence[Row]:
        mine = {"instance_id": self.instance_id, "incarnation": self._incarnation}
        return await self._calls.call(function, **mine, **parameters)

    async def _connected(self) -> None:
        self._beat_due = 0.0
        await self._attach()

    async def _attach(self) -> None:
        """Tie the session to the instance; a session that cannot be tied is not kept."""
        if self._listener.pooled or self._incarnation is None:
            return
        try:
            await self._calls.ask("attach_session", instance_id=self.instance_id, incarnation=self._incarnation)
        except BaseException:
            await self._listener.close()
            raise

    def _register_anew(self, reason: str) -> None:
        """Again and again without getting in step, up to a minute apart."""
        self._anew += 1
        self._register_at = self._anew_allowed_at
        self._anew_allowed_at = max(clock(), self._register_at) + backoff(self._anew, 1, 60)
        logger.warning(
            "registering anew instance_id=%s reason=%r in=%.1f",
            *(self.instance_id, reason, max(0.0, self._register_at - clock())),
        )
        self._incarnation = None

    async def _register(self) -> None:
        sent = clock()
        (row,) = await self._calls.call("register_instance", **self._registration)
        if self._is_stopping:
            return  # it was isolated meanwhile
        self._incarnation = row["incarnation"]
        self._interval = row["heartbeat_interval"].total_seconds()
        self._accept(sent)
        self._attempts = 0
        await self._attach()
        full = {row["stream_id"]: Stream.of(row) for row in await self._call_mine("get_assignments")}
        if self._incarnation is None:
            return
        for stream_id in self._supervisor.held.keys() - full.keys():
            self._supervisor.stop(stream_id)
        for stream in full.values():
            self._supervisor.start(stream)
        self._beat_due = clock() + CHECK_AFTER
        logger.info(
            "registered instance_id=%s incarnation=%s status=%s streams=%d heartbeat_interval=%s",
            *(self.instance_id, self._incarnation, row["status"], len(full), self._interval),
        )

    def _accept(self, sent: float) -> None:
        """The database has heard from us."""
        self._accepted_at = sent
        self._is_isolated = False
        if self._isolation is not None:
            self._isolation.renew(sent)

    async def _beat(self) -> None:
        """Beat, and repair the difference that the answer shows: at most ATTEMPTS times, then register anew.

        The first attempt follows the commands of the beat. When they say nothing that is not done already, the
        database does not know what is held here, and it is told in full.
        """
        self._isolate()
        if self._incarnation is None:
            return
        sent = clock()
        streams = list(self._supervisor.held.values())
        answer = await self._call_mine("heartbeat", digest=digest(streams), report=self._report())
        if self._incarnation is None:
            return  # isolated before the answer came
        self._round_trip = self._calls.round_trip
        self._accept(sent)
        self._heed(answer)
        self._prepare(answer)
        commands = [command for command in answer if command["action"] in ("add", "remove")]
        if not commands:
            self._attempts = self._anew = 0
            self._anew_allowed_at = 0.0
            self._beat_due = sent + self._until_next_beat()
        else:
            self._beat_due = clock() + CHECK_AFTER
            await self._get_in_step(commands)
        if self._incarnation is not None:
            await self._report_failures()

    async def _obey(self) -> None:
        """A notification came: do what is new. A beat shows soon whether that was all."""
        self._isolate()
        if self._incarnation is None:
            return
        answer = await self._call_mine("get_commands")
        if self._incarnation is not None:  # not isolated meanwhile
            self._is_hinted = False
            for row in answer:
                if row["action"] == "prepare":
                    self._supervisor.prepare(Stream.of(row))
            self._apply([row for row in answer if row["action"] in ("add", "remove")])
            self._beat_due = min(self._beat_due, clock() + CHECK_AFTER)

    async def _get_in_step(self, commands: Sequence[Row]) -> None:
        self._attempts = 1 if self._apply(commands) else self._attempts + 1
        if self._attempts == 1:
            return
        if self._attempts > ATTEMPTS:
            if clock() >= self._anew_allowed_at:
                self._register_anew(f"still out of step after {ATTEMPTS} attempts")
            else:
                self._beat_due = clock() + self._until_next_beat()
            return
        logger.warning("out of step, reporting all streams instance_id=%s attempt=%d", self.instance_id, self._attempts)
        streams = list(self._supervisor.held.values())
        ids, epochs = [s.stream_id for s in streams], [s.epoch for s in streams]
        commands = await self._call_mine("report_streams", streams=ids, epochs=epochs)
        if self._incarnation is not None:
            self._apply(commands)

    async def _report_failures(self) -> None:
        """Tell of failed calls. That this fails is no reason to do anything, but keep them."""
        try:
            await self._calls.report_failures(instance_id=self.instance_id, incarnation=self._incarnation)
        except psycopg.Error as error:
            if error.sqlstate in STALE:
                raise

    def _heed(self, answer: Sequence[Row]) -> None:
        """What a beat's answer says beside add and remove."""
        no_driver = False
        self._beat_within = math.inf
        for row in answer:
            action, said = row["action"], row["metadata"] or {}
            if action == "restart":
                if self._supervisor.restart(row["stream_id"], row["epoch"]):
                    logger.warning("handler is silent, restarting it stream_id=%s", row["stream_id"])
            elif action == "notice":
                if said.get("heartbeat_interval") not in (None, self._interval):
                    self._interval = float(said["heartbeat_interval"])
                    self._spread_next = True  # a fleet that is told together must not beat together
                    logger.info("heartbeat_interval=%s", self._interval)
                self._beat_within = float(said.get("next_beat_in", math.inf))
                no_driver = "no_driver_for" in said
                if no_driver and not self._no_driver:
                    logger.critical("no driver runs the orchestrator's jobs overdue_for=%.0f", said["no_driver_for"])
            elif action not in ("add", "remove", "prepare") and action not in self._unknown_actions:
                self._unknown_actions.add(action)
                logger.warning("ignoring an action that this version does not know action=%s", action)
        if self._no_driver and not no_driver:
            logger.info("the orchestrator's jobs run again")
        self._no_driver = no_driver

    def _until_next_beat(self) -> float:
        interval = min(self._interval, self._beat_within)
        if self._lease is not None:
            interval = min(interval, self._lease / 4)
        if self._leaving:
            interval = min(interval, CHECK_AFTER)
        if self._listener.polls:
            interval = min(interval, self._poll_interval)
        # a fleet that was started together does not beat together
        earliest, self._spread_next = 0.0 if self._spread_next else 0.9, False
        return interval * random.uniform(earliest, 1.0)

    def _report(self) -> dict[str, Any]:
        cpu, memory = self._usage.measure()
        activity = self._counts.last_activity
        return {
            "status": "draining" if self._leaving == "drain" else "active",
            "current_streams": len(self._supervisor.held),
            "processed_count": self._counts.processed,
            "error_count": self._counts.errors,
            "cpu_usage": cpu,
            "memory_usage": memory,
            "last_activity": activity.isoformat() if activity else None,
            "timestamp": datetime.now(UTC).isoformat(),
            "heartbeat_interval": self._interval,
            "breaker": self._breaker.current_state,
            "breaker_opened": self._breaker.opened,
            "round_trip": self._round_trip,
            **self._progress.report(self._supervisor.running),
        }

    def _apply(self, commands: Sequence[Row]) -> bool:
        """Carry out commands, removals first; False when every one of them was carried out before."""
        changed = False
        for command in sorted(commands, key=lambda command: str(command["action"]), reverse=True):
            stream_id, epoch = command["stream_id"], command["epoch"]
            held = self._supervisor.held.get(stream_id)
            logger.debug("command action=%s stream_id=%s epoch=%s", command["action"], stream_id, epoch)
            if command["action"] == "add":
                changed |= self._supervisor.start(Stream.of(command))
            elif held is not None and epoch is not None and held.epoch > epoch:
                self._acknowledgements.stopped(stream_id)  # an ownership that ended before the present one
            else:
                changed |= self._supervisor.stop(stream_id)
        return changed

    def _prepare(self, answer: Sequence[Row]) -> None:
        """Hear what is to be prepared; what was called off is not named any more, what is ours now is to be added."""
        named = {row["stream_id"] for row in answer if row["action"] in ("prepare", "add")}
        for stream_id in self._supervisor.prepared.keys() - named:
            self._supervisor.prepare_no_more(stream_id)
        for row in answer:
            if row["action"] == "prepare":
                self._supervisor.prepare(Stream.of(row))
        self._heard &= set(self._supervisor.prepared.values())
        for stream in self._heard:
            self._acknowledgements.started(stream)  # that it was told before may have been lost

    # -- Handlers -------------------------------------------------------------

    def _ready(self, stream: Stream) -> None:
        """From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has left
                self._loop.call_soon_threadsafe(self._hears, stream)

    def _hears(self, stream: Stream) -> None:
        if self._supervisor.prepared.get(stream.stream_id) is stream and stream not in self._heard:
            self._heard.add(stream)
            self._acknowledgements.started(stream)

    def _handler_failed(self, stream: Stream, error: str) -> None:
        self._counts.add(errors=1)
        self._heard.discard(stream)
        self._acknowledgements.failed(stream, error)

    def _make_context(self, stream: Stream) -> Context:
        self._progress.began(stream.stream_id)
        term = self._isolation.term if self._isolation is not None else 0
        return Context(
            *(stream, self._counts, self._progress, self._is_current, partial(self._is_valid, stream, term)),
            *(self._supervisor.owned(stream), partial(self._ready, stream)),
        )

    def _is_valid(self, stream: Stream, term: int) -> bool:
        held = self._supervisor.held.get(stream.stream_id)
        if held is not None and held.epoch > stream.epoch:
            return False
        return self._isolation is None or self._isolation.counts(term)

    async def _is_current(self, stream: Stream) -> bool:
        if self._supervisor.held.get(stream.stream_id) != stream:
            return False
        (row,) = await self._calls.ask("is_current", stream_id=stream.stream_id, epoch=stream.epoch)
        return bool(row["is_current"])

    # -- Leaving --------------------------------------------------------------

    def _begin_to_leave(self, how: OnExit) -> None:
        if self._leaving is None:
            logger.info("leaving instance_id=%s how=%s streams=%d", self.instance_id, how, len(self._supervisor.held))
            self._leaving = how
            self._leave_until = clock() + (self._drain_timeout if how == "drain" else 0)
            self._beat_due = 0.0
            self._wake.set()
        else:
            self._at_once.set()

    async def _leave(self) -> bool:
        """One step of leaving; True when there is nothing left to do but to end."""
        handed_over = not self._supervisor.busy and self._acknowledgements.due == float("inf")
        if self._incarnation and self._leaving == "drain" and not handed_over and clock() < self._leave_until:
            return False
        if self._leaving == "suspend":
            await self._say("suspend_instance", **{"for": timedelta(seconds=self._suspend_for)})
        else:
            # first, so that no second is heard twice; who promised to have stopped keeps the streams until that is true
            if await self._supervisor.stop_all(within=self._stop_timeout + 1) or self._isolation is None:
                await self._say("deregister_instance")
        return True

    async def _say(self, function: str, **parameters: Any) -> None:
        """A last word, which nobody waits for: a lost session says the same, later."""
        if self._incarnation is None:
            return
        try:
            await self._call_mine(function, **parameters)
        except (psycopg.Error, OSError) as error:
            logger.warning("left without a word instance_id=%s error=%r", self.instance_id, one_line(error))

    async def _end_session(self) -> None:
        """Give back what is ours and leave the connection to the others; failing that, it ends, and they return."""
        if self._listener.shared and self._listener.connected and self._incarnation is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                mine = {"instance_id": self.instance_id, "incarnation": self._incarnation}
                await self._calls.ask("detach_session", **mine)
                self._listener.leave()
                return
        await self._listener.close()
        self._listener.leave()

    # -- Isolation ------------------------------------------------------------

    @property
    def _is_stopping(self) -> bool:
        return self._isolation is not None and self._isolation.stopped and self._supervisor.busy

    def _isolate_soon(self) -> None:
        """From any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has left
                self._loop.call_soon_threadsafe(self._isolate)

    def _isolate(self) -> None:
        """When it is time, let go of everything; come back as one who has to be told everything."""
        streams = len(self._supervisor.running)
        if self._let_go_when_due() and not self._is_isolated:
            self._is_isolated = True
            logger.critical("isolated, stopping all handlers instance_id=%s streams=%d", self.instance_id, streams)
            self._acknowledgements.forget()
            self._wake.set()

    def _let_go_when_due(self) -> bool:
        if self._isolation is None or not self._isolation.is_due or not self._supervisor.busy:
            return False
        self._isolation.stopped = True
        self._incarnation = None
        self._supervisor.let_go()
        return True

    def look_at_the_clock(self, number: int, frame: FrameType | None) -> None:
        """SIGCONT. Comes before anything else in the loop: no handler hears another byte when the time is over.

        Tasks are cancelled as asyncio itself does on SIGINT; whatever may not happen in a signal handler comes soon.
        """
        if self._let_go_when_due():
            self._isolate_soon()
