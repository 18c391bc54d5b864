"""kafka-python's assignors, called in memory and without a broker. It is of the extra `bench`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import TopicPartition

from bench.peers import COOPERATIVE, STICKY, Owners

ASSIGNORS = {STICKY: StickyPartitionAssignor, COOPERATIVE: CooperativeStickyAssignor}

_TOPIC = "streams"


class _Member(NamedTuple):
    member_id: str
    metadata: Any


@dataclass(frozen=True)
class _Cluster:
    """What an assignor asks of the metadata of a cluster."""

    streams: int

    def topics(self) -> set[str]:
        return {_TOPIC}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self.streams))


def assign(assignor: Any, members: Sequence[str], owners: Owners, streams: int) -> tuple[Owners, float]:
    """Rounds until every stream has an owner (the cooperative one takes away first), and the seconds that they took."""
    spent = 0.0
    while True:
        held: dict[str, list[TopicPartition]] = {member: [] for member in members}
        for stream, owner in owners.items():
            if owner in held:
                held[owner].append(TopicPartition(_TOPIC, stream))
        joined = [_member(assignor, member, its) for member, its in held.items()]
        started = time.perf_counter()
        assigned = assignor().assign(_Cluster(streams), joined)
        spent += time.perf_counter() - started
        owners = {part.partition: member for member, its in assigned.items() for part in its.partitions()}
        if len(owners) == streams:
            return owners, spent


def _member(assignor: Any, member: str, held: Sequence[Any]) -> _Member:
    """It joins and says what it has."""
    its = assignor()
    its.member_assignment, its.generation = held, 1
    return _Member(member, its.metadata({_TOPIC}))
