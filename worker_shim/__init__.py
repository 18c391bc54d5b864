"""Puts a program into the fleet: streams are started and stopped as the orchestrator decides.

A handler runs per stream; `Worker` keeps the set of running handlers equal to what the database says. Read
`client` (the protocol), `caller` and `listener` (calls, the connection), `supervisor` (the handlers) and `patience`;
`together` is for many workers in one process.
"""

from worker_shim.client import Worker
from worker_shim.context import Context, Stop
from worker_shim.listener import Refused
from worker_shim.stream import Stream
from worker_shim.together import run_workers, run_workers_async

__all__ = ["Context", "Refused", "Stop", "Stream", "Worker", "run_workers", "run_workers_async"]
