"""When a worker beats, and what the answer to a beat says beside the commands."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Sequence

from worker_shim.calls import Row
from worker_shim.clock import clock

logger = logging.getLogger("worker_shim")

CHECK_AFTER = 1.0  # seconds from a repair to the beat that shows whether it was all
KNOWN_ACTIONS = {"add", "adopt", "remove", "prepare", "standby", "standby_end", "restart", "notice"}


class Beats:
    """The moment of the next beat, from the interval that the database wants and from the worker's own limits."""

    def __init__(self, lease: float | None, poll_interval: float) -> None:
        self.due = 0.0
        self.interval = 30.0  # until register_instance says otherwise
        self.spread_next = False  # whether the next beat is to come at a random moment of its interval
        self._lease = lease
        self._poll_interval = poll_interval
        self._within = math.inf  # seconds in which the database wants to hear the next beat
        self._no_driver = False
        self._unknown_actions: set[str] = set()

    def at_once(self) -> None:
        """Beat before anything else."""
        self.due = 0.0

    def check_soon(self, planned: float = math.inf) -> None:
        """Beat soon after a repair, to see whether it was all; not later than planned."""
        self.due = min(planned, clock() + CHECK_AFTER)

    def until_next(self, *, polls: bool, leaves: bool) -> float:
        """Seconds between a beat and the next, when nothing happens."""
        interval = min(self.interval, self._within)
        if self._lease is not None:
            interval = min(interval, self._lease / 4)
        if leaves:
            interval = min(interval, CHECK_AFTER)
        if polls:
            interval = min(interval, self._poll_interval)
        # a fleet that was started together does not beat together
        earliest, self.spread_next = 0.0 if self.spread_next else 0.9, False
        return interval * random.uniform(earliest, 1.0)

    def heed(self, answer: Sequence[Row]) -> None:
        """Follow the notices in a beat's answer."""
        no_driver = False
        self._within = math.inf
        for row in answer:
            action, said = row["action"], row["metadata"] or {}
            if action == "notice":
                if said.get("heartbeat_interval") not in (None, self.interval):
                    self.interval = float(said["heartbeat_interval"])
                    self.spread_next = True  # a fleet that is told together must not beat together
                    logger.info("heartbeat_interval=%s", self.interval)
                self._within = float(said.get("next_beat_in", math.inf))
                no_driver = "no_driver_for" in said
                if no_driver and not self._no_driver:
                    logger.critical("no driver runs the orchestrator's jobs overdue_for=%.0f", said["no_driver_for"])
            elif action not in KNOWN_ACTIONS | self._unknown_actions:
                self._unknown_actions.add(action)
                logger.warning("ignoring an action that this version does not know action=%s", action)
        if self._no_driver and not no_driver:
            logger.info("the orchestrator's jobs run again")
        self._no_driver = no_driver
