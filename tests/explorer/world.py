"""One walk as it stands: the processes, what a step does to them and to the database, and what the laws compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from orchestrator.database.db import Row
from orchestrator.errors import OrchestratorError
from tests.explorer.ground import Ground
from tests.explorer.laws import (
    Epochs,
    Violation,
    check_handovers,
    check_in_step,
    check_lease,
    check_promises,
    check_record,
    check_repairs,
    check_started,
    check_writers,
    unrest,
)
from tests.explorer.worker import Process, Refused
from tests.properties.laws import Snapshot, look

Step = tuple[str | int, ...]
"""The name of an action and its arguments: ("beat", "a1"), ("move", 2, "b"). Processes are named by their labels."""

MODES = ("make_before_break", "break_before_make")
BEATS_OF_A_SILENCE = (15, 15, 15)
"""Seconds between the beats of the others, in which one instance falls silent: heartbeat_timeout and a little more."""
HANDOFF_TIMEOUT = 15
ROUNDS = 30
"""In so many rounds of 12 s a fleet that is left alone comes to rest."""
LATE_ROUND = 15
"""Before this round an hour and more passes: what was refused may come back, what is lost is forgotten."""


class Impossible(Exception):
    """The step cannot be taken here."""


@dataclass
class World:
    """The processes beside one database. Everything but `ground` is copied where a path forks."""

    ground: Ground
    processes: dict[str, Process] = field(default_factory=dict)
    epochs: Epochs = field(default_factory=Epochs)
    elapsed: float = 0.0
    """Seconds that really passed: a clock that never steps."""
    now: Snapshot | None = None
    releasing: dict[int, float] = field(default_factory=dict)
    """Since when each stream is on its way, by that clock."""
    unsure: set[str] = field(default_factory=set)
    """Instances of which streams were taken, or asked for, before they had confirmed them."""
    is_calm: bool = True
    """Nothing was lost so far."""
    is_clock_known: bool = True
    """The clock made no step forward that nobody measured: it looks as time that has passed."""
    backup: Mapping[str, Sequence[str]] | None = None

    def copy(self) -> World:
        shared = {id(self.ground): self.ground, id(self.now): self.now, id(self.backup): self.backup}
        return deepcopy(self, shared)

    @classmethod
    def begin(cls, ground: Ground, mode: str) -> World:
        """Two instances that hear all streams."""
        world = cls(ground)
        world.call("set_setting", name="handoff_mode", value=mode)
        for label in ("a1", "b1"):
            world.do_new(label)
        for _ in range(3):
            world.live(3)
        if found := unrest(world.look(), world.processes):
            raise found[0]
        return world

    # -- steps -------------------------------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        """Take a step and look at the laws. Raises Impossible, or Violation."""
        action, *arguments = step
        self.is_calm &= not loses(step)
        try:
            getattr(self, f"do_{action}")(*arguments)
        except KeyError as error:
            raise Impossible(f"{step}: {error}") from error
        except Refused as error:
            # to a process it is an answer: it registers anew, or ends
            if not arguments or arguments[0] not in self.processes:
                raise Impossible(f"{step}: {error}") from error
        self.look()

    def look(self) -> Snapshot:
        """The laws, now."""
        before, self.now = self.now, look(self.ground.conn)
        self.ground.conn.prepare_threshold = 0
        self.epochs.check(self.processes)
        check_record(before, self.now)
        check_writers(self.now, self.processes)
        if self.is_clock_known:
            check_promises(self.now, self.processes)
        if before is not None:
            self._compare(before, self.now)
        return self.now

    def _compare(self, before: Snapshot, now: Snapshot) -> None:
        """The laws between two moments that need to know what processes do."""
        check_started(before, now, self.epochs)
        for stream_id, was in before.assignments.items():
            a = now.assignments.get(stream_id)
            if was["state"] == "assigned" and (a is None or a["state"] in ("idle", "releasing")):
                self.unsure.add(was["instance_id"])
        is_doubtful = any(process.is_doubtful for process in self.processes.values())
        if self.is_clock_known and not is_doubtful:
            overdue = {s for s, since in self.releasing.items() if self.elapsed >= since + HANDOFF_TIMEOUT}
            check_handovers(before, now, self.processes, self.epochs, overdue)
        if self.is_calm:
            check_repairs(now, self.unsure)
        on_their_way = {s for s, a in now.assignments.items() if a["state"] == "releasing"}
        self.releasing = {s: self.releasing.get(s, self.elapsed) for s in on_their_way}

    def call(self, function: str, **parameters: Any) -> list[Row]:
        try:
            return self.ground.try_call(function, **parameters)
        except OrchestratorError as error:
            detail = f"{function}: {error.message} {error.detail}"
            raise Violation(f"{function} failed with {error.code}", detail) from error

    def acting(self, label: str | int) -> Process:
        process = self.processes[str(label)]
        if not process.acts:
            raise Impossible(f"{label} does nothing")
        return process

    def registered(self, label: str | int) -> Process:
        process = self.acting(label)
        if process.incarnation is None:
            raise Impossible(f"{label} has to register")
        return process

    # -- a process ---------------------------------------------------------------------------------------------------

    def do_new(self, label: str, takeover: int = 0, *traits: str) -> None:
        """A new process, which may take the name over from one that lives."""
        if label in self.processes:
            raise Impossible(f"{label} is there already")
        process = Process(label, able="unable" not in traits, identity=label, family=label)
        if "stops" in traits:
            process.lease, process.stop_within = 30, 25
        known = self.now.instances.get(process.name, {}) if self.now else {}
        process.register(self.call, self.elapsed, takeover=bool(takeover))
        if self.is_clock_known and known.get("suspended_until") is None and known.get("status") != "removed":
            check_lease(process.name, self.processes)
        self.processes[label] = process

    def do_again(self, label: str, heard: int = 1) -> None:
        """A process registers anew."""
        process = self.acting(label)
        process.register(self.call, self.elapsed, heard=bool(heard))

    def do_beat(self, label: str, heard: int = 1) -> None:
        self.acting(label).beat(self.call, self.elapsed, heard=bool(heard))

    def do_fetch(self, label: str) -> None:
        self.registered(label).fetch(self.call)

    def do_report(self, label: str, heard: int = 1) -> None:
        process = self.registered(label)
        if process.heard:
            self.unsure.add(process.name)  # what it said that it hears is its own by now, and it has not been told
        process.report(self.call, heard=bool(heard))
        if heard:
            check_in_step(process, look(self.ground.conn))

    def do_acknowledge(self, label: str, heard: int = 1) -> None:
        process = self.registered(label)
        if not process.has_something_to_say:
            raise Impossible("nothing to say")
        process.acknowledge(self.call, heard=bool(heard))

    def do_hear(self, label: str, stream_id: int) -> None:
        """What it prepares is heard."""
        process = self.acting(label)
        if stream_id in process.heard:
            raise Impossible("it is heard already")
        process.hear(stream_id)

    def do_fail(self, label: str, stream_id: int) -> None:
        """A handler ends by itself."""
        process = self.registered(label)
        if stream_id not in {*process.held, *process.prepared}:
            raise Impossible("it has no handler for it")
        process.fail(self.call, stream_id)

    def do_give_back(self, label: str, stream_id: int) -> None:
        self.registered(label).give_back(self.call, stream_id)

    def do_give_up(self, label: str, what: str) -> None:
        """A call is sent, does not arrive for now, and is given up."""
        process = self.registered(label)
        if what == "acknowledge" and not process.has_something_to_say:
            raise Impossible("nothing to say")
        function, parameters = {
            "beat": ("heartbeat", process.beat_of),
            "acknowledge": ("acknowledge", process.acknowledgement_of),
            "report": ("report_streams", process.report_of),
        }[what]
        process.under_way.append((function, parameters()))

    def do_arrive(self, label: str) -> None:
        """The oldest call that was given up arrives after all, and nobody hears its answer."""
        process = self.processes[label]
        if not process.under_way:
            raise Impossible("nothing is under way")
        process.is_doubtful = True
        function, parameters = process.under_way.pop(0)
        self.call(function, **parameters)

    def do_fork(self, label: str, child: str) -> None:
        """There are two processes with one memory."""
        if child in self.processes:
            raise Impossible(f"{child} is there already")
        self.processes[child] = self.acting(label).fork(child)

    def do_freeze(self, label: str) -> None:
        self.acting(label).frozen = True

    def do_wake(self, label: str) -> None:
        process = self.processes[label]
        if not (process.alive and process.frozen):
            raise Impossible("it is not frozen")
        process.frozen = False

    def do_kill(self, label: str) -> None:
        self.acting(label).end()

    def do_leave(self, label: str) -> None:
        """It drains itself first."""
        self.acting(label).leaving = True

    def do_goodbye(self, label: str) -> None:
        process = self.registered(label)
        process.let_go()
        self._last_word(process, "deregister_instance")

    def do_suspend(self, label: str) -> None:
        self._last_word(self.registered(label), "suspend_instance", **{"for": "35 seconds"})

    def _last_word(self, process: Process, function: str, **parameters: Any) -> None:
        """It ends, whether or not its word is heard."""
        try:
            self.call(function, **process.who, **parameters)
        finally:
            process.end()

    # -- orders ------------------------------------------------------------------------------------------------------

    def do_drain(self, name: str) -> None:
        self.call("drain_instance", instance_id=name)

    def do_undrain(self, name: str) -> None:
        self.call("undrain_instance", instance_id=name)

    def do_remove(self, name: str) -> None:
        self.call("remove_instance", instance_id=name)

    def do_readmit(self, name: str) -> None:
        self.call("readmit_instance", instance_id=name)

    def do_capacity(self, name: str, capacity: int) -> None:
        self.call("set_capacity", instance_id=name, max_streams=capacity)

    def do_move(self, stream_id: int, name: str) -> None:
        self.call("move_stream", stream_id=stream_id, instance_id=name)

    def do_pin(self, stream_id: int, name: str) -> None:
        self.call("pin_stream", stream_id=stream_id, instance_id=name)

    def do_unpin(self, stream_id: int) -> None:
        self.call("unpin_stream", stream_id=stream_id)

    def do_off(self, stream_id: int) -> None:
        self.call("set_stream_active", stream_id=stream_id, active=False)

    def do_on(self, stream_id: int) -> None:
        self.call("set_stream_active", stream_id=stream_id, active=True)

    def do_mode(self, mode: str) -> None:
        self.call("set_setting", name="handoff_mode", value=mode)

    def do_rebalance(self) -> None:
        self.call("rebalance")

    def do_pause(self) -> None:
        self.call("pause_balancing")

    def do_resume(self) -> None:
        self.call("resume_balancing")

    # -- time --------------------------------------------------------------------------------------------------------

    def do_jobs(self) -> None:
        for run in self.call("run_due_jobs"):
            if run["outcome"] == "failed":
                raise Violation(f"{run['job']} failed with {run['error'].get('sqlstate')}", run["error"])

    def do_wait(self, seconds: int) -> None:
        """Time passes, and the jobs run."""
        self._pass(seconds)
        self.do_jobs()

    def do_silence(self, name: str, others: str) -> None:
        """One instance is silent for longer than it may be. The others beat: they obey, or hear no answer (deaf)."""
        self.unsure.add(name)
        for seconds in BEATS_OF_A_SILENCE:
            self._pass(seconds)
            for process in self._speaking(name):
                if others == "obey":
                    self._obey(process)
                else:
                    with suppress(Refused):
                        process.beat(self.call, self.elapsed, heard=False)
            self.do_jobs()
            self.look()

    def do_clock(self, seconds: int, measured: int) -> None:
        """The server's clock steps; a driver measures it, or nobody does."""
        self.is_clock_known &= bool(measured) or seconds < 0
        self.ground.step(seconds)
        if measured:
            [known] = self.call("read_clock")
            self.call("record_clock_step", step=f"{seconds} seconds", within="1 second", stepped=known["stepped"])

    def do_back_up(self) -> None:
        self.backup = self.ground.back_up()

    def do_restore(self) -> None:
        """The database is put back to the last backup. Processes, what they have given up, and time go on."""
        if self.backup is None:
            raise Impossible("there is no backup")
        self.ground.restore(self.backup)
        self._pass(0.1)  # it takes a while, so no two begin at the same moment
        self.now = None
        now = look(self.ground.conn)
        for process in self.processes.values():
            # what it is, or was given, since the backup is not known any more
            process.is_doubtful |= now.instances.get(process.name, {}).get("incarnation") != process.incarnation or any(
                stream_id not in now.assignments or now.assignments[stream_id]["instance_id"] != process.name
                for stream_id in process.held
            )
        self.releasing = {s: self.elapsed for s, a in now.assignments.items() if a["state"] == "releasing"}

    def _pass(self, seconds: float) -> None:
        """Time passes while the jobs look; who stops by its own clock does."""
        self.ground.advance(seconds)
        self.elapsed += seconds
        for process in self.processes.values():
            if process.stop_within is not None and self.elapsed >= process.accepted_at + process.stop_within:
                self.is_calm &= not (process.held or process.has_something_to_say)  # it forgets what it had to say
                process.let_go()
                process.incarnation = None

    # -- rest --------------------------------------------------------------------------------------------------------

    def live(self, seconds: float) -> None:
        """All who live do as they are told; time passes, and the jobs run."""
        for process in self._speaking():
            self._obey(process)
        self._pass(seconds)
        self.do_jobs()

    def rest(self) -> None:
        """The fleet is left alone: no more is lost, and every stream comes to be heard by its owner."""
        for process in self.processes.values():
            process.frozen = False
            while process.under_way:
                with suppress(Refused):
                    self.do_arrive(process.label)
        self._end_forks()
        found: list[Violation] = []
        for number in range(ROUNDS):
            if number == LATE_ROUND:
                self._pass(7500)
            self.live(12)
            for process in self._speaking():
                if process.leaving and process.incarnation and not process.held and not process.has_something_to_say:
                    with suppress(Refused):
                        self.do_goodbye(process.label)
            self.look()
            found = self._told() or unrest(self.look(), self.processes)
            if not found and number > 0:
                return
        raise found[0]

    def _told(self) -> list[Violation]:
        """At rest no beat is answered with something to do."""
        told = []
        for process in self._speaking():
            before = dict(process.held), dict(process.prepared)
            with suppress(Refused):
                process.beat(self.call, self.elapsed)
            after = dict(process.held), dict(process.prepared)
            if before != after or process.attempts:
                told.append(Violation("told something at rest", (process.label, *before, *after, process.attempts)))
        return told

    def _end_forks(self) -> None:
        """No one can tell two apart that share an incarnation."""
        living = sorted((p for p in self.processes.values() if p.alive), key=lambda p: (p.name, p.incarnation or 0))
        for (_, incarnation), same in groupby(living, key=lambda p: (p.name, p.incarnation)):
            for process in list(same)[1:] if incarnation is not None else ():
                process.end()

    def _speaking(self, but: str | None = None) -> list[Process]:
        return [process for process in self.processes.values() if process.acts and process.name != but]

    def _obey(self, process: Process) -> None:
        """It beats, hears what it is to prepare, and says what it has done."""
        with suppress(Refused):
            process.beat(self.call, self.elapsed)
            for stream_id in process.prepared:
                process.hear(stream_id)
            if process.incarnation is not None and process.has_something_to_say:
                process.acknowledge(self.call)


def loses(step: Step) -> bool:
    """Whether something is lost in this step, so that the database and a worker may differ afterwards."""
    action, *arguments = step
    if action in ("beat", "acknowledge", "report", "again"):
        return arguments[-1] == 0
    if action == "clock":
        return arguments[-1] == 0
    return action in ("give_up", "arrive", "fork", "restore") or "deaf" in arguments
