"""Bringing alerts to their targets, all targets at once and each one message at a time."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from orchestrator.alerts.targets import LOG_TARGET, Answer, LogTarget, Target, targets_of
from orchestrator.database import db
from orchestrator.database.retry import Round, log_breaker
from orchestrator.errors import OrchestratorError
from orchestrator.logs import log

WAIT_SECONDS = 3.0
"""A run of the job waits for so long; a target that takes longer to answer holds no other up."""

MOST_TARGETS = 32
"""So many targets are told at the same time."""

ERROR = log.get_logger("ERROR")


class Delivery:
    """What is claimed is told within two minutes or counts as lost: it may have arrived, and is not sent twice. So
    its end is recorded again and again for nearly that long, also while the database is away."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        fleet: str,
        driver: str,
        connect: Callable[[], db.Connection],
        network_timeout: Callable[[], float],
    ) -> None:
        self._environment = environment
        self._fleet = fleet
        self._driver = driver
        self._connect = connect
        self._network_timeout = network_timeout
        self._pool = ThreadPoolExecutor(MOST_TARGETS, thread_name_prefix="alerts")
        self._loading: Future[dict[str, Target]] | None = None
        self._busy: dict[str, Future[None]] = {}
        self._failures: dict[str, int] = {}
        self._lock = threading.Lock()
        self._told = {"sent": 0, "refused": 0, "unknown": 0}

    def _load(self) -> dict[str, Target]:
        usable, unusable = targets_of(self._environment)
        for name, error in unusable.items():
            told = {"message": error.message, "detail": error.detail, "hint": error.hint}
            ERROR.error("alert target cannot be used", target=name, **told)
        return usable

    def _reachable(self, within: float) -> dict[str, Target]:
        """What is known after so many seconds: apprise knows a hundred services, and may take seconds to start."""
        if self._loading is None:
            self._loading = self._pool.submit(self._load)
        wait([self._loading], within)
        return self._loading.result() if self._loading.done() else {LOG_TARGET: LogTarget()}

    def deliver(self, conn: db.Connection) -> dict[str, Any] | None:
        """Begin what is due. Returns how many events were sent, refused (they will be sent again) or sent without an
        answer since the last time, and the targets that have not answered yet."""
        for within in (0.1, WAIT_SECONDS):  # the log does not wait for the others
            is_loaded = self._loading is not None and self._loading.done()
            targets = self._reachable(within)
            free = [name for name in targets if name not in self._busy or self._busy[name].done()]
            while free:
                events = db.call(conn, "claim_alert_deliveries", targets=free, driver=self._driver)
                if not events:
                    break
                name = events[0]["target"]
                free.remove(name)
                self._busy[name] = self._pool.submit(self._tell, name, targets[name], events)
            if is_loaded:
                break
        wait(self._busy.values(), WAIT_SECONDS)
        with self._lock:
            result: dict[str, Any] = {outcome: count for outcome, count in self._told.items() if count}
            self._told = dict.fromkeys(self._told, 0)
        if waiting := [name for name, future in self._busy.items() if not future.done()]:
            result["waiting_for"] = waiting
        return result or None

    def close(self) -> None:
        """Wait for the answers that are still to come."""
        self._pool.shutdown()

    def _tell(self, name: str, target: Target, events: Sequence[db.Row]) -> None:
        try:
            answer = target.send(self._fleet, events, network_timeout=self._network_timeout())
        except Exception as failure:  # a bug in one way of sending must not keep the others from theirs
            ERROR.exception("alert not sent", target=name)
            answer = Answer("unknown", type(failure).__name__)
        if answer.outcome != "sent":
            ERROR.warning("alert not delivered", target=name, outcome=answer.outcome, answer=answer.words)
        try:
            Round(within=100).run(self._finish, name, answer)
        except OrchestratorError as error:
            ERROR.error("delivery not recorded", target=name, outcome=answer.outcome, message=error.message)
        with self._lock:
            self._told[answer.outcome] += len(events)

    def _finish(self, name: str, answer: Answer) -> None:
        error = None if answer.outcome == "sent" else {"message": answer.words}
        with self._connect() as conn:
            [end] = db.call(
                conn,
                "finish_alert_delivery",
                target=name,
                driver=self._driver,
                error=error,
                unknown=answer.outcome == "unknown",
            )
        failures = end["consecutive_failures"]
        log_breaker(f"alert target {name}", failures=failures, failures_before=self._failures.get(name, 0))
        self._failures[name] = failures
