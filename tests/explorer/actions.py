"""What can be done in a world as it stands, and how often which kind of action is tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from random import Random

from tests.explorer.world import MODES, Step, World

NAMES = ("a", "b", "c")
TRAITS = ((), (), (), ("unable",), ("stops",))
"""Of new processes: most make before break, some cannot, some stop by themselves when they are cut off."""


def _labels(world: World) -> list[str]:
    return [process.label for process in world.processes.values() if process.acts]


def _registered(world: World) -> list[str]:
    return [label for label in _labels(world) if world.processes[label].incarnation is not None]


def _speaking(world: World) -> list[str]:
    return [label for label in _registered(world) if world.processes[label].has_something_to_say]


def _next_label(world: World, name: str) -> str:
    return f"{name}{1 + max((int(p.label[1:]) for p in world.processes.values() if p.name == name), default=0)}"


def _instances(world: World) -> list[str]:
    return list(world.now.instances) if world.now else []


def _streams(world: World) -> list[int]:
    return list(world.now.assignments) if world.now else []


def _new(world: World, dice: Random) -> Iterable[Step]:
    return [
        ("new", _next_label(world, name), takeover, *dice.choice(TRAITS)) for name in NAMES for takeover in (0, 0, 1)
    ]


def _hear(world: World, dice: Random) -> Iterable[Step]:
    return [
        ("hear", p, s) for p in _labels(world) for s in world.processes[p].prepared.keys() - world.processes[p].heard
    ]


def _handlers(action: str, *, prepared: bool) -> Callable[[World, Random], Iterable[Step]]:
    def possible(world: World, dice: Random) -> Iterable[Step]:
        for label in _registered(world):
            process = world.processes[label]
            for stream_id in (*process.held, *(process.prepared if prepared else ())):
                yield action, label, stream_id

    return possible


def _orders(action: str) -> Callable[[World, Random], Iterable[Step]]:
    return lambda world, dice: [(action, name) for name in _instances(world)]


KINDS: dict[str, tuple[int, Callable[[World, Random], Iterable[Step]]]] = {
    # what happens all the time
    "beat": (24, lambda world, dice: [("beat", p) for p in _labels(world)]),
    "acknowledge": (24, lambda world, dice: [("acknowledge", p) for p in _speaking(world)]),
    "fetch": (3, lambda world, dice: [("fetch", p) for p in _registered(world)]),
    "hear": (40, _hear),
    "wait": (8, lambda world, dice: [("wait", seconds) for seconds in (1, 1, 3, 3, 3, 11, 16)]),
    "jobs": (2, lambda world, dice: [("jobs",)]),
    # what is lost or late
    "lose_beat": (8, lambda world, dice: [("beat", p, 0) for p in _labels(world)]),
    "lose_acknowledge": (3, lambda world, dice: [("acknowledge", p, 0) for p in _speaking(world)]),
    "lose_report": (1, lambda world, dice: [("report", p, 0) for p in _registered(world)]),
    "lose_again": (1, lambda world, dice: [("again", p, 0) for p in _labels(world)]),
    "give_up": (
        4,
        lambda world, dice: [
            ("give_up", p, what) for p in _registered(world) for what in ("beat", "acknowledge", "report")
        ],
    ),
    "arrive": (8, lambda world, dice: [("arrive", p.label) for p in world.processes.values() if p.under_way]),
    "silence": (6, lambda world, dice: [("silence", n, how) for n in _instances(world) for how in ("obey", "deaf")]),
    # processes
    "new": (4, _new),
    "again": (1, lambda world, dice: [("again", p) for p in _labels(world)]),
    "report": (1, lambda world, dice: [("report", p) for p in _registered(world)]),
    "fork": (1, lambda world, dice: [("fork", p, _next_label(world, p[0])) for p in _labels(world)]),
    "freeze": (1, lambda world, dice: [("freeze", p) for p in _labels(world)]),
    "wake": (2, lambda world, dice: [("wake", p.label) for p in world.processes.values() if p.alive and p.frozen]),
    "kill": (2, lambda world, dice: [("kill", p) for p in _labels(world)]),
    "leave": (1, lambda world, dice: [("leave", p) for p in _labels(world) if not world.processes[p].leaving]),
    "goodbye": (1, lambda world, dice: [("goodbye", p) for p in _registered(world)]),
    "suspend": (1, lambda world, dice: [("suspend", p) for p in _registered(world)]),
    "fail": (1, _handlers("fail", prepared=True)),
    "give_back": (1, _handlers("give_back", prepared=False)),
    # orders
    "move": (10, lambda world, dice: [("move", s, n) for s in _streams(world) for n in _instances(world)]),
    "drain": (2, _orders("drain")),
    "undrain": (2, _orders("undrain")),
    "remove": (1, _orders("remove")),
    "readmit": (1, _orders("readmit")),
    "capacity": (2, lambda world, dice: [("capacity", n, most) for n in _instances(world) for most in (1, 4)]),
    "pin": (1, lambda world, dice: [("pin", s, n) for s in _streams(world) for n in _instances(world)]),
    "unpin": (1, lambda world, dice: [("unpin", s) for s in _streams(world)]),
    "off": (2, lambda world, dice: [("off", s) for s in _streams(world)]),
    "on": (2, lambda world, dice: [("on", s) for s in _streams(world)]),
    "mode": (1, lambda world, dice: [("mode", mode) for mode in MODES]),
    "rebalance": (1, lambda world, dice: [("rebalance",)]),
    "pause": (1, lambda world, dice: [("pause",)]),
    "resume": (1, lambda world, dice: [("resume",)]),
    # the database
    "clock": (4, lambda world, dice: [("clock", s, how) for s in (-3600, -30, 30, 3600) for how in (0, 1)]),
    "back_up": (6, lambda world, dice: [("back_up",)]),
    "restore": (6, lambda world, dice: [("restore",)] if world.backup is not None else []),
}
"""Each kind of action: how often it is tried, and the steps that it may be now."""


_JOINED: tuple[Step, ...] = (("new", "c1", 0), ("wait", 3), ("beat", "c1"))
_STOPS: tuple[Step, ...] = (("new", "b2", 1, "stops"), ("beat", "b2"), ("acknowledge", "b2"))
BEGINNINGS: tuple[tuple[Step, ...], ...] = (
    (),
    (("pause",),),
    _JOINED,
    (*_STOPS,),
    (*_STOPS, *_JOINED),
    (("new", "c1", 0, "stops"), ("wait", 3)),
)
"""Two instances at rest, perhaps with balancing paused; or a third that has joined, so that streams are on their way to
it; or one of them stops by itself."""
FOCUS = 0.6
"""This part of all steps is about what the step before was about: an instance or a stream."""
_OF_STREAMS = frozenset({"hear", "fail", "give_back", "move", "pin", "unpin", "off", "on"})
_IS_ABOUT = re.compile(rf"[{''.join(NAMES)}]\d*")


def subjects(step: Step) -> set[str | int]:
    """The instances and streams that a step is about."""
    action, *arguments = step
    named = {part[0] for part in arguments if isinstance(part, str) and _IS_ABOUT.fullmatch(part)}
    return {*named, *(part for part in arguments if isinstance(part, int) and action in _OF_STREAMS)}


SWARM = (0.0, 0.2, 1.0, 5.0)
"""In each walk each kind is tried so many times as often as usual: what takes the same rare step twice is found when it
is not rare (swarm testing, Groce et al. 2012)."""
_ALWAYS = ("beat", "acknowledge", "hear", "wait")


def weights(kinds: Collection[str], dice: Random) -> dict[str, float]:
    """How often each kind is tried in one walk."""
    usual = {kind: float(weight) for kind, (weight, _) in KINDS.items() if kind in kinds}
    return {kind: weight * (1 if kind in _ALWAYS else dice.choice(SWARM)) for kind, weight in usual.items()}


def choose(world: World, weights: Mapping[str, float], dice: Random, last: Step | None = None) -> Step:
    """A step, often about what the last one was about. It may still turn out to be impossible."""
    about = subjects(last) if last is not None and dice.random() < FOCUS else set()
    left = {kind: weight for kind, weight in weights.items() if weight}
    while left:
        [kind] = dice.choices(list(left), list(left.values()))
        steps = list(KINDS[kind][1](world, dice))
        if steps := [step for step in steps if not about or subjects(step) & about or not subjects(step)]:
            return dice.choice(steps)
        del left[kind]
    if not about:
        raise LookupError("no step of these kinds is possible")
    return choose(world, weights, dice)
