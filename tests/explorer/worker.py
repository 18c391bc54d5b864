"""One object per worker process. It does what worker_shim does, at once: protocol.py, assignments.py, supervisor.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.database.db import Row
from tests.support import digest_of
from worker_shim.protocol import ATTEMPTS
from worker_shim.retry import STALE, UNWANTED

Call = Callable[..., list[Row]]
"""Calls a public function: `call("heartbeat", instance_id=…)`. Raises Refused."""


class Refused(Exception):
    """The database refused a call, with a code that is a fair answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False)
class Process:
    """A worker process: what it hears, under which epochs, and what it has still to say."""

    label: str
    """The name of its instance and a number: "a2" is the second process of instance "a"."""
    capacity: int = 4
    able: bool = True
    """It can make before break."""
    lease: int | None = None
    stop_within: int | None = None
    """Seconds after its last accepted beat in which it stops everything by itself."""
    identity: str = ""
    """What it registers as; a fork takes one of its own when it registers."""
    family: str = ""
    """Processes of one family cannot be told apart by the database: forks, until one of them registers."""
    incarnation: int | None = None
    held: dict[int, int] = field(default_factory=dict)
    """Streams that it hears as their owner, with their epochs."""
    prepared: dict[int, int] = field(default_factory=dict)
    heard: set[int] = field(default_factory=set)
    """What it hears of that."""
    started: dict[int, int] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    attempts: int = 0
    alive: bool = True
    frozen: bool = False
    leaving: bool = False
    """It drains itself, to leave when it has nothing any more."""
    is_doubtful: bool = False
    """It may have said that it has stopped what it goes on with: by a fork, or by a call that was given up and arrives
    late, as a stop carries no epoch. Or it was given what a restored database does not know that it has."""
    accepted_at: float = 0.0
    """When it sent its last beat or registration that was answered, by a clock that never steps."""
    under_way: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Calls that it has given up and that have not arrived yet."""

    @property
    def name(self) -> str:
        return self.label.rstrip("0123456789")

    @property
    def acts(self) -> bool:
        return self.alive and not self.frozen

    @property
    def who(self) -> dict[str, Any]:
        return {"instance_id": self.name, "incarnation": self.incarnation}

    @property
    def has_something_to_say(self) -> bool:
        return bool(self._started() or self.stopped)

    def fork(self, label: str) -> Process:
        """A second process with the same memory. What the first one has sent is not sent by the second."""
        self.is_doubtful = True
        child = deepcopy(self)
        child.label, child.identity, child.under_way = label, label, []
        return child

    def end(self) -> None:
        """The process ends, and hears nothing any more."""
        self.alive = False
        self.let_go()

    def let_go(self) -> None:
        """Stop everything, and forget what was to be said of it."""
        self.held, self.prepared, self.started = {}, {}, {}
        self.heard, self.stopped = set(), set()

    # -- what it says ------------------------------------------------------------------------------------------------
    # `heard` is False where the call arrives and its answer does not.

    def register(self, call: Call, now: float, *, takeover: bool = False, heard: bool = True) -> None:
        metadata = {"process": self.identity, "make_before_break": self.able, "adopts": True}
        [row] = self._say(
            call,
            "register_instance",
            instance_id=self.name,
            max_streams=self.capacity,
            takeover=takeover,
            metadata=metadata,
            heard=heard,
            **({"lease": f"{self.lease} seconds"} if self.lease else {}),
            **({"stop_within": f"{self.stop_within} seconds"} if self.stop_within else {}),
        )
        if not heard:
            return
        self.incarnation, self.accepted_at, self.attempts = row["incarnation"], now, 0
        full = {row["stream_id"]: row["epoch"] for row in self._say(call, "get_assignments", **self.who)}
        for stream_id in self.held.keys() - full.keys():
            self._stop(stream_id)
        for stream_id, epoch in full.items():
            self._start(stream_id, epoch)  # adopting is the same here: a handler has no beginning
        if self.identity != self.family:
            self.family = self.identity

    def beat(self, call: Call, now: float, *, heard: bool = True) -> None:
        """A beat, and what follows from its answer. One that has no incarnation registers."""
        if self.incarnation is None:
            self.register(call, now, heard=heard)
            return
        answer = self._say(call, "heartbeat", heard=heard, **self.beat_of())
        if not heard:
            return
        self.accepted_at = now
        self._prepare_only(answer)
        commands = _to_apply(answer)
        if not commands:
            self.attempts = 0
            return
        self.attempts = 1 if self._apply(commands) else self.attempts + 1
        if self.attempts > ATTEMPTS:
            self.incarnation = None
        elif self.attempts > 1:
            self.report(call)

    def beat_of(self) -> dict[str, Any]:
        status = "draining" if self.leaving else "active"
        report = {"status": status, "current_streams": len(self.held)}
        return {**self.who, "digest": digest_of(self.held.items()), "report": Jsonb(report)}

    def fetch(self, call: Call) -> None:
        """A notification came: do what is new."""
        answer = self._say(call, "get_commands", **self.who)
        self._prepare(answer)
        self._apply(_to_apply(answer))

    def report(self, call: Call, *, heard: bool = True) -> None:
        """Say all that it hears, and do what the answer says."""
        answer = self._say(call, "report_streams", heard=heard, **self.report_of())
        if heard:
            self._apply(_to_apply(answer))

    def report_of(self) -> dict[str, Any]:
        return {**self.who, "streams": list(self.held), "epochs": list(self.held.values())}

    def acknowledge(self, call: Call, *, heard: bool = True) -> None:
        """Say what started and stopped; it is said until the answer has come."""
        self._say(call, "acknowledge", heard=heard, **self.acknowledgement_of())
        if heard:
            self.started, self.stopped = {}, set()

    def acknowledgement_of(self) -> dict[str, Any]:
        started = self._started()
        return {
            **self.who,
            "started": list(started),
            "started_epochs": list(started.values()),
            "stopped": sorted(self.stopped),
        }

    def fail(self, call: Call, stream_id: int) -> None:
        """The handler of a stream has ended by itself; it will be started again."""
        epoch = self.held.get(stream_id, self.prepared.get(stream_id))
        self.heard.discard(stream_id)
        if stream_id in self.prepared:
            self.started.pop(stream_id, None)
        failed = [{"stream_id": stream_id, "epoch": epoch, "error": "connection refused"}]
        self._say(call, "acknowledge", **self.acknowledgement_of(), failed=Jsonb(failed))
        self.started, self.stopped = {}, set()

    def give_back(self, call: Call, stream_id: int) -> None:
        """Stop a stream and give it back."""
        del self.held[stream_id]
        self._say(call, "release_streams", **self.who, streams=[stream_id])

    def hear(self, stream_id: int) -> None:
        """The handler of a prepared stream is ready."""
        self.heard.add(stream_id)
        self.started[stream_id] = self.prepared[stream_id]

    def _started(self) -> dict[int, int]:
        """Of what it has to say of starts, that which is still so."""
        return {s: epoch for s, epoch in self.started.items() if epoch in (self.held.get(s), self.prepared.get(s))}

    def _say(self, call: Call, function: str, *, heard: bool = True, **parameters: Any) -> list[Row]:
        try:
            return call(function, **parameters)
        except Refused as refused:
            if heard and refused.code in STALE:
                self.incarnation = None  # to register anew
            elif heard and refused.code in UNWANTED:
                self.end()
            raise

    # -- what it does ------------------------------------------------------------------------------------------------

    def _start(self, stream_id: int, epoch: int) -> bool:
        held = self.held.get(stream_id)
        if held is not None and held > epoch:
            return False
        self.prepared.pop(stream_id, None)
        self.held[stream_id] = self.started[stream_id] = epoch
        return held != epoch

    def _stop(self, stream_id: int) -> bool:
        self.stopped.add(stream_id)
        return self.held.pop(stream_id, None) is not None

    def _apply(self, commands: Collection[Row]) -> bool:
        """Removals first; False when all of it was carried out before."""
        changed = False
        for row in sorted(commands, key=lambda row: str(row["action"]), reverse=True):
            stream_id, epoch = row["stream_id"], row["epoch"]
            held = self.held.get(stream_id)
            if row["action"] in ("add", "adopt"):
                changed |= self._start(stream_id, epoch)
            elif held is not None and epoch is not None and held > epoch:
                self.stopped.add(stream_id)  # an ownership that ended before the present one
            else:
                changed |= self._stop(stream_id)
        return changed

    def _prepare(self, answer: Sequence[Row]) -> None:
        for row in answer:
            stream_id, epoch = row["stream_id"], row["epoch"]
            if row["action"] == "prepare" and stream_id not in self.held and self.prepared.get(stream_id) != epoch:
                self.prepared[stream_id] = epoch
                self.heard.discard(stream_id)

    def _prepare_only(self, answer: Sequence[Row]) -> None:
        named = {row["stream_id"] for row in answer if row["action"] in ("prepare", "add", "adopt")}
        self.prepared = {s: epoch for s, epoch in self.prepared.items() if s in named}
        self._prepare(answer)
        self.heard &= self.prepared.keys()
        for stream_id in self.heard:
            self.started[stream_id] = self.prepared[stream_id]


def _to_apply(answer: Sequence[Row]) -> list[Row]:
    return [row for row in answer if row["action"] in ("add", "adopt", "remove")]


def holders(processes: Mapping[str, Process], stream_id: int) -> list[Process]:
    """The living processes that hear a stream as its owner."""
    return [process for process in processes.values() if process.alive and stream_id in process.held]
