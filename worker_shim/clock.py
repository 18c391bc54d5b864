"""The clock of a worker."""

import time


def clock() -> float:
    """Seconds on a clock that never jumps and, where the system has one, goes on while the machine sleeps.

    The lease is counted on it: the database's time passes during a suspend, so ours must too.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
