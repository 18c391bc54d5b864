"""Plausible mistakes, planted into the installed SQL one at a time, to show that the explorer finds each.

A fault is a piece of one function's text in place of another. Where the function does not have that text any more it is
an error: the fault is to be planted anew where the rule stands now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.explorer.ground import Ground


@dataclass(frozen=True)
class Edit:
    """In the one function of this name this piece of text is another."""

    function: str
    old: str
    new: str


def _fault(name: str, *edits: str) -> tuple[str, list[Edit]]:
    return name, [Edit(*edits[at : at + 3]) for at in range(0, len(edits), 3)]


FAULTS: dict[str, list[Edit]] = dict(
    [
        # assignments
        _fault(
            "a new owner gets the old one's epoch",
            "give_streams",
            "else {private}.epoch_after(a.epoch, a.next_epoch, v_least)",
            "else a.epoch + (c.to_id is null)::integer",
        ),
        _fault("a start is confirmed under any epoch", "confirm_starts", "and u.epoch = a.epoch", ""),
        _fault(
            "a hand-over that is called off keeps its next owner",
            "call_off",
            "set state = 'running', next_instance_id = null, releasing_since = null",
            "set state = 'running', releasing_since = null",
        ),
        _fault(
            "a next owner that is full gets the stream", "next_owners", "and l.owned + q.place <= i.max_streams", ""
        ),
        _fault(
            "who is forced out of a stream is not told",
            "complete_handovers",
            "if not p_owner_confirmed then",
            "if false then",
        ),
        _fault(
            "a stream that is to be stopped counts in the digest",
            "load_of",
            "when p_state = 'releasing' then 0",
            "when p_state = 'idle' then 0",
        ),
        _fault("what is on its way is not counted", "count_assignments", "incoming = l.incoming + c.incoming,", ""),
        _fault(
            "one that stops by itself prepares another's stream away",
            "makes_before_break",
            "i.instance_id = p_to or i.stop_within is null",
            "true",
        ),
        _fault(
            "any instance confirms what another prepares",
            "confirm_preparations",
            "where a.next_instance_id = p_instance_id and a.make_before_break",
            "where a.make_before_break",
        ),
        _fault(
            "what was withdrawn is not told", "remove_commands", "where w.instance_id = p_instance_id", "where false"
        ),
        _fault(
            "a lost instance is not told what it lost",
            "remove_commands",
            "and i.lost_by_decision_id is not null",
            "and false",
        ),
        _fault(
            "a stream is free although its owner may still hear it",
            "free_at",
            "where i.stop_within is not null",
            "where false",
        ),
        # placement
        _fault("a suspended instance gets streams", "placeable_instances", "and (i.suspended_until is null)", ""),
        _fault("a drained instance gets streams back", "placeable_instances", "and i.standing_order is null", ""),
        # instances
        _fault(
            "a new process keeps the epochs of the old one",
            "end_old_process",
            "if exists (select from {private}.assignment as a where a.instance_id = p_instance_id) then",
            "if false then",
        ),
        _fault(
            "a new process keeps the incarnation",
            "welcome_back",
            "incarnation = greatest(i.incarnation + 1, {private}.least_number()),",
            "",
        ),
        _fault(
            "a second loss forgets the first, and a beat out of step is answered with nothing",
            "lose_instances",
            "and i.lost_by_decision_id is not null",
            "and false",
            "heartbeat",
            "if not found and not v_is_explained then",
            "if false then",
        ),
        _fault(
            "a name is given while its process lives",
            "check_return",
            "elsif not p_is_same_process and not (p_takeover",
            "elsif false and not (p_takeover",
        ),
        # failover
        _fault(
            "silence cuts a lease short",
            "instances_lost",
            "w.now >= w.heard_at + coalesce(w.lease, w.timeout)",
            "w.now >= w.heard_at + least(w.lease / 2, w.timeout)",
        ),
        # hand-over
        _fault(
            "a hand-over is forced at once",
            "overdue_handovers",
            "{private}.now() - {private}.setting_interval('handoff_timeout')",
            "{private}.now()",
        ),
        _fault(
            "a hand-over is forced on one that stops by itself",
            "overdue_handovers",
            "i.stop_within is not null",
            "false",
        ),
        # heartbeat
        _fault(
            "a beat of nearly the right number is in step",
            "heartbeat",
            "p_digest = l.digest and l.outgoing = 0",
            "l.outgoing = 0",
        ),
        _fault(
            "what another owns is not removed",
            "reconcile",
            "where a.stream_id = u.stream_id and a.instance_id = p_instance_id and (",
            "where a.stream_id = u.stream_id and (",
        ),
        # generations
        _fault(
            "epochs go backwards after a restore",
            "know_database",
            "else greatest(floor(extract(epoch from {private}.now()) * 2 ^ 20)::bigint, c.generation + (1 << 20))",
            "else c.generation",
        ),
        _fault(
            "two prepare under one epoch",
            "hand_over",
            "when v_make_before_break and a.next_instance_id is distinct from c.to_id",
            "when v_make_before_break and a.next_epoch is null",
        ),
        # clock
        _fault(
            "a step of the clock moves nothing",
            "step_clock",
            "perform {private}.move_stored_times(p_step, v_now, p_within);",
            "",
        ),
    ]
)

_DEFINITION = """
select pg_get_functiondef(p.oid) as text from pg_proc as p
where p.proname = %s and p.pronamespace = any(array[%s, %s]::regnamespace[])
"""


@contextmanager
def planted(ground: Ground, fault: Iterable[Edit]) -> Iterator[None]:
    """The fault is in the installed SQL, as long as this lasts."""
    with ExitStack() as stack:
        for edit in fault:
            stack.enter_context(_edited(ground, edit))
        yield


@contextmanager
def _edited(ground: Ground, edit: Edit) -> Iterator[None]:
    names = ground.names
    found = ground.conn.execute(_DEFINITION, [edit.function, names.api, names.private]).fetchall()
    assert len(found) == 1, f"{edit.function} is {len(found)} functions"
    right = found[0]["text"]
    old, new = (text.format(private=names.private, api=names.api) for text in (edit.old, edit.new))
    assert right.count(old) == 1, f"{edit.function} has this {right.count(old)} times: {old}"
    ground.order(right.replace(old, new))
    try:
        yield
    finally:
        ground.order(right)
