"""A worker as its program sees it: how it is made, run, stopped, and told of progress.

What it does meanwhile is in `protocol`, how it leaves in `departure`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import signal
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import FrameType
from typing import Any, Literal, TypedDict, Unpack, overload

from orchestrator.redact import redact_error
from worker_shim.arguments import check_choice, check_worker
from worker_shim.assignments import Assignments
from worker_shim.beats import Beats
from worker_shim.calls import Member
from worker_shim.clock import clock
from worker_shim.connection import Listener
from worker_shim.departure import Departure, Manners, OnExit
from worker_shim.handlers import Callback, ThreadHandler, as_handler
from worker_shim.isolation import Isolation
from worker_shim.loop import Loop, run_loop
from worker_shim.protocol import Protocol
from worker_shim.stream import Stream
from worker_shim.supervisor import Handler

logger = logging.getLogger("worker_shim")

OnIsolation = Literal["continue", "stop"]


class Options(TypedDict, total=False):
    """What a worker may be told beside its handler: see Worker."""

    capabilities: Sequence[str]
    version: str | None
    location: str | None
    host: str | None
    schema: str
    on_exit: OnExit
    on_isolation: OnIsolation
    lease: float | None
    metadata: Mapping[str, Any] | None
    drain_timeout: float
    suspend_for: float
    stop_timeout: float
    network_timeout: float
    listen: bool
    poll_interval: float
    wait_for_id: float


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
    standbys: it may do so for long, as the standby of streams whose owners work on other hosts. host is the name of its
    own; without one it is WORKER_HOST, or the machine's, which a container does not know.

    ValueError names the argument that is none of what it may be.
    """

    @overload
    def __init__(
        self,
        dsn: str,
        instance_id: str,
        max_streams: int,
        handler: Handler | ThreadHandler,
        *,
        make_before_break: bool = False,
        standbys: bool = False,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self,
        dsn: str,
        instance_id: str,
        max_streams: int,
        handler: None = None,
        *,
        on_start: Callback,
        on_stop: Callback,
        **options: Unpack[Options],
    ) -> None: ...
    def __init__(
        self,
        dsn: str,
        instance_id: str,
        max_streams: int,
        handler: Handler | ThreadHandler | None = None,
        *,
        on_start: Callback | None = None,
        on_stop: Callback | None = None,
        capabilities: Sequence[str] = ("audio_fingerprinting",),
        version: str | None = None,
        location: str | None = None,
        host: str | None = None,
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
        standbys: bool = False,
    ) -> None:
        check_worker(locals(), OnExit, OnIsolation)
        if make_before_break and handler is None:
            raise ValueError("make_before_break needs a handler: callbacks cannot say when they hear the stream")
        if standbys and not make_before_break:
            raise ValueError("standbys needs make_before_break: a standby hears a stream before it owns it")
        run = as_handler(handler, on_start, on_stop)
        if on_isolation == "stop" and lease is None:
            lease = 90
        self.instance_id = instance_id
        self._loop = Loop()
        isolation: Isolation | None = None
        if on_isolation == "stop" and lease is not None:
            isolation = Isolation(
                lease,
                stop_timeout,
                lambda: self._assignments.supervisor.busy,
                lambda: self._assignments.supervisor.ending_since,
                lambda: self._loop.call(self._assignments.isolate),
            )
        registration: dict[str, Any] = {
            "instance_id": instance_id,
            "max_streams": max_streams,
            "capabilities": list(capabilities),
            "version": version,
            "location": location,
            "lease": timedelta(seconds=lease) if lease is not None else None,
            "metadata": {**(metadata or {}), "make_before_break": make_before_break, "adopts": True},
        }
        if standbys:
            registration["metadata"]["standbys"] = True
        if host is not None:
            registration["metadata"]["host"] = host
        if isolation is not None:
            registration["stop_within"] = timedelta(seconds=isolation.stop_within)
        listener = Listener(dsn, schema, f"{schema}.{instance_id}", network_timeout, listen)
        self._member = Member(instance_id, listener, lambda: self._protocol.connected())
        self._assignments = Assignments(run, stop_timeout, self._member, isolation, self._loop, standbys)
        beats = Beats(lease, poll_interval)
        manners = Manners(on_exit, drain_timeout, suspend_for, stop_timeout)
        self._departure = Departure(manners, self._member, self._assignments, beats, self._loop)
        self._protocol = Protocol(
            registration, wait_for_id, self._member, self._assignments, beats, self._departure, self._loop
        )
        self._thread: threading.Thread | None = None
        self._thread_error: BaseException | None = None

    @property
    def streams(self) -> frozenset[Stream]:
        """The streams held at this moment."""
        return frozenset(self._assignments.supervisor.held.copy().values())

    @property
    def standbys(self) -> frozenset[Stream]:
        """The streams whose standby this worker is: heard, kept, and another's."""
        return frozenset(self._assignments.unowned.standbys)

    @property
    def is_registered(self) -> bool:
        """Whether the orchestrator knows this worker, as far as it has heard."""
        return self._member.incarnation is not None

    @property
    def unbroken(self) -> float:
        """Seconds since it last connected or registered."""
        return clock() - self._protocol.unbroken_since

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the database that is not known to be lost."""
        return self._member.listener.connected

    def release(self, stream_ids: Sequence[int], reason: str = "released") -> concurrent.futures.Future[None]:
        """Give streams back whose handlers hear nothing any more; others get them at once. From any thread.

        The handlers are ended then; with on_isolation = stop before, and others wait for it. The result raises
        psycopg.Error, OSError or RuntimeError (the worker does not run) when nothing was given back.
        """
        supervisor = self._assignments.supervisor

        async def release() -> None:
            try:
                if self._assignments.isolation is not None:
                    await supervisor.rest(stream_ids)
                await self._member.ask("release_streams", streams=list(stream_ids), reason=reason)
            except BaseException:
                supervisor.resume(stream_ids)
                raise
            for stream_id in stream_ids:
                supervisor.stop(stream_id, tell=False)
            self._protocol.beats.at_once()
            self._loop.wake.set()

        return self._loop.submit(release())

    def processed(self, count: int = 1) -> None:
        """Count work done, from any thread."""
        self._assignments.counts.add(processed=count)

    def error(self, count: int = 1) -> None:
        """Count errors, from any thread."""
        self._assignments.counts.add(errors=count)

    def progress(self, stream_id: int) -> None:
        """Something of this stream was heard: for programs that get callbacks. From any thread."""
        self._assignments.progress.made(stream_id)

    def run(self) -> None:
        """Work until stopped; SIGTERM and SIGINT stop it when this is the main thread. Raises Refused."""
        run_loop(self.run_async(signals=threading.current_thread() is threading.main_thread()))

    def start(self) -> None:
        """Work in a background thread; `stop()` and `join()` end it."""

        def body() -> None:
            try:
                self.run()
            except BaseException as error:
                self._thread_error = error
                logger.critical("worker ended instance_id=%s error=%r", self.instance_id, redact_error(error))

        self._thread = threading.Thread(target=body, name="worker_shim", daemon=True)
        self._thread.start()

    def stop(self, how: OnExit | None = None) -> None:
        """Begin to leave, as on_exit or how says; a second call leaves at once. From any thread or a signal handler."""
        if how is not None:
            check_choice("how", how, OnExit)
        self._departure.request(how)

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread of `start()`; raises what ended it."""
        if self._thread is not None:
            self._thread.join(timeout)
        if self._thread_error is not None:
            raise self._thread_error

    async def run_async(self, *, signals: bool = False) -> None:
        """Work until stopped. Cancelling it stops the handlers and says nothing to the database."""
        loop = self._loop.begin()
        for number in (signal.SIGTERM, signal.SIGINT) if signals else ():
            loop.add_signal_handler(number, self._departure.begin)
        isolation = self._assignments.isolation
        if isolation is not None:
            isolation.watch()
            if signals:
                woken = signal.signal(signal.SIGCONT, self.look_at_the_clock)
        serving = asyncio.create_task(self._protocol.serve())
        tasks = {serving, asyncio.create_task(self._departure.no_time_left())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._departure.hang_up(serving)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._departure.end()
            if isolation is not None and not self._assignments.supervisor.busy:
                isolation.end()  # else it ends the process, when it must
                if signals:
                    signal.signal(signal.SIGCONT, woken or signal.SIG_DFL)
            await self._departure.end_session()
            logger.info("worker ended instance_id=%s", self.instance_id)

    def share_connection(self, other: Worker) -> None:
        """Use the connection of another worker of this process: see run_workers."""
        self._member.listener.share(other._member.listener)

    def look_at_the_clock(self, number: int, frame: FrameType | None) -> None:
        """SIGCONT. Comes before anything else in the loop: no handler hears another byte when the time is over.

        Tasks are cancelled as asyncio itself does on SIGINT; what may not happen in a signal handler comes soon.
        """
        if self._assignments.let_go_when_due():
            self._loop.call(self._assignments.isolate)
