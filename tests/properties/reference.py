"""The rules said a second time, in exact arithmetic and without the database, to hold the SQL against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

# Nearer to a whole number than this, a share is that number: weights are floats.
NOISE = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class Place:
    """One instance as the sharing sees it: streams are counted."""

    weight: float
    lower: int
    upper: int
    held: int


def fair_shares(total: int, places: Sequence[Place]) -> list[Fraction]:
    """clamp(level × weight, lower, upper) for each, at the one level where they add up to the total (water-filling)."""
    wanted = min(max(total, sum(p.lower for p in places)), sum(p.upper for p in places))
    weights = [Fraction(p.weight) for p in places]

    def filled(level: Fraction) -> list[Fraction]:
        return [min(max(level * w, Fraction(p.lower)), Fraction(p.upper)) for w, p in zip(weights, places, strict=True)]

    if not places:
        return []
    levels = sorted({bound / w for w, p in zip(weights, places, strict=True) for bound in (p.lower, p.upper)})
    low, high = 0, len(levels) - 1  # the wanted level lies between two of these
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sum(filled(levels[middle])) <= wanted else (low, middle)
    below = sum(filled(levels[low]))
    slope = sum(
        (
            w
            for w, p in zip(weights, places, strict=True)
            if p.lower <= levels[low] * w < p.upper and levels[low] < levels[high]
        ),
        Fraction(0),
    )
    return filled(levels[high] if not slope else min(levels[low] + (wanted - below) / slope, levels[high]))


def least_distance(shares: Sequence[Fraction], places: Sequence[Place]) -> int:
    """The least Σ|target − held| of all ways to round the shares up or down to whole numbers with the same sum."""
    floors = [floor(share + NOISE) for share in shares]
    broken = [abs(share - round(share)) > NOISE for share in shares]
    extras = round(sum(shares)) - sum(floors)
    distance = sum(abs(f - p.held) for f, p in zip(floors, places, strict=True))
    # one more here: a stream less to move where more are held, one more where not
    costs = sorted(-1 if p.held > f else 1 for f, p, b in zip(floors, places, broken, strict=True) if b)
    assert 0 <= extras <= len(costs)
    return distance + sum(costs[:extras])


def least_moves(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """The fewest streams that have to change places to turn these loads into those.

    A move takes one stream from one place and adds one to another; streams that come from nowhere or go nowhere are
    moves of one side only.
    """
    changes = [after.get(name, 0) - before.get(name, 0) for name in {*before, *after}]
    return max(sum(c for c in changes if c > 0), sum(-c for c in changes if c < 0))
