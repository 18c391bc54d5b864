"""The jobs that need the outside world: reading sources and their witnesses, delivering alerts, telling Redis."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from orchestrator.alerts.delivery import Delivery
from orchestrator.database import db
from orchestrator.database.retry import RETRIED, Round, attempt
from orchestrator.driver.job_runs import JobRun
from orchestrator.driver.redis_signs import RedisSigns
from orchestrator.driver.trouble import described, logged
from orchestrator.errors import OrchestratorError, UnknownName
from orchestrator.logs.log import get_logger
from orchestrator.redact import redact

ERROR = get_logger("ERROR")


class OutsideJobs:
    """Runs claimed jobs, each in the thread that calls, on connections of their own."""

    def __init__(
        self,
        *,
        connect: Callable[[str], db.Connection],
        environment: Mapping[str, str],
        delivery: Delivery,
        redis_signs: RedisSigns,
        note_failure: Callable[[OrchestratorError], None],
    ) -> None:
        """`connect` makes a connection for a purpose; `note_failure` hears of a result that could not be handed in."""
        self._connect = connect
        self._environment = environment
        self._delivery = delivery
        self._redis_signs = redis_signs
        self._note_failure = note_failure

    def run(self, run: JobRun) -> None:
        """Run a claimed job in this thread, on a connection of its own, and hand in its result.

        A result that cannot be handed in is lost with its claim, which runs out; then the job is due again.
        """
        assert run.job is not None
        attempt.set(1)  # a thread begins with what its starter was at
        structlog.contextvars.bind_contextvars(event_id=str(run.event_id))
        result: dict[str, Any] | None = None
        error: dict[str, Any] | None = None
        try:
            with logged("finish_job", job=run.job, job_run_id=run.job_run_id):
                with self._connect(run.job) as conn:
                    try:
                        with logged(run.job):
                            result = self._do(run, conn)
                    except OrchestratorError as failure:
                        error = described(failure)
                    except Exception as failure:  # a bug in one job must not end a driver
                        ERROR.exception("job failed", job=run.job)
                        error = {"message": redact(f"{type(failure).__name__}: {failure}")}
                    if not conn.closed:
                        with suppress(*RETRIED):
                            _finish(conn, run, error, result)
                            return
                Round().run(self._finish_on_another_connection, run, error, result)
        except OrchestratorError as failure:
            self._note_failure(failure)

    def _do(self, run: JobRun, conn: db.Connection) -> dict[str, Any] | None:
        """What a job does in the outside world, and returns as its result (None: nothing to do)."""
        from orchestrator.sources.sync import sync_due
        from orchestrator.sources.witnesses import read_witnesses

        if run.job == "sync_source":
            results = sync_due(conn, environment=self._environment, event_id=run.event_id)
            return {"sources": [result.as_dict() for result in results]} if results else None
        if run.job == "deliver_alerts":
            return self._delivery.deliver(conn)
        if run.job == "read_witnesses":
            return read_witnesses(conn, environment=self._environment)
        if run.job == "write_redis":
            return self._redis_signs.write(conn)
        raise UnknownName(
            f"this driver does not know the job {run.job}",
            hint="the database is newer than this program: upgrade it, or disable the job",
        )

    def _finish_on_another_connection(
        self, run: JobRun, error: dict[str, Any] | None, result: dict[str, Any] | None
    ) -> None:
        with self._connect("finish_job") as conn:
            _finish(conn, run, error, result)


def _finish(conn: db.Connection, run: JobRun, error: dict[str, Any] | None, result: dict[str, Any] | None) -> None:
    db.call(conn, "finish_job", job_run_id=run.job_run_id, error=error, result=result)
