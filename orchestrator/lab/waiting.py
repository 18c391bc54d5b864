"""Waiting for what others do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], *, seconds: float = 60.0, what: str = "", every: float = 0.05) -> T:
    """What the condition returns once it is true.

    Raises:
        TimeoutError: it was not true within so many seconds.
    """
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:g} s it was still not so: {what or condition}")
        time.sleep(every)
    return found
