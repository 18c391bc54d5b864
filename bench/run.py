"""Measuring several parts in one run."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from itertools import repeat
from multiprocessing import get_context
from typing import Any, cast

from bench.part import Part
from bench.report import progress


def measure_all(names: Sequence[str], quick: bool) -> Iterator[tuple[float, dict[str, Any]]]:
    """The load average before each part and its figures: one after the other, but when quick as many at once as there
    are processors, for then nothing is quoted."""
    if not quick:
        yield from (_measure(name, quick) for name in names)
        return
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        yield from pool.map(_measure, names, repeat(quick))


def _measure(name: str, quick: bool) -> tuple[float, dict[str, Any]]:
    progress(f"{name} …")
    return os.getloadavg()[0], cast(Part, import_module(f"bench.{name}")).measure(quick)
