"""Random joins, losses, returns, drains, pauses, streams and hand-overs, each step followed by the laws.

A plain fleet has nothing but capacities: there every decision makes the fewest moves possible and ends fair. A mixed
one has pins, requirements, regions, refusals, failing streams, lists and strategies too.
"""

import os
from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from orchestrator import db
from tests.properties.fleet import Fleet, Worker
from tests.properties.laws import check_fair, check_settled
from tests.support import Clock, Database

_NAMES = st.sampled_from(["ana", "bea", "cid", "davi", "eva", "fabio"])
_CAPACITIES = st.integers(1, 9)
_STEPS = int(os.environ.get("ORCHESTRATOR_STEPS") or 30)


@pytest.fixture(scope="module")
def conn(shared_database: Database) -> Iterator[db.Connection]:
    conn = shared_database.connect()
    Clock(conn).install()
    yield conn


class PlainFleet(RuleBasedStateMachine):
    least: ClassVar[bool] = True
    database: ClassVar[Database]
    conn: ClassVar[db.Connection]

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(self.database, self.conn, Clock(self.conn), least=self.least)

    # -- what a rule may pick from ------------------------------------------

    def has_workers(self) -> bool:
        return bool(self.fleet.workers)

    def has_instances(self) -> bool:
        return bool(self.fleet.now.instances)

    def has_streams(self) -> bool:
        return bool(self.fleet.now.assignments)

    def a_worker(self, data: st.DataObject) -> Worker:
        processes = {worker.process: worker for worker in self.fleet.workers}
        return processes[data.draw(st.sampled_from(list(processes)), "worker")]

    def an_instance(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.fleet.now.instances)), "instance")

    def a_stream(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.fleet.now.assignments)), "stream")

    def traits(self, data: st.DataObject) -> dict[str, Any]:
        """What a new process says of itself beside its capacity."""
        return {}

    def wishes(self, data: st.DataObject) -> dict[str, Any]:
        """What a new stream asks for."""
        return {}

    # -- instances ----------------------------------------------------------

    @initialize(data=st.data(), capacities=st.lists(_CAPACITIES, min_size=1, max_size=4), count=st.integers(0, 12))
    def begin(self, data: st.DataObject, capacities: list[int], count: int) -> None:
        """Some instances, listening to some streams already."""
        for name, capacity in zip(["ana", "bea", "cid", "davi"], capacities, strict=False):
            self.fleet.join(name, capacity, **self.traits(data))
        for _ in range(count):
            self.fleet.call("add_stream", url=f"http://radio.example/{uuid4()}", **self.wishes(data))
        for worker in self.fleet.workers:
            self.fleet.beat(worker)

    @rule(data=st.data(), name=_NAMES, capacity=_CAPACITIES, takeover=st.booleans())
    def join(self, data: st.DataObject, name: str, capacity: int, takeover: bool) -> None:
        self.fleet.join(name, capacity, ["OR104", "OR404"], takeover=takeover, **self.traits(data))

    @precondition(has_workers)
    @rule(data=st.data(), capacity=_CAPACITIES)
    def register_again(self, data: st.DataObject, capacity: int) -> None:
        """The same process: its streams and epochs stay."""
        worker = self.a_worker(data)
        self.fleet.register(worker, capacity, ["OR104", "OR404"], **self.traits(data))
        if self.fleet.refusal:
            self.fleet.kill(worker)

    @precondition(has_workers)
    @rule(data=st.data(), wants_to_drain=st.sampled_from([False, False, False, True]))
    def beat(self, data: st.DataObject, wants_to_drain: bool) -> None:
        report = {"status": "draining"} if wants_to_drain else {}
        self.fleet.beat(self.a_worker(data), lambda: data.draw(st.booleans(), "heeds"), **report)

    @precondition(has_workers)
    @rule(data=st.data())
    def attach(self, data: st.DataObject) -> None:
        self.fleet.attach(self.a_worker(data))

    @precondition(has_workers)
    @rule(data=st.data(), connection_too=st.booleans())
    def fall_silent(self, data: st.DataObject, connection_too: bool) -> None:
        worker = self.a_worker(data)
        worker.beating = False
        if connection_too:
            self.fleet.detach(worker)

    @precondition(has_workers)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        self.fleet.kill(self.a_worker(data))

    @precondition(has_workers)
    @rule(data=st.data())
    def say_goodbye(self, data: st.DataObject) -> None:
        worker = self.a_worker(data)
        self.fleet.call("deregister_instance", ["OR301"], instance_id=worker.name, incarnation=worker.incarnation)
        self.fleet.kill(worker)

    @precondition(has_workers)
    @rule(data=st.data(), seconds=st.sampled_from([5, 60]))
    def suspend(self, data: st.DataObject, seconds: int) -> None:
        worker = self.a_worker(data)
        who = {"instance_id": worker.name, "incarnation": worker.incarnation}
        self.fleet.call("suspend_instance", ["OR301"], **who, **{"for": f"{seconds} seconds"})
        worker.beating = False

    @precondition(has_workers)
    @rule(data=st.data())
    def report(self, data: st.DataObject) -> None:
        worker = self.a_worker(data)
        self.fleet.report(worker)

    @precondition(has_instances)
    @rule(data=st.data(), capacity=_CAPACITIES)
    def set_capacity(self, data: st.DataObject, capacity: int) -> None:
        self.fleet.call("set_capacity", ["OR404"], instance_id=self.an_instance(data), max_streams=capacity)

    @precondition(has_instances)
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        self.fleet.call("drain_instance", ["OR404"], instance_id=self.an_instance(data))

    @precondition(has_instances)
    @rule(data=st.data())
    def undrain(self, data: st.DataObject) -> None:
        self.fleet.call("undrain_instance", ["OR404"], instance_id=self.an_instance(data))

    @precondition(has_instances)
    @rule(data=st.data(), readmit=st.booleans())
    def remove(self, data: st.DataObject, readmit: bool) -> None:
        name = self.an_instance(data)
        self.fleet.call("remove_instance", instance_id=name)
        if readmit:
            self.fleet.call("readmit_instance", instance_id=name)

    # -- streams ------------------------------------------------------------

    @rule(data=st.data(), count=st.integers(1, 6))
    def add_streams(self, data: st.DataObject, count: int) -> None:
        wishes = self.wishes(data)
        for _ in range(count):
            self.fleet.call("add_stream", url=f"http://radio.example/{uuid4()}", **wishes)

    @precondition(has_streams)
    @rule(data=st.data())
    def remove_stream(self, data: st.DataObject) -> None:
        self.fleet.call("remove_stream", stream_id=self.a_stream(data))

    @precondition(has_streams)
    @rule(data=st.data(), active=st.booleans())
    def switch_stream(self, data: st.DataObject, active: bool) -> None:
        self.fleet.call("set_stream_active", stream_id=self.a_stream(data), active=active)

    # -- balancing ----------------------------------------------------------

    @rule()
    def pause(self) -> None:
        self.fleet.call("pause_balancing")

    @rule()
    def resume(self) -> None:
        self.fleet.call("resume_balancing")

    @rule()
    def rebalance(self) -> None:
        self.fleet.call("rebalance", ["OR401"])

    @rule(between=st.booleans())
    def plan(self, between: bool) -> None:
        rows = self.fleet.call("plan_rebalance")
        if between:
            self.fleet.run_jobs()
        if rows:
            self.fleet.call("apply_plan", ["OR401", "OR403"], plan_id=rows[0]["plan_id"])

    @rule(
        setting=st.sampled_from(
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
    )
    def set_setting(self, setting: tuple[str, str]) -> None:
        self.fleet.call("set_setting", name=setting[0], value=setting[1])

    @rule(seconds=st.sampled_from([1, 2.5, 11, 31, 100, 290]), several=st.booleans())
    def pass_time(self, seconds: float, several: bool) -> None:
        """Time passes without a word from anybody; then the jobs run, once or until the second ends."""
        self.fleet.clock.advance(f"{seconds} seconds")
        if several:
            self.fleet.run_jobs()
        else:
            assert self.fleet.call("run_next_job")[0]["error"] is None

    @rule(seconds=st.sampled_from([3, 12, 32, 301]))
    def live_on(self, seconds: float) -> None:
        self.fleet.pass_time(seconds)

    @rule()
    def settle(self) -> None:
        self.fleet.call("resume_balancing")
        self.fleet.settle()
        check_settled(self.fleet.now)
        self.check_rest()

    def check_rest(self) -> None:
        """A fleet at rest is fair (R1.4)."""
        check_fair(self.fleet.now, 2)

    def teardown(self) -> None:
        self.settle()
        self.fleet.close()


class MixedFleet(PlainFleet):
    least: ClassVar[bool] = False

    def traits(self, data: st.DataObject) -> dict[str, Any]:
        able = data.draw(st.sets(st.sampled_from(["hd", "dab"])), "capabilities")
        return {
            "capabilities": ["audio_fingerprinting", *sorted(able)],
            "location": data.draw(st.sampled_from([None, "norte", "sul"]), "location"),
        }

    def wishes(self, data: st.DataObject) -> dict[str, Any]:
        return {
            "required_capabilities": data.draw(st.sampled_from([[], [], ["hd"], ["dab"], ["dab", "hd"]]), "required"),
            "region": data.draw(st.sampled_from([None, None, "norte", "sul"]), "region"),
        }

    @rule(strategy=st.sampled_from(["capacity", "performance", "location"]))
    def set_strategy(self, strategy: str) -> None:
        self.fleet.call("set_setting", name="strategy", value=strategy)

    @rule(most=st.sampled_from([0, 1, 2]))
    def limit_moves(self, most: int) -> None:
        self.fleet.call("set_setting", name="max_moves_per_rebalance", value=str(most))

    @precondition(PlainFleet.has_workers)
    @rule(data=st.data(), processed=st.integers(0, 100), errors=st.integers(0, 100))
    def report_performance(self, data: st.DataObject, processed: int, errors: int) -> None:
        self.fleet.beat(self.a_worker(data), processed_count=processed, error_count=errors)

    @precondition(PlainFleet.has_streams)
    @rule(data=st.data(), here=st.booleans())
    def pin(self, data: st.DataObject, here: bool) -> None:
        name = None if here or not self.fleet.now.instances else self.an_instance(data)
        self.fleet.call("pin_stream", ["OR101", "OR404", "OR405"], stream_id=self.a_stream(data), instance_id=name)

    @precondition(PlainFleet.has_streams)
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        self.fleet.call("unpin_stream", stream_id=self.a_stream(data))

    @precondition(lambda self: self.has_streams() and self.has_instances())
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        self.fleet.call(
            "move_stream",
            ["OR402", "OR404", "OR405"],
            stream_id=self.a_stream(data),
            instance_id=self.an_instance(data),
        )

    @precondition(PlainFleet.has_workers)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        worker = self.a_worker(data)
        if worker.running:
            streams = data.draw(st.lists(st.sampled_from(sorted(worker.running)), unique=True), "released")
            for stream_id in streams:
                del worker.running[stream_id]
            self.fleet.call(
                "release_streams",
                ["OR301"],
                instance_id=worker.name,
                incarnation=worker.incarnation,
                streams=streams,
            )

    @precondition(PlainFleet.has_workers)
    @rule(data=st.data(), times=st.integers(1, 3))
    def fail(self, data: st.DataObject, times: int) -> None:
        worker = self.a_worker(data)
        if worker.running:
            stream_id = data.draw(st.sampled_from(sorted(worker.running)), "failing")
            failed = Jsonb([{"stream_id": stream_id, "epoch": worker.running[stream_id], "error": "no sound"}])
            who = {"instance_id": worker.name, "incarnation": worker.incarnation}
            for _ in range(times):
                self.fleet.call("acknowledge", ["OR301"], **who, failed=failed)

    @rule(data=st.data(), ids=st.sets(st.integers(1, 8), min_size=1), asleep=st.sets(st.integers(1, 8)))
    def sync(self, data: st.DataObject, ids: set[int], asleep: set[int]) -> None:
        """A list brings streams, changes their addresses and requirements, switches them off and lets them vanish."""
        batch = uuid4()
        db.call(self.fleet.conn, "add_source", source="list")
        for line, external_id in enumerate(sorted(ids)):
            needs = data.draw(st.sampled_from(["[]", '["hd"]']), "needs")
            address = data.draw(st.sampled_from(["a", "b"]), "address")
            self.fleet.execute(
                "insert into {api}.stream_staging (batch, line, external_id, url, active, metadata)"
                " values (%s, %s, %s, %s, %s, %s)",
                [
                    batch,
                    line,
                    str(external_id),
                    f"http://{address}.example/{external_id}",
                    external_id not in asleep,
                    f'{{"required_capabilities": {needs}}}',
                ],
            )
        self.fleet.call("sync_streams", source="list", batch=batch, force=True)

    def check_rest(self) -> None:
        """Pins, requirements and refusals may hold a mixed fleet away from fair; nothing waits all the same."""


@pytest.mark.parametrize("machine", [PlainFleet, MixedFleet])
def test_the_laws_hold_whatever_happens(
    shared_database: Database, conn: db.Connection, machine: type[PlainFleet]
) -> None:
    """R1.1, R1.2, R1.4, R3.3: one owner, within capacity, fair when settled, least moves, everything recorded."""
    machine.database, machine.conn = shared_database, conn
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=_STEPS))
