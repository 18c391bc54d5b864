"""What holds always: one snapshot of the fleet, and the laws over it and over two of them.

Counts, digests, shares and least moves are computed here from the assignment rows alone.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any

from orchestrator.database import db
from orchestrator.names import Names
from tests.properties.reference import least_moves
from tests.support import digest_of, statement

# An instance in one of these states can be given streams, unless an order or a planned absence stands against it.
PLACEABLE = ("registered", "active", "recovering")
_SNAPSHOT = """
select jsonb_build_object(
    'moment', {private}.now(),
    'assignments', (
        select coalesce(jsonb_agg(to_jsonb(a) || jsonb_build_object(
            'fence_passes', {api}.is_current(a.stream_id, a.epoch),
            'old_epoch_passes', {api}.is_current(a.stream_id, a.epoch - 1),
            'next_epoch_passes', {api}.is_current(a.stream_id, a.epoch + 1)
        )), '[]') from {private}.assignment as a
    ),
    'instances', (
        select coalesce(jsonb_agg(to_jsonb(i) || to_jsonb(l)), '[]')
        from {private}.instance as i join {private}.instance_load as l using (instance_id)
    ),
    'requirements', (select coalesce(jsonb_agg(to_jsonb(r)), '[]') from {private}.requirement as r),
    'requirement_loads', (select coalesce(jsonb_agg(to_jsonb(r)), '[]') from {private}.requirement_load as r where r.movable <> 0),
    'refused', (
        select coalesce(jsonb_agg(distinct f.stream_id), '[]') from {private}.refusal as f where f.until > {private}.now()
    ),
    'faulted', (select coalesce(jsonb_agg(f.stream_id), '[]') from {private}.station_fault as f),
    'decisions', (select coalesce(jsonb_agg(to_jsonb(d) order by d.decision_id), '[]') from {private}.decision as d),
    'movements', (select coalesce(jsonb_agg(to_jsonb(m) order by m.stream_id, m.epoch), '[]') from {private}.movement as m),
    'repairs', (
        select coalesce(jsonb_agg(to_jsonb(r)), '[]') from {private}.repair as r where not r.difference ? 'claimed_of_others'
    ),
    'gaps', (select coalesce(jsonb_agg(g.stream_id), '[]') from {private}.open_gap as g),
    'listening', (select coalesce(jsonb_agg(t.stream_id), '[]') from {private}.active_time as t where t.ended_at is null),
    'inactive', (select coalesce(jsonb_agg(s.stream_id), '[]') from {private}.stream as s where not s.active),
    'metrics', (
        select coalesce(jsonb_agg(to_jsonb(c)), '[]') from {private}.metric_count as c
        where c.metric in ('orchestrator_decision_duration_seconds', 'orchestrator_moves_total', 'orchestrator_least_moves_total')
    )
) as snapshot
"""  # noqa: E501  # SQL reads better in whole lines


@dataclass(frozen=True)
class Snapshot:
    """The whole record at one moment. Rows are as the tables have them."""

    moment: datetime
    assignments: Mapping[int, Mapping[str, Any]]
    instances: Mapping[str, Mapping[str, Any]]
    requirements: Mapping[int, Mapping[str, Any]]
    movable: Mapping[tuple[str, int], int]
    refused: frozenset[int]
    faulted: frozenset[int]
    inactive: frozenset[int]
    gaps: frozenset[int]
    """Streams that nobody is known to hear."""
    listening: frozenset[int]
    """Streams that should be heard."""
    repairs: tuple[Mapping[str, Any], ...]
    """Without those of streams that an instance claimed of others."""
    decisions: Mapping[int, Mapping[str, Any]]
    movements: tuple[Mapping[str, Any], ...]
    measured: Mapping[tuple[str, str], Mapping[str, Any]]
    """What decisions have counted, by metric and rule."""

    @property
    def placeable(self) -> dict[str, Mapping[str, Any]]:
        return {
            name: row
            for name, row in self.instances.items()
            if row["status"] in PLACEABLE and row["standing_order"] is None and row["suspended_until"] is None
        }

    @property
    def trusted(self) -> dict[str, Mapping[str, Any]]:
        """Those that are placeable and not on probation: the others get only what no other has room for."""
        return {name: row for name, row in self.placeable.items() if row["probation_until"] is None}


def look(conn: db.Connection) -> Snapshot:
    conn.prepare_threshold = 0  # planned once: a module looks thousands of times
    [row] = conn.execute(_snapshot(conn.names)).fetchall()
    conn.prepare_threshold = None
    found = row["snapshot"]
    return Snapshot(
        moment=datetime.fromisoformat(found["moment"]),
        assignments={a["stream_id"]: a for a in sorted(found["assignments"], key=lambda a: a["stream_id"])},
        instances={i["instance_id"]: i for i in sorted(found["instances"], key=lambda i: i["instance_id"])},
        requirements={r["requirement_id"]: r for r in found["requirements"]},
        movable={(r["instance_id"], r["requirement_id"]): r["movable"] for r in found["requirement_loads"]},
        refused=frozenset(found["refused"]),
        faulted=frozenset(found["faulted"]),
        inactive=frozenset(found["inactive"]),
        gaps=frozenset(found["gaps"]),
        listening=frozenset(found["listening"]),
        repairs=tuple(found["repairs"]),
        decisions={d["decision_id"]: d for d in found["decisions"]},
        movements=tuple(found["movements"]),
        measured={(m["metric"], m["label"]): m for m in found["metrics"]},
    )


@cache
def _snapshot(names: Names) -> bytes:
    return statement(_SNAPSHOT, names).as_bytes(None)


def check_now(now: Snapshot) -> None:
    """The laws of one moment."""
    check_counts(now)
    check_fence(now)
    check_preparations(now)
    check_chains(now)
    check_sums(now)
    check_measured(now)
    check_coverage(now)


def check_coverage(now: Snapshot) -> None:
    """What should be heard is accounted for: a stream that waits or whose owner is gone has a gap."""
    assert now.listening == {stream_id for stream_id, a in now.assignments.items() if a["state"] != "idle"}
    assert now.gaps <= now.listening
    for stream_id, a in now.assignments.items():
        if a["state"] == "waiting" or now.instances.get(a["instance_id"], {}).get("is_living") is False:
            assert stream_id in now.gaps, a


def check_sums(now: Snapshot) -> None:
    """Who is gone has nothing, and no decision moves less than it must."""
    for name, row in now.instances.items():
        if row["status"] in ("inactive", "removed"):
            assert row["incoming"] == row["outgoing"] == 0, name
        if row["status"] == "removed":
            assert row["owned"] == 0, name
    for m in now.movements:
        # no stream moves while only its owner could have it
        if m["to_instance_id"] is None:
            d = now.decisions[m["decision_id"]]
            assert d["trigger"] != "watch_instances" or d["rule"] == "forgotten", (m, d)
    for d in now.decisions.values():
        assert d["moves"] >= d["least_moves"], d


def check_measured(now: Snapshot) -> None:
    """The counters of decisions equal the record (R6.4)."""
    expected = Counter[tuple[str, str]]()
    for d in now.decisions.values():
        if d["duration"] is None:
            continue  # what a test has made up
        expected["orchestrator_decision_duration_seconds", d["rule"]] += 1
        expected["orchestrator_moves_total", d["rule"]] += d["moves"]
        expected["orchestrator_least_moves_total", d["rule"]] += d["least_moves"]
    measured = {key: sum(m["counts"]) if m["counts"] else m["value"] for key, m in now.measured.items()}
    assert Counter(measured) == expected


def check_fence(now: Snapshot) -> None:
    """The fence lets the present epoch of a stream with an owner through, and nothing else."""
    for a in now.assignments.values():
        assert a["fence_passes"] is (a["instance_id"] is not None), a
        # also the one under which its owner runs it, until it has adopted the present one
        assert not a["old_epoch_passes"] or a["adopted_from"] == a["epoch"] - 1, a
        assert not a["next_epoch_passes"], a
        assert (a["state"] == "idle") == (a["stream_id"] in now.inactive), a


def check_preparations(now: Snapshot) -> None:
    """What an instance prepares has another owner, which goes on."""
    for a in now.assignments.values():
        if a["releasing_since"] is not None and a["make_before_break"]:
            assert a["state"] == "releasing" and a["fence_passes"], a
            assert None is not a["next_instance_id"] != a["instance_id"], a


def check_counts(now: Snapshot) -> None:
    """Counters and digests equal a recount."""
    owned, incoming, outgoing = Counter[str](), Counter[str](), Counter[str]()
    movable = Counter[tuple[str, int]]()
    running = defaultdict[str, list[tuple[int, int]]](list)
    for a in now.assignments.values():
        owner, heir = a["instance_id"], a["next_instance_id"]
        if owner is not None:
            owned[owner] += 1
            outgoing[owner] += heir is not None
            if heir is None:
                running[owner].append((a["stream_id"], a["epoch"]))
                if a["pinned_to"] is None:
                    movable[owner, a["requirement_id"]] += 1
        if heir is not None:
            incoming[heir] += 1
    for name, row in now.instances.items():
        counted = (row["owned"], row["incoming"], row["outgoing"], row["digest"])
        assert counted == (owned[name], incoming[name], outgoing[name], digest_of(running[name])), name
    assert dict(now.movable) == dict(movable)


def check_chains(now: Snapshot) -> None:
    """Each stream's movements are one chain of hands that ends with its owner; none without its decision."""
    holder: dict[int, str | None] = {}
    for m in now.movements:
        assert m["decision_id"] in now.decisions, m
        assert m["from_instance_id"] == holder.get(m["stream_id"]), (m, holder.get(m["stream_id"]))
        assert m["from_instance_id"] != m["to_instance_id"], m
        holder[m["stream_id"]] = m["to_instance_id"]
    for stream_id, a in now.assignments.items():
        assert holder.get(stream_id) == a["instance_id"], (stream_id, holder.get(stream_id), a)


def check_step(before: Snapshot, after: Snapshot) -> None:
    """The laws between two moments."""
    for stream_id, a in after.assignments.items():
        was = before.assignments.get(stream_id)
        if was is not None:
            assert a["epoch"] >= was["epoch"], (was, a)
            if stream_id in before.faulted and a["decision_id"] != was["decision_id"]:
                # what is its station's own fault is not moved for it
                assert after.decisions[a["decision_id"]]["rule"] not in ("failing stream", "stalled stream"), a
            if a["instance_id"] != was["instance_id"]:
                assert a["epoch"] > was["epoch"], (was, a)
            if a["state"] == "waiting" and was["state"] == "releasing" and was["make_before_break"]:
                # a planned move leaves no stream without an owner; the one that had it has ended, or has given it back
                owner, ended = before.instances[was["instance_id"]], after.instances[was["instance_id"]]
                assert (
                    ended["status"] in ("inactive", "removed")
                    or ended["incarnation"] > owner["incarnation"]
                    or after.decisions[a["decision_id"]]["rule"] == "released"
                ), (was, a)
    for name, row in after.instances.items():
        promised = row["owned"] + row["incoming"]
        known = before.instances.get(name)
        # capacity may be lowered below what is held or on its way; nothing more comes then
        allowed = max(row["max_streams"], known["owned"] + known["incoming"] if known else 0)
        assert promised <= allowed, (name, promised, allowed)
        assert known is None or row["incarnation"] >= known["incarnation"], name
        if known is not None and name not in before.placeable and name not in after.placeable:
            assert promised <= known["owned"] + known["incoming"], f"{name} is not to be given streams"


def destinations(now: Snapshot) -> dict[int, str | None]:
    """Where each stream is, or is going to be when its hand-over is done."""
    return {stream_id: a["next_instance_id"] or a["instance_id"] for stream_id, a in now.assignments.items()}


def destinations_at_decision(before: Snapshot, after: Snapshot) -> dict[int, str | None]:
    """Where each stream was going to be when the decision was made: without hand-overs from or to who leaves."""
    where = destinations(before)
    # a late instance keeps what it was promised
    leaving = {
        name
        for name in before.placeable.keys() - after.placeable.keys()
        if after.instances[name]["status"] != "warning"
    }
    for stream_id, a in before.assignments.items():
        now = after.assignments.get(stream_id)
        called_off = now is not None and now["instance_id"] == a["instance_id"] and now["state"] != "releasing"
        ended = a["instance_id"] is not None and after.instances[a["instance_id"]]["status"] in ("inactive", "removed")
        if a["next_instance_id"] in leaving or ended or called_off:
            where[stream_id] = a["instance_id"]
    return where


def check_decision(before: Snapshot, after: Snapshot, *, least: bool) -> None:
    """The one decision made between two moments counts its moves truly; if `least`, it made no more than needed."""
    (decision_id,) = after.decisions.keys() - before.decisions.keys()
    decision = after.decisions[decision_id]
    was, now = destinations_at_decision(before, after), destinations(after)
    load_before = Counter(name for name in was.values() if name is not None)
    load_after = Counter(name for name in now.values() if name is not None)
    fewest = least_moves(load_before, load_after)
    assert decision["least_moves"] == fewest, (decision, load_before, load_after)
    moved = [s for s in was.keys() | now.keys() if was.get(s) != now.get(s)]
    assert decision["moves"] >= len(moved), (decision, moved)
    if least:
        assert decision["moves"] == fewest, (decision, load_before, load_after)


def fair_share(now: Snapshot) -> dict[str, Fraction]:
    """Each instance's capacity-proportional part of all that placeable instances have, in streams."""
    placeable = now.trusted
    capacity = sum(row["max_streams"] for row in placeable.values())
    total = sum(row["owned"] for row in placeable.values())
    return {name: Fraction(total * row["max_streams"], capacity) for name, row in placeable.items()}


def check_fair(now: Snapshot, most: int) -> None:
    """Every instance within `most` streams of its fair share (R1.4), where there is room for all."""
    placeable = now.trusted.values()
    if sum(row["owned"] for row in placeable) > sum(row["max_streams"] for row in placeable):
        return  # what no other can have stays with an instance that had more than it may have now
    for name, share in fair_share(now).items():
        owned = now.instances[name]["owned"]
        assert abs(owned - share) <= most, (name, owned, float(share))


def check_settled(now: Snapshot) -> None:
    """Nothing is on its way, and nothing waits that an instance could have."""
    assert not [a for a in now.assignments.values() if a["state"] == "releasing"]
    room = {name: row["max_streams"] - row["owned"] for name, row in now.placeable.items()}
    for a in now.assignments.values():
        lost = a["instance_id"] is not None and now.instances[a["instance_id"]]["status"] == "inactive"
        if a["state"] == "waiting" or lost:
            assert not _could_have(now, a), (a, room)
            assert not _could_make_room(now, a), (a, room)
        if (
            a["state"] != "idle"
            and a["pinned_to"] != a["instance_id"]
            and a["pinned_to"] in _could_have(now, a, lives=True)
        ):
            raise AssertionError(f"stream {a['stream_id']} could go home: {a}")
    for name, row in now.instances.items():
        # what no other can have, a draining or overfull instance keeps listening to
        if row["owned"] > (0 if row["status"] == "draining" else row["max_streams"]):
            owned = [a for a in now.assignments.values() if a["instance_id"] == name]
            assert not any(_could_have(now, a, lives=True) for a in owned), (name, room)


def _could_have(now: Snapshot, assignment: Mapping[str, Any], *, lives: bool = False) -> list[str]:
    """Who has room and ability for a stream that none has refused; `lives`: it has an owner that does."""
    if assignment["stream_id"] in now.refused:
        return []
    needed = set(now.requirements[assignment["requirement_id"]]["capabilities"])
    return [
        name
        for name, row in (now.trusted if lives else now.placeable).items()
        if needed <= set(row["capabilities"]) and row["owned"] < row["max_streams"]
    ]


def _could_make_room(now: Snapshot, waiting: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Streams that anybody could have, on the instances that alone could have this one, while others have room."""
    needed = set(now.requirements[waiting["requirement_id"]]["capabilities"])
    able = [name for name, row in now.trusted.items() if needed <= set(row["capabilities"])]
    free = [n for n, row in now.trusted.items() if n not in able and row["owned"] < row["max_streams"]]
    if waiting["stream_id"] in now.refused or not free:
        return []
    return [
        a
        for a in now.assignments.values()
        if a["instance_id"] in able
        and a["pinned_to"] is None
        and a["stream_id"] not in now.refused
        and not now.requirements[a["requirement_id"]]["capabilities"]
    ]
