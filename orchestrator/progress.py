"""How long work says how far it is, to whoever wants to know."""

from collections.abc import Callable

Tell = Callable[[int, int | None], None]
"""Called with how much is done, and of how much (None: nobody knows)."""


def to_nobody(_done: int, _total: int | None) -> None:
    pass
