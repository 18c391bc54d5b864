"""The server's clock, compared with one of this machine that does not step.

What both say is bounded by the round trip between them (F. Cristian, "Probabilistic clock synchronization", 1989), so a
slow answer or a process that was stopped for a while is never taken for a step. The readings of one driver are compared
with its own alone.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.database import db
from orchestrator.logs.log import get_logger

SMALLEST_STEP_SECONDS = 1.0  # what time servers correct by a step or faster than that; less harms nobody
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps, where there is one

DATABASE = get_logger("DATABASE")


def steady_seconds() -> float:
    """Seconds by a clock that is never set; from when on does not matter."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True)
class Reading:
    """What the server's clock said, between two moments of the steady clock (seconds)."""

    clock: datetime
    stepped: timedelta
    """All steps that the database knows of, added up."""
    asked: float
    answered: float


def step_between(before: Reading, after: Reading) -> float:
    """By how many seconds the server's clock has stepped at least, and nobody has said so; 0 when the readings agree.

    What others have recorded meanwhile may be this step or one from before the first reading: what is smaller is new.
    """
    shortest, longest = after.asked - before.answered, after.answered - before.asked
    passed = (after.clock - before.clock).total_seconds()
    recorded = (after.stepped - before.stepped).total_seconds()
    unexplained = (each - min(max(each, shortest), longest) for each in (passed, passed - recorded))
    return min(unexplained, key=abs)


class ServerClock:
    """Watches the clock of one database, over any number of connections."""

    def __init__(self, driver: str) -> None:
        self._driver = driver
        self._last: Reading | None = None

    async def compare(self, conn: db.AsyncConnection) -> datetime:
        """What the server's clock says now. A step since the last comparison has been recorded when this returns."""
        reading = await self._read(conn)
        while self._last is not None:
            step = step_between(self._last, reading)
            if abs(step) < SMALLEST_STEP_SECONDS:
                break
            within = reading.answered - self._last.asked
            [row] = await db.call_async(
                conn,
                "record_clock_step",
                step=timedelta(seconds=step),
                within=timedelta(seconds=within),
                stepped=reading.stepped,
                driver=self._driver,
            )
            if row["recorded"]:
                DATABASE.warning("server clock stepped", seconds=round(step, 3), within_seconds=round(within, 3))
            reading = await self._read(conn)
        self._last = reading
        return reading.clock

    async def _read(self, conn: db.AsyncConnection) -> Reading:
        asked = steady_seconds()
        [row] = await db.call_async(conn, "read_clock")
        return Reading(row["clock"], row["stepped"], asked, steady_seconds())
