"""What is broken, one function for each fault. The docstring says what is done and what must hold.

A function breaks something, and puts right what the fleet cannot put right by itself. The suite sees to the rest: that
the fleet is quiet before, that every station is heard again after, and that the laws and the bounds hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from orchestrator.database import db
from orchestrator.lab.processes import Process, ScenarioFailed
from tests.chaos.breakable import BreakableFleet

Inject = Callable[[BreakableFleet, Random], None]
Moves = Literal["none", "least"]


@dataclass(frozen=True)
class Fault:
    """One fault and what it may cost.

    moves: none, or the least that reach the balance again.
    loses: whether audio may be lost by a station that does not move; what is lost by one that moves always may.
    stops_handlers: whether a handler may end.
    trusting, balancing: what the fleet has to do before it is injected (see `Fleet.wait_until_quiet`).
    pooled: the fleet goes through PgBouncer meanwhile.
    heard_within: the figure to reach, in seconds, until every station is heard again.
    lost_per_stream: the figure to stay below, in seconds of audio for each stream that moves.
    times: how often a whole run injects it. quick: whether the short form does. hidden: only when it is asked for.
    """

    name: str
    inject: Inject
    moves: Moves
    loses: bool = False
    stops_handlers: bool = True
    trusting: bool = False
    balancing: bool = False
    pooled: bool = False
    heard_within: float | None = None
    lost_per_stream: float | None = None
    times: int = 1
    quick: bool = False
    hidden: bool = False

    @property
    def description(self) -> str:
        """What the function says of itself, its first paragraph."""
        return " ".join((self.inject.__doc__ or "").partition("\n\n")[0].split())


FAULTS: dict[str, Fault] = {}


def fault(name: str, *, moves: Moves, **bounds: Any) -> Callable[[Inject], Inject]:
    """Register a function as a fault; the bounds are those of `Fault`."""

    def register(inject: Inject) -> Inject:
        FAULTS[name] = Fault(name, inject, moves, **bounds)
        return inject

    return register


@fault("worker-kill", moves="least", loses=True, heard_within=20, trusting=True, times=2, quick=True)
def kill_worker(fleet: BreakableFleet, random: Random) -> None:
    """kill -9 of a worker. Its streams are heard elsewhere within 20 s; no others move."""
    victim = random.choice(fleet.workers)
    victim.kill()
    fleet.lose(victim)


@fault("worker-join", moves="least", balancing=True, hidden=True)
def join_worker(fleet: BreakableFleet, random: Random) -> None:
    """A new worker under a new id joins, wherever one is missing. It gets its share, and no more moves than that."""
    fleet.wait_until_share_of(fleet.add_worker())


@fault("crash", moves="none", stops_handlers=False, times=2, quick=True)
def crash_database(fleet: BreakableFleet, random: Random) -> None:
    """PostgreSQL is stopped in immediate mode, as by a crash, and started again. Nothing moves, no handler stops."""
    fleet.server.restart(immediate=True)
    fleet.wait_until_back()


@fault("crash-20s", moves="none", stops_handlers=False)
def crash_database_for_longer(fleet: BreakableFleet, random: Random) -> None:
    """PostgreSQL crashes and stays away for 20 s. Nothing moves, no handler stops."""
    fleet.server.stop(immediate=True)
    time.sleep(20)
    fleet.server.start()
    fleet.wait_until_back()


@fault("promotion", moves="none", stops_handlers=False)
def promote_a_standby(fleet: BreakableFleet, random: Random) -> None:
    """PostgreSQL crashes for good and a synchronous standby is promoted. Nothing moves, no handler stops."""
    fleet.fail_over()
    fleet.wait_until_back()


@fault("worker-stop", moves="none", stops_handlers=False)
def stop_worker(fleet: BreakableFleet, random: Random) -> None:
    """SIGSTOP of a worker for 5 s. It hears what was sent meanwhile; nothing moves, nothing is lost."""
    worker = random.choice(fleet.workers)
    worker.freeze()
    time.sleep(5)
    worker.wake()


@fault("driver-kill", moves="none", stops_handlers=False)
def kill_driver(fleet: BreakableFleet, random: Random) -> None:
    """kill -9 of a driver, then of the other one. The one that is left does the work; for a while none is missed."""
    first, second = random.sample(fleet.drivers, 2)
    first.kill()
    fleet.wait_until_jobs_run()
    second.kill()
    fleet.wait_until_healed()
    for driver in (first, second):
        fleet.add_driver(driver.name)
    fleet.wait_until_jobs_run()


@fault("driver-stop", moves="none", stops_handlers=False)
def stop_driver(fleet: BreakableFleet, random: Random) -> None:
    """SIGSTOP of a driver for 8 s. It holds nothing that the other one would need."""
    driver = random.choice(fleet.drivers)
    driver.freeze()
    fleet.wait_until_jobs_run()
    time.sleep(8)
    driver.wake()


@fault("terminate-one", moves="none", stops_handlers=False)
def terminate_sessions_of_a_worker(fleet: BreakableFleet, random: Random) -> None:
    """pg_terminate_backend of all sessions of one worker. It comes back within the grace: nothing moves."""
    worker = random.choice(fleet.workers)
    fleet.terminate(f"%{worker.name}")
    fleet.wait_until_back(worker)


@fault("terminate-all", moves="none", stops_handlers=False, quick=True)
def terminate_all_sessions(fleet: BreakableFleet, random: Random) -> None:
    """pg_terminate_backend of all sessions at once. Nothing moves, no handler stops."""
    fleet.terminate("%")
    fleet.wait_until_back()


@fault("cut-short", moves="none", stops_handlers=False, quick=True)
def cut_shortly(fleet: BreakableFleet, random: Random) -> None:
    """The connections of one worker are reset, and cannot be made anew for 4 s. Nothing moves."""
    line = fleet.line(random.choice(fleet.workers).name)
    line.cut()
    time.sleep(4)
    line.heal()


@fault("cut-long", moves="least", trusting=True, balancing=True)
def cut_for_long(fleet: BreakableFleet, random: Random) -> None:
    """One worker cannot reach the database. Its streams go to others; it hears on, and the fence refuses it."""
    worker = fleet.pick_one_to_lose(random)
    fleet.line(worker.name).cut()
    fleet.wait_until_replaced(worker)
    fleet.line(worker.name).heal()
    fleet.wait_until_share_of(worker)


@fault("hold-short", moves="none", stops_handlers=False)
def hold_shortly(fleet: BreakableFleet, random: Random) -> None:
    """One worker's connection is half-open for 5 s: nothing passes, nothing ends. No driver notices."""
    line = fleet.line(random.choice(fleet.workers).name)
    line.hold()
    time.sleep(5)
    line.heal()


@fault("hold-long", moves="least", trusting=True, balancing=True)
def hold_for_long(fleet: BreakableFleet, random: Random) -> None:
    """One worker's connection is half-open for good; after 25 s the server loses it, as its keepalives would.

    Its streams go to others, it hears on, and the fence refuses it. When the line heals it comes back for its share.
    """
    worker = fleet.pick_one_to_lose(random)
    line = fleet.line(worker.name)
    line.hold()
    time.sleep(25)
    line.lose_server_side()
    fleet.wait_until_replaced(worker)
    line.heal()
    fleet.wait_until_share_of(worker)


@fault("lease-cut", moves="least", loses=True, trusting=True, balancing=True)
def isolate_one_that_stops(fleet: BreakableFleet, random: Random) -> None:
    """A worker with on_isolation = stop and a lease of 60 s is cut off. It stops before others get its streams."""
    worker = fleet.restart_worker(fleet.pick_one_to_lose(random), "--lease", "60")
    refused = fleet.writes_refused_of(worker)
    fleet.line(worker.name).cut()
    fleet.wait_until_replaced(worker)
    fleet.line(worker.name).heal()
    fleet.wait_until_share_of(worker)
    _nothing_more_refused(fleet, worker, refused)
    fleet.restart_worker(worker)


@fault("lease-stop", moves="least", loses=True, trusting=True, balancing=True)
def freeze_one_that_stops(fleet: BreakableFleet, random: Random) -> None:
    """A worker with on_isolation = stop and a lease of 60 s hangs for longer. Waking up it looks at the clock first."""
    worker = fleet.restart_worker(fleet.pick_one_to_lose(random), "--lease", "60")
    refused = fleet.writes_refused_of(worker)
    worker.freeze()
    fleet.wait_until_replaced(worker)
    worker.may_end = True  # its promise was broken while it could do nothing about it
    worker.wake()
    time.sleep(2)
    worker = fleet.restart_worker(worker)
    fleet.wait_until_share_of(worker)
    _nothing_more_refused(fleet, worker, refused)


def _nothing_more_refused(fleet: BreakableFleet, worker: Process, refused: int) -> None:
    if more := fleet.writes_refused_of(worker) - refused:
        raise ScenarioFailed(f"{worker.name} had not stopped before others got its streams: {more} writes were refused")


@fault("slow", moves="none", stops_handlers=False)
def slow_down(fleet: BreakableFleet, random: Random) -> None:
    """The way to the database of all takes 200 ms each way for 15 s. Nothing moves."""
    for line in fleet.lines():
        line.delay = 0.2
    time.sleep(15)
    for line in fleet.lines():
        line.heal()


@fault("twin", moves="none", stops_handlers=False, quick=True)
def start_a_twin(fleet: BreakableFleet, random: Random) -> None:
    """A second process starts under an id that is in use. It is refused and ends; the first is not disturbed."""
    worker = random.choice(fleet.workers)
    incarnation = fleet.incarnation_of(worker)
    twin = fleet.start_twin(worker)
    fleet.wait_until("the second one has ended", lambda: not twin.alive)
    if "OR104" not in twin.last_words() or fleet.incarnation_of(worker) != incarnation:
        raise ScenarioFailed(f"the second process was not refused as it should: {twin.last_words()}")


@fault("table-locks", moves="none", stops_handlers=False)
def lock_tables(fleet: BreakableFleet, random: Random) -> None:
    """A DBA holds the tables assignment and instance in access exclusive mode for 20 s. Nothing moves."""
    with fleet.dba() as conn:
        conn.execute(
            "lock table orchestrator_private.assignment, orchestrator_private.instance in access exclusive mode"
        )
        time.sleep(20)


@fault("deaf", moves="least", loses=True, balancing=True, heard_within=33)
def drop_notifications(fleet: BreakableFleet, random: Random) -> None:
    """All notifications are lost, streams move and one is added. All is in its place within one beat.

    That is heartbeat_interval (30 s), settle_window (2 s) and a second.
    """
    added, *moved = random.sample(range(1, fleet.stations + 1), 4)
    fleet.set_active(added, active=False)
    fleet.wait_until("its handler has ended", lambda: fleet.has_ended(added))
    for line in fleet.lines():
        line.deaf = True
    fleet.set_active(added, active=True)
    fleet.move_somewhere_else(moved, random)
    fleet.wait_until_all_run()
    fleet.wait_until_healed()
    for line in fleet.lines():
        line.heal()


@fault("crash-moving", moves="least", quick=True)
def crash_while_streams_move(fleet: BreakableFleet, random: Random) -> None:
    """PostgreSQL crashes while streams are on their way to another worker. They arrive, and nothing else moves."""
    fleet.begin_moves(random)
    fleet.server.restart(immediate=True)
    fleet.wait_until_back()


@fault("cut-moving", moves="least")
def cut_while_streams_move(fleet: BreakableFleet, random: Random) -> None:
    """The next owner of streams on their way is cut off for 4 s, then the owner of others. Nothing else moves."""
    for which in (1, 0):
        line = fleet.line(fleet.begin_moves(random)[which].name)
        line.cut()
        time.sleep(4)
        line.heal()
        fleet.wait_until_all_run()


@fault("kill-moving", moves="least", loses=True)
def kill_while_streams_move(fleet: BreakableFleet, random: Random) -> None:
    """kill -9 of the next owner of streams on their way, then of the owner of others. Both come back."""
    for which in (1, 0):
        fleet.restart_worker(fleet.begin_moves(random)[which], kill=True)


@fault("drivers-moving", moves="least")
def kill_drivers_while_streams_move(fleet: BreakableFleet, random: Random) -> None:
    """kill -9 of both drivers while streams are on their way to another worker. They arrive without a driver."""
    fleet.begin_moves(random)
    for driver in list(fleet.drivers):
        driver.kill()
    fleet.wait_until_all_run()
    for driver in list(fleet.drivers):
        fleet.add_driver(driver.name)
    fleet.wait_until_jobs_run()


@fault("rolling-suspend", moves="none", loses=True)
def restart_all(fleet: BreakableFleet, random: Random) -> None:
    """Every worker and driver is restarted under its id, one after the other, and says so. Nothing moves."""
    for worker in list(fleet.workers):
        fleet.restart_worker(worker)
    for driver in list(fleet.drivers):
        fleet.restart_driver(driver)


@fault("rolling-kill", moves="none", loses=True)
def kill_and_restart_all(fleet: BreakableFleet, random: Random) -> None:
    """Every worker is killed with -9 and started again under its id, one after the other. Nothing moves."""
    for worker in list(fleet.workers):
        fleet.restart_worker(worker, kill=True)


@fault("drain", moves="least", lost_per_stream=1, balancing=True)
def drain_worker(fleet: BreakableFleet, random: Random) -> None:
    """An operator drains a worker, then ends it. Its streams go to others, each with less than a second lost."""
    leaver = random.choice(fleet.workers)
    db.call(fleet.orchestrator(), "drain_instance", instance_id=leaver.name)
    fleet.wait_until(f"{leaver.name} is empty", lambda: not fleet.streams_of(leaver))
    fleet.wait_until_healed()
    leaver.terminate()
    fleet.wait_until(f"{leaver.name} has ended", lambda: not leaver.alive)
    db.call(fleet.orchestrator(), "remove_instance", instance_id=leaver.name, reason="gone for good")
    fleet.lose(leaver)


@fault("pooler-restart", moves="none", stops_handlers=False, pooled=True)
def restart_pooler(fleet: BreakableFleet, random: Random) -> None:
    """PgBouncer in transaction mode stands between everything, and is killed and started again. Nothing moves."""
    fleet.pooler.restart()
    fleet.wait_until_back()


@fault("pooler-in", moves="none", loses=True, hidden=True)
def go_through_pooler(fleet: BreakableFleet, random: Random) -> None:
    """The whole fleet is restarted, one after the other, to go through PgBouncer in transaction mode. Nothing moves."""
    fleet.pooler.start()
    fleet.go_through(fleet.pooler)
    restart_all(fleet, random)


@fault("pooler-out", moves="none", loses=True, hidden=True)
def leave_pooler(fleet: BreakableFleet, random: Random) -> None:
    """The whole fleet is restarted, one after the other, to go straight to the server again. Nothing moves."""
    fleet.go_through(None)
    restart_all(fleet, random)
    fleet.pooler.stop()


@fault("sabotage", moves="none", hidden=True)
def write_a_second_twice(fleet: BreakableFleet, random: Random) -> None:
    """A second is written twice, on purpose. The suite must find it and fail."""
    fleet.ledger().execute("insert into music_log.heard select * from music_log.heard order by second desc limit 1")
