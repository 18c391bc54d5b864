"""How long work says how far it is."""

from collections.abc import Callable

Tell = Callable[[int, int | None], None]
"""Called with how much is done, and of how much (None: unknown)."""


def to_nobody(_done: int, _total: int | None) -> None:
    pass
