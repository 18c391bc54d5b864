"""The face of the older client module of hosts, on a worker: a host changes its import and sets ORCHESTRATOR_DSN.

    from worker_shim.resilient_worker_client import create_resilient_worker_client

    client = create_resilient_worker_client(os.environ["ORCHESTRATOR_URL"], "fingerv7-001", max_streams=60)
    await client.register()
    for index in await client.request_streams():
        start_station(index)

Streams have the numbers of their source here, which the host finds in its own table: the index in the metadata. The
worker has a thread and an event loop of its own, so the coroutines may be awaited in any loop, and in a second one.

A host that gives `on_streams_taken` is a worker as any other. A host that gives none hears on whatever happens, so
nothing is moved off it while it lives (metadata key "keeps_streams"). What others were given all the same, because it
was cut off for so long that it counted as lost, ends its process by SIGTERM: it starts again with what is its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import psycopg

from orchestrator.redact import redact, redact_error
from worker_shim.clock import clock
from worker_shim.host_streams import TOLD_WITHIN, HostStreams, OnStreamsTaken
from worker_shim.stream import Stream
from worker_shim.worker import Worker

logger = logging.getLogger("worker_shim")

REGISTERED_WITHIN = 30.0  # seconds
FIRST_ANSWER_WITHIN = 25.0
THERE_FOR = 60.0  # one that was lost learns it long before, once it is connected
LEFT_WITHIN = 20.0
FAILURES_KEPT = 1000


def number_in_source(stream: Stream) -> int:
    """The number by which a host knows a stream: the column index of its table.

    Raises:
        ValueError: the metadata of the stream has none.
    """
    try:
        return int(stream.metadata["index"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the metadata of stream {stream.stream_id} has no number 'index':"
            " orchestrator source add NAME --column metadata=index"
        ) from error


class ResilientWorkerClient:
    """What a host has of its worker. The coroutines may be awaited in any event loop."""

    def __init__(
        self,
        dsn: str,
        server_id: str,
        max_streams: int,
        on_streams_taken: OnStreamsTaken | None = None,
        number_of: Callable[[Stream], int] = number_in_source,
        **options: Any,
    ) -> None:
        has_promised = options.get("on_isolation") == "stop"
        if has_promised and on_streams_taken is None:
            raise ValueError("on_isolation=stop needs on_streams_taken: a host that stops nothing cannot promise to")
        self.server_id = server_id
        self.max_streams = max_streams
        self._streams = HostStreams(server_id, number_of, on_streams_taken, self._was_there, has_promised)
        metadata = {"keeps_streams": on_streams_taken is None}
        self._options: dict[str, Any] = {"dsn": dsn, "on_exit": "leave", "wait_for_id": REGISTERED_WITHIN - 5} | options
        self._options["metadata"] = metadata | dict(options.get("metadata") or {})
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self._asked_at: float | None = None
        self._failures: deque[tuple[float, str, str]] = deque(maxlen=FAILURES_KEPT)
        self._make_worker()  # its options are checked now

    @property
    def is_registered(self) -> bool:
        """Whether the orchestrator knows this process at this moment."""
        return self._worker is not None and not self._streams.is_leaving and self._worker.is_registered

    @property
    def assigned_streams(self) -> list[int]:
        """What the host is to hear, as numbers: what it was given, did not give back, and was not taken from it."""
        return list(self._streams.assigned)

    async def register(self) -> bool:
        """Start to work, if that was not done before; whether the worker is registered."""
        self._streams.host = asyncio.get_running_loop()
        if self._thread is None or not self._thread.is_alive():
            self._worker = self._make_worker()
            self._streams.is_leaving, self._asked_at = False, None
            self._thread = threading.Thread(target=self._work, args=(self._worker,), name="worker_shim", daemon=True)
            self._thread.start()
        thread = self._thread
        await _until(lambda: self.is_registered or not thread.is_alive(), REGISTERED_WITHIN)
        return self.is_registered

    async def send_heartbeat(self, metrics: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """How the worker is; it beats by itself, and measures what it tells."""
        status = "heartbeat_updated" if self.is_registered else "not_registered"
        return {"status": status, "success": self.is_registered, "current_streams": len(self.assigned_streams)}

    async def request_streams(self, requested_count: int | None = None) -> list[int]:
        """The numbers of the streams that were given since the last ask; all of them are to be heard.

        The first ask of a life waits until the fleet has decided. The count that is asked for plays no part.
        """
        self._streams.host = asyncio.get_running_loop()
        if self._asked_at is None and self.is_registered:
            await _until(self._streams.has_settled(), FIRST_ANSWER_WITHIN)
        self._asked_at = clock() if self.is_registered else None
        return self._streams.take_new()

    def get_all_assigned_streams(self) -> list[int]:
        """What the host is to hear, as numbers."""
        return self.assigned_streams

    def ownership_of(self, number: int) -> Stream | None:
        """The stream with this number, with its stream_id and epoch for the fence; None when it is not ours."""
        return self._streams.held.get(number)

    async def release_streams(self, stream_ids: Iterable[int | str]) -> bool:
        """Give back what the host has stopped to hear. To give back everything is to leave, until `register`."""
        numbers = {int(each) for each in stream_ids}
        if numbers >= set(self.assigned_streams):
            return await self._leave()
        streams = self._streams.give_back(numbers)
        if streams and self._worker is not None:
            released = self._worker.release([stream.stream_id for stream in streams.values()])
            try:
                await asyncio.wait_for(asyncio.wrap_future(released), TOLD_WITHIN)
            except (psycopg.Error, OSError, RuntimeError) as error:
                logger.warning("nothing was given back instance_id=%s error=%r", self.server_id, redact_error(error))
                self._streams.keep(streams)
                return False
        return True

    async def release_all_streams(self) -> bool:
        """Give back everything and leave."""
        return await self._leave()

    async def health_check(self) -> dict[str, Any]:
        """`status` is healthy while the worker is registered and connected."""
        is_connected = self._worker is not None and self._worker.is_connected
        return {
            "status": "healthy" if self.is_registered and is_connected else "degraded",
            "is_registered": self.is_registered,
            "is_connected": is_connected,
            "assigned_streams": len(self.assigned_streams),
        }

    async def shutdown(self) -> None:
        """Give back everything and leave, once."""
        await self._leave()

    def record_operation_result(self, name: str, ok: bool, error: object = None) -> None:
        """Count what the host did, for the beats; failures are kept for `get_alert_summary`."""
        if self._worker is not None:
            if ok:
                self._worker.processed()
            else:
                self._worker.error()
        if not ok:
            self._failures.append((time.time(), name, redact(str(error or ""))))

    def get_alert_summary(self, hours: float = 24) -> dict[str, Any]:
        """The failures of the host's own operations: how many, by name, and the last one."""
        recent = [each for each in self._failures if each[0] > time.time() - hours * 3600]
        by_name = Counter(name for _, name, _ in recent)
        return {
            "hours": hours,
            "total_alerts": len(recent),
            "alerts_by_type": dict(by_name),
            "last_error": recent[-1][2] if recent else None,
        }

    def _make_worker(self) -> Worker:
        return Worker(
            instance_id=self.server_id,
            max_streams=self.max_streams,
            on_start=self._streams.given,
            on_stop=self._streams.taken,
            **self._options,
        )

    def _work(self, worker: Worker) -> None:
        try:
            worker.run()
        except Exception as error:
            logger.critical("worker ended instance_id=%s error=%r", self.server_id, redact_error(error))
        self._streams.end_host_that_hears_on()

    def _was_there(self) -> bool:
        """Whether the worker was neither cut off nor frozen lately, so that nobody can have counted it as lost."""
        is_unbroken = self._worker is not None and self._worker.unbroken >= THERE_FOR
        return is_unbroken and self._asked_at is not None and clock() - self._asked_at < THERE_FOR

    async def _leave(self) -> bool:
        thread, worker = self._thread, self._worker
        if thread is None or worker is None:
            return True
        self._streams.is_leaving = True
        worker.stop("leave")
        await _until(lambda: not thread.is_alive(), LEFT_WITHIN)
        self._streams.end()
        return not thread.is_alive()


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition, at most so long."""
    end = time.monotonic() + seconds
    # it changes in another thread
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def create_resilient_worker_client(
    orchestrator_url: str,
    server_id: str,
    max_streams: int = 20,
    circuit_failure_threshold: int = 5,
    circuit_recovery_timeout: float = 60,
    retry_max_attempts: int = 3,
    retry_base_delay: float = 1.0,
    *,
    on_streams_taken: OnStreamsTaken | None = None,
    **options: Any,
) -> ResilientWorkerClient:
    """The client of a host. The database is the one of ORCHESTRATOR_DSN, or orchestrator_url when that is a DSN.

    on_streams_taken(numbers), a function or a coroutine function, is called in the host's loop and returns when these
    are not heard any more. Options are those of `Worker` (location, lease, on_isolation, …); what is said of circuits
    and retries is the worker's own.

    Raises:
        ValueError: an http address, and no ORCHESTRATOR_DSN; or on_isolation=stop for a host that cannot stop a stream.
    """
    dsn = os.environ.get("ORCHESTRATOR_DSN") or orchestrator_url
    if dsn.startswith(("http://", "https://")):
        raise ValueError(
            "a worker speaks to the orchestrator's database and not to its HTTP server:"
            " set ORCHESTRATOR_DSN, as in 'host=db.example.org dbname=orchestrator user=fingerv7'"
        )
    options.setdefault("schema", os.environ.get("ORCHESTRATOR_SCHEMA", "orchestrator"))
    return ResilientWorkerClient(dsn, server_id, max_streams, on_streams_taken, **options)
