"""What the jobs did: one answer of run_next_job, and what the log says of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from orchestrator.logs.log import Category, get_logger

ERROR = get_logger("ERROR")
PERF = get_logger("PERF")

JOB_CATEGORIES: Mapping[str, Category] = {
    "watch_instances": "INSTANCE",
    "settle": "BALANCE",
    "check_balance": "BALANCE",
    "watch_recovery": "BALANCE",
    "finish_handoffs": "STREAM",
    "sync_source": "STREAM",
}
"""The log category of what a job did; DATABASE for the others, which keep the house."""


@dataclass(frozen=True)
class JobRun:
    """One answer of run_next_job. `job` is None when nothing is due; then only `next_due_in` counts."""

    job: str | None
    job_run_id: int | None
    outcome: str | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    duration: timedelta | None
    next_due_in: timedelta | None
    event_id: UUID | None
    """What ties its log lines, decisions and alerts together; None when nothing was done."""


@dataclass
class Performance:
    """What this driver did since it last told."""

    since: float = field(default_factory=time.monotonic)
    runs: int = 0
    did_something: int = 0
    failed: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    longest_job: str | None = None

    def add(self, run: JobRun, seconds: float) -> None:
        self.runs += 1
        self.did_something += run.outcome in ("done", "claimed")
        self.failed += run.outcome == "failed"
        self.seconds += seconds
        if seconds > self.longest_seconds:
            self.longest_seconds, self.longest_job = seconds, run.job

    def tell(self) -> None:
        PERF.info(
            "jobs",
            runs=self.runs,
            did_something=self.did_something,
            failed=self.failed,
            mean_ms=round(1000 * self.seconds / self.runs, 2) if self.runs else None,
            longest_ms=round(1000 * self.longest_seconds, 2),
            longest_job=self.longest_job,
            over_seconds=round(time.monotonic() - self.since, 1),
        )


def report(run: JobRun) -> None:
    """Log what a job did, in the category of its subject; a job that found nothing to do is not worth a line."""
    assert run.job is not None
    duration_ms = round(1000 * run.duration.total_seconds(), 1) if run.duration is not None else None
    event_id = str(run.event_id) if run.event_id is not None else None
    if run.outcome == "failed":
        ERROR.error("job failed", job=run.job, event_id=event_id, **flattened(run.error or {}), duration_ms=duration_ms)
        return
    log = get_logger(JOB_CATEGORIES.get(run.job, "DATABASE"))
    tell = log.info if run.outcome == "done" else log.debug
    said = flattened(run.result or {})
    tell("job", job=run.job, outcome=run.outcome, event_id=event_id, **said, duration_ms=duration_ms)


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as one: {"lost": {"instances": 1}} is {"lost_instances": 1}; lists of words as words with commas.

    A key that the log line has already gets a prefix of its own.
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{name}_")
        else:
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                value = ",".join(value)
            flat[f"result_{name}" if name in _KEYS_OF_A_LINE else name] = value
    return flat


_KEYS_OF_A_LINE = frozenset({"event", "job", "outcome", "duration_ms", "event_id", "timestamp", "level", "category"})
