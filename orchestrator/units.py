"""The words for units of time, and how long something took in its largest unit and the next smaller one."""

from itertools import pairwise

UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
"""Each unit with its seconds, the largest first."""


def in_units(seconds: int, *, with_zero: bool = False) -> str:
    """125 is 2 min 5 s, 7200 is 2 h or, `with_zero`, 2 h 0 min. Less than a minute is only seconds.

    >>> in_units(93784), in_units(7200), in_units(7200, with_zero=True), in_units(59)
    ('1 d 2 h', '2 h', '2 h 0 min', '59 s')
    """
    for (unit, size), (lesser_unit, lesser_size) in pairwise(UNITS):
        if seconds >= size:
            lesser = seconds % size // lesser_size
            return f"{seconds // size} {unit}" + (f" {lesser} {lesser_unit}" if lesser or with_zero else "")
    return f"{seconds} s"
