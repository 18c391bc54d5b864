"""Puts a program into the fleet: streams are started and stopped as the orchestrator decides.

A handler runs per stream; `Worker` keeps the set of running handlers equal to what the database says. Read `worker`
(the face), `protocol` (the steps), `departure` (leaving), `assignments` and `supervisor` (the handlers), `calls` and
`connection`; `many` is for many workers in one process, `resilient_worker_client` and `host_streams` for hosts that
were written for an older client.
"""

from worker_shim.connection import Refused
from worker_shim.context import Context, Stop
from worker_shim.many import run_workers, run_workers_async
from worker_shim.stream import Stream
from worker_shim.worker import Worker

__all__ = ["Context", "Refused", "Stop", "Stream", "Worker", "run_workers", "run_workers_async"]
