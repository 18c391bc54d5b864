"""What can happen to a fleet: each event is chosen by the dice, and does nothing when it cannot.

A plain fleet has nothing but capacities: there every decision makes the fewest moves possible, and rest is fair. A
mixed one has pins, requirements, regions, refusals, failing streams, lists and strategies too.
"""

from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.properties.lawful import LawfulFleet, Worker
from tests.properties.laws import check_fair, check_settled
from tests.support import Clock, Database

Event = Callable[[Any, Random], None]
_NAMES = ["ana", "bea", "cid", "davi", "eva", "fabio"]


def often(times: int) -> Callable[[Event], Event]:
    """An event that happens so many times as often as others."""

    def mark(event: Event) -> Event:
        event.weight = times  # type: ignore[attr-defined]  # a function carries its own weight
        return event

    return mark


class PlainSimulation:
    least = True

    def __init__(self, database: Database, conn: db.Connection) -> None:
        self.fleet = LawfulFleet(database, conn, Clock(conn), least=self.least)
        self._numbers = count(1)

    @classmethod
    def events(cls) -> dict[str, int]:
        """The names of all events and how often each is to happen."""
        names = sorted(name for name in dir(cls) if name.startswith("event_"))
        return {name: getattr(getattr(cls, name), "weight", 1) for name in names}

    def begin(self, dice: Random) -> None:
        """Some instances, listening to some streams."""
        self.event_set_handoff_mode(dice)
        for name in _NAMES[: dice.randint(1, 4)]:
            self.fleet.join(name, self.capacity(dice), **self.traits(dice))
        for _ in range(dice.randint(0, 14)):
            self.fleet.call("add_stream", url="http://radio.example", external_id=self.fresh(), **self.wishes(dice))
        for worker in self.fleet.workers:
            self.fleet.beat(worker)

    def run(self, dice: Random, events: int) -> None:
        weights = self.events()
        for name in dice.choices(list(weights), list(weights.values()), k=events):
            getattr(self, name)(dice)

    def end(self) -> None:
        """It comes to rest after all that has happened."""
        self.fleet.call("resume_balancing")
        self.fleet.settle()
        check_settled(self.fleet.now)
        self.check_rest()

    def check_rest(self) -> None:
        """A fleet at rest is fair (R1.4)."""
        check_fair(self.fleet.now, 2)

    # -- what the dice choose -----------------------------------------------

    def capacity(self, dice: Random) -> int:
        return dice.randint(1, 9)

    def fresh(self) -> str:
        """An id that nothing else has."""
        return str(UUID(int=next(self._numbers)))

    def a_worker(self, dice: Random) -> Worker | None:
        return dice.choice(self.fleet.workers) if self.fleet.workers else None

    def a_preparing_worker(self, dice: Random) -> Worker | None:
        return dice.choice([worker for worker in self.fleet.workers if worker.preparing] or [None])

    def an_instance(self, dice: Random) -> str:
        return dice.choice([*self.fleet.now.instances, *self.fleet.now.placeable] or ["unknown"])

    def a_stream(self, dice: Random) -> int:
        return dice.choice([*self.fleet.now.assignments] or [0])

    def traits(self, dice: Random) -> dict[str, Any]:
        """What a new process says of itself beside its capacity."""
        return {"make_before_break": dice.random() < 0.8}

    def wishes(self, dice: Random) -> dict[str, Any]:
        """What a new stream asks for."""
        return {}

    # -- instances ----------------------------------------------------------

    @often(3)
    def event_join(self, dice: Random) -> None:
        orders = {"takeover": dice.random() < 0.5, "force": dice.random() < 0.3}
        refused = ["OR104", "OR404"]
        self.fleet.join(dice.choice(_NAMES), self.capacity(dice), refused, **orders, **self.traits(dice))

    def event_register_again(self, dice: Random) -> None:
        """The same process: its streams and epochs stay."""
        if worker := self.a_worker(dice):
            self.fleet.register(worker, self.capacity(dice), ["OR104", "OR404"], **self.traits(dice))
            if self.fleet.refusal:
                self.fleet.kill(worker)

    @often(8)
    def event_beat(self, dice: Random) -> None:
        """It hears, and does a part of what it is told."""
        if worker := self.a_worker(dice):
            zeal = dice.choice([0.0, 0.5, 1.0, 1.0])
            self.fleet.beat(worker, lambda: dice.random() < zeal)

    @often(4)
    def event_hear(self, dice: Random) -> None:
        """It hears some of what it prepares, though perhaps that was called off meanwhile."""
        if worker := self.a_preparing_worker(dice):
            heard = dice.sample(sorted(worker.preparing), dice.randint(1, len(worker.preparing)))
            worker.hearing |= set(heard)
            self.fleet.confirm(worker, {stream_id: worker.preparing[stream_id] for stream_id in heard})

    def event_hear_under_another_epoch(self, dice: Random) -> None:
        """A worker says that it hears what it should not, or under an epoch that is not to be: that is nothing."""
        foreign = {s: a["epoch"] for s, a in self.fleet.now.assignments.items() if a["next_instance_id"]}
        worker = self.a_worker(dice)
        if worker and (foreign := {s: epoch for s, epoch in foreign.items() if s not in worker.running}):
            stream_id = dice.choice(sorted(foreign))
            self.fleet.confirm(worker, {stream_id: foreign[stream_id] + dice.choice([-1, 0, 1, 2])})

    def event_ask_to_drain(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            self.fleet.beat(worker, status="draining")

    @often(2)
    def event_report(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            self.fleet.report(worker)

    def event_attach(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            self.fleet.attach(worker)

    def event_fall_silent(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            worker.beating = False
            if dice.random() < 0.5:
                self.fleet.detach(worker)

    def event_everyone_is_away(self, dice: Random) -> None:
        """The network is gone: none is heard, for a moment or until all are lost; then some return, or all."""
        away = self.fleet.living()
        for worker in away:
            worker.beating = False
        for _ in range(dice.randint(1, 4)):
            self.fleet.clock.advance(f"{dice.choice([15, 95, 301])} seconds")
            self.fleet.run_jobs()
        for worker in dice.sample(away, dice.randint(0, len(away))):
            self.fleet.beat(worker)
            if dice.random() < 0.5:
                self.fleet.run_jobs()

    def event_crash_again_and_again(self, dice: Random) -> None:
        """Killed and started anew, three times: then it is on probation."""
        worker = self.a_worker(dice)
        for _ in range(3):
            if worker is not None:
                self.fleet.kill(worker)
                self.fleet.clock.advance("61 seconds")
                worker = self.fleet.join(worker.name, self.capacity(dice), ["OR104", "OR404"], **self.traits(dice))

    def event_be_killed(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            self.fleet.kill(worker)

    def event_say_goodbye(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            worker.running = {}  # nothing runs any more when it says so
            self.fleet.call("deregister_instance", ["OR301"], **worker.who)
            self.fleet.kill(worker)

    def event_suspend(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            if worker.stop_within is not None:
                worker.running = {}  # nothing runs any more when one that promised to have stopped says so
            self.fleet.call("suspend_instance", ["OR301"], **worker.who, **{"for": dice.choice(["5 s", "60 s"])})
            worker.beating = False

    @often(2)
    def event_set_capacity(self, dice: Random) -> None:
        name, capacity = self.an_instance(dice), self.capacity(dice)
        self.fleet.call("set_capacity", ["OR103", "OR404"], instance_id=name, max_streams=capacity)

    def event_drain(self, dice: Random) -> None:
        self.fleet.call("drain_instance", ["OR103", "OR404"], instance_id=self.an_instance(dice))

    @often(2)
    def event_undrain(self, dice: Random) -> None:
        self.fleet.call("undrain_instance", ["OR103", "OR404"], instance_id=self.an_instance(dice))

    def event_remove(self, dice: Random) -> None:
        name = self.an_instance(dice)
        force = dice.random() < 0.3
        if force:
            self.fleet.order_away(name)
        self.fleet.call("remove_instance", ["OR103"], instance_id=name, force=force)
        if dice.random() < 0.8:
            self.fleet.call("readmit_instance", ["OR103"], instance_id=name)

    # -- streams ------------------------------------------------------------

    @often(3)
    def event_add_streams(self, dice: Random) -> None:
        wishes = self.wishes(dice)
        for _ in range(dice.randint(1, 5)):
            self.fleet.call("add_stream", url="http://radio.example", external_id=self.fresh(), **wishes)

    @often(2)
    def event_remove_stream(self, dice: Random) -> None:
        self.fleet.call("remove_stream", ["OR102"], stream_id=self.a_stream(dice))

    @often(2)
    def event_switch_stream(self, dice: Random) -> None:
        active = dice.random() < 0.5
        self.fleet.call("set_stream_active", ["OR102"], stream_id=self.a_stream(dice), active=active)

    # -- balancing ----------------------------------------------------------

    def event_pause_for_a_while(self, dice: Random) -> None:
        self.fleet.call("pause_balancing" if dice.random() < 0.4 else "resume_balancing")

    @often(2)
    def event_rebalance(self, dice: Random) -> None:
        self.fleet.call("rebalance", ["OR401"])

    def event_plan(self, dice: Random) -> None:
        rows = self.fleet.call("plan_rebalance")
        if dice.random() < 0.5:
            self.event_pass_time(dice)
        if rows:
            self.fleet.call("apply_plan", ["OR401", "OR403"], plan_id=rows[0]["plan_id"])

    def event_set_setting(self, dice: Random) -> None:
        name, value = dice.choice(
            [
                ("settle_window", "0 seconds"),
                ("settle_window", "2 seconds"),
                ("rebalance_cooldown", "0 seconds"),
                ("rebalance_cooldown", "300 seconds"),
                ("handoff_timeout", "5 seconds"),
                ("imbalance_threshold", "0.9"),
                ("disconnect_grace", "0 seconds"),
            ]
        )
        self.fleet.call("set_setting", name=name, value=value)

    def event_set_handoff_mode(self, dice: Random) -> None:
        mode = dice.choice(["break_before_make", "make_before_break"])
        self.fleet.call("set_setting", name="handoff_mode", value=mode)

    @often(5)
    def event_pass_time(self, dice: Random) -> None:
        """Time passes without a word from anybody; then the jobs run, one or all that are due."""
        self.fleet.clock.advance(f"{dice.choice([1, 1, 2.5, 2.5, 11, 31, 100, 290])} seconds")
        if dice.random() < 0.7:
            self.fleet.run_jobs()
        else:
            assert self.fleet.call("run_next_job")[0]["error"] is None

    @often(3)
    def event_live_on(self, dice: Random) -> None:
        """Time passes; the living beat."""
        self.fleet.pass_time(dice.choice([3, 3, 12, 32, 301]))


class MixedSimulation(PlainSimulation):
    least = False

    def traits(self, dice: Random) -> dict[str, Any]:
        able = [name for name in ("dab", "hd") if dice.random() < 0.6]
        return super().traits(dice) | {
            "capabilities": ["audio_fingerprinting", *able],
            "location": dice.choice([None, "norte", "sul"]),
        }

    def wishes(self, dice: Random) -> dict[str, Any]:
        return {
            "required_capabilities": dice.choice([[], [], ["hd"], ["dab"], ["dab", "hd"]]),
            "region": dice.choice([None, None, "norte", "sul"]),
        }

    def check_rest(self) -> None:
        """Pins, requirements and refusals may hold a mixed fleet away from fair; nothing waits all the same."""

    def event_set_strategy(self, dice: Random) -> None:
        strategy = dice.choice(["capacity", "performance", "location"])
        self.fleet.call("set_setting", name="strategy", value=strategy)

    def event_limit_moves(self, dice: Random) -> None:
        self.fleet.call("set_setting", name="max_moves_per_rebalance", value=dice.choice("0012"))

    def event_report_performance(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            self.fleet.beat(worker, processed_count=dice.randint(0, 100), error_count=dice.randint(0, 100))

    @often(3)
    def event_pin(self, dice: Random) -> None:
        name = self.an_instance(dice) if dice.random() < 0.6 else None
        refused = ["OR101", "OR102", "OR103", "OR404", "OR405"]
        self.fleet.call("pin_stream", refused, stream_id=self.a_stream(dice), instance_id=name)

    def event_unpin(self, dice: Random) -> None:
        self.fleet.call("unpin_stream", ["OR102"], stream_id=self.a_stream(dice))

    @often(3)
    def event_move(self, dice: Random) -> None:
        refused = ["OR102", "OR103", "OR402", "OR404", "OR405"]
        self.fleet.call("move_stream", refused, stream_id=self.a_stream(dice), instance_id=self.an_instance(dice))

    @often(2)
    def event_release(self, dice: Random) -> None:
        worker = self.a_worker(dice)
        if worker and worker.running:
            streams = dice.sample(sorted(worker.running), dice.randint(1, len(worker.running)))
            for stream_id in streams:
                del worker.running[stream_id]
            self.fleet.call("release_streams", ["OR301"], **worker.who, streams=streams)

    @often(2)
    def event_fail(self, dice: Random) -> None:
        worker = self.a_worker(dice)
        if worker and worker.running:
            stream_id = dice.choice(sorted(worker.running))
            failed = Jsonb([{"stream_id": stream_id, "epoch": worker.running[stream_id], "error": "no sound"}])
            for _ in range(dice.randint(1, 3)):
                self.fleet.call("acknowledge", ["OR301"], **worker.who, failed=failed)

    def event_fail_to_prepare(self, dice: Random) -> None:
        if worker := self.a_preparing_worker(dice):
            stream_id, epoch = dice.choice(sorted(worker.preparing.items()))
            worker.hearing.discard(stream_id)
            failed = Jsonb([{"stream_id": stream_id, "epoch": epoch, "error": "one listener only"}])
            self.fleet.call("acknowledge", ["OR301"], **worker.who, failed=failed)

    @often(2)
    def event_hear_nothing(self, dice: Random) -> None:
        """Some of its streams are silent, for as long as it takes."""
        worker = self.a_worker(dice)
        silent = dice.sample(sorted(worker.running), dice.randint(0, len(worker.running))) if worker else []
        for _ in range(dice.randint(1, 3)):
            if worker not in self.fleet.workers:
                return
            stalled = [
                {"stream_id": stream_id, "epoch": worker.running[stream_id], "silent_for": 1000}
                for stream_id in silent
                if stream_id in worker.running
            ]
            self.fleet.beat(worker, stalled=stalled, progressing=dice.randint(0, 1))
            self.fleet.clock.advance("70 seconds")
            self.fleet.run_jobs()

    def event_sync(self, dice: Random) -> None:
        """A list brings streams, changes their addresses and requirements, switches them off and lets them vanish."""
        batch = self.fresh()
        db.call(self.fleet.conn, "add_source", source="list")
        for line in range(1, 9):
            if dice.random() < 0.8:
                address, active, needs = dice.choice("ab"), dice.random() < 0.8, dice.choice(["", '"hd"'])
                self.fleet.execute(
                    "insert into {api}.stream_staging (batch, line, external_id, url, active, metadata)"
                    " values (%s, %s, %s, %s, %s, %s)",
                    [
                        batch,
                        line,
                        str(line),
                        f"http://{address}.example/{line}",
                        active,
                        f'{{"required_capabilities": [{needs}]}}',
                    ],
                )
        self.fleet.call("sync_streams", ["OR406"], source="list", batch=batch, force=True)


class CutOffSimulation(MixedSimulation):
    """Most workers stop by themselves when they are cut off; words are lost in both directions."""

    def __init__(self, database: Database, conn: db.Connection) -> None:
        super().__init__(database, conn)
        self.fleet.nothing_to_repair = False  # what stopped by itself has to be started again

    def traits(self, dice: Random) -> dict[str, Any]:
        lease: dict[str, Any] = dice.choice(
            [{}, {"lease": "60 s", "stop_within": "59 s"}, {"lease": "100 s", "stop_within": "98 s"}]
        )
        return super().traits(dice) | lease

    @often(8)
    def event_beat(self, dice: Random) -> None:
        """It obeys all that it hears; that it did may be lost."""
        if worker := self.a_worker(dice):
            self.fleet.beat(worker, acknowledge=dice.random() < 0.5)

    @often(4)
    def event_beat_without_an_answer(self, dice: Random) -> None:
        if worker := self.a_worker(dice):
            self.fleet.beat_in_vain(worker)

    @often(6)
    def event_remove(self, dice: Random) -> None:
        super().event_remove(dice)

    @often(4)
    def event_switch_a_stream_off_and_on(self, dice: Random) -> None:
        stream_id = self.a_stream(dice)
        for active in (False, True):
            self.fleet.call("set_stream_active", ["OR102"], stream_id=stream_id, active=active)

    @often(6)
    def event_pass_some_time(self, dice: Random) -> None:
        """Some beat and others are cut off; the jobs run."""
        for worker in self.fleet.workers:
            if dice.random() < 0.2:
                worker.beating = not worker.beating
        for _ in range(dice.randint(1, 8)):
            self.fleet.pass_time(dice.choice([1, 9, 20]))
