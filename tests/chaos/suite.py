"""The run: a fleet is put up, broken in the order that the seed says, watched all the time, and reported on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psycopg

from orchestrator.database.embedded import Embedded
from orchestrator.lab import report
from orchestrator.lab.processes import Processes, ScenarioFailed, interrupted_once
from orchestrator.lab.server import fast_directory, running_server, temporary_directory
from tests.chaos.breakable import BreakableFleet
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.laws import Breach, Law, Watch
from tests.chaos.many import Many
from tests.chaos.proxy import Proxy
from tests.chaos.table import Result, Row
from tests.pooler import pgbouncer


@dataclass(frozen=True)
class Size:
    """How big the fleet is."""

    stations: int
    workers: int


HANDOFF_MODES = ("break_before_make", "make_before_break")
WHOLE, QUICK = Size(stations=24, workers=4), Size(stations=12, workers=3)


@dataclass
class _Acts:
    """What the ledger does not know about the acts of each fault."""

    handlers_ended: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def order(faults: Sequence[Fault], seed: int, *, quick: bool) -> list[Fault]:
    """All injections, in the order that belongs to the seed; quick: each once.

    Those that have to wait after a mass disconnect (a minute until lost sessions are believed again, two until recovery
    mode is over and balancing goes on) come before all that may cause one, so that none of them waits.
    """
    injections = [fault for fault in faults for _ in range(1 if quick else fault.times)]
    Random(seed).shuffle(injections)
    return sorted(injections, key=lambda fault: not (fault.trusting or fault.balancing))


def mode_of(seed: int) -> str:
    """The handoff_mode that belongs to the seed."""
    return Random(seed).choice(HANDOFF_MODES)


def run(
    faults: Sequence[Fault], *, seed: int, mode: str, quick: bool = False, many: bool = False, keep: bool = False
) -> Result:
    """Put up a fleet, break it, and put everything away again; `many`: then 850 streams without audio."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def say_kept(directory: Path) -> None:
        say(f"kept {directory}")

    with (
        temporary_directory(
            "orchestrator-chaos-", within=fast_directory(), keep=say_kept if keep else None
        ) as directory,
        interrupted_once(),
        running_server(directory / "pg") as server,
        ExitStack() as stack,
    ):
        result = Result(seed, mode, _version(server))
        if faults:
            size = QUICK if quick else WHOLE
            result += _hear(server, directory, faults, seed=seed, mode=mode, size=size, say=say, at_the_end=stack)
        if many:
            with Processes(directory) as processes:
                result += Many(server, processes, mode, say).run()
        if deadlocks := sum(log.read_bytes().count(b"deadlock detected") for log in directory.glob("*/log")):
            result += Result(breaches=[Breach(Law.DEADLOCKS, "the whole run", f"{deadlocks} in the server's log")])
        return replace(result, seconds=time.monotonic() - began)


def _hear(
    server: Embedded,
    directory: Path,
    faults: Sequence[Fault],
    *,
    seed: int,
    mode: str,
    size: Size,
    say: Callable[[str], None],
    at_the_end: ExitStack,
) -> Result:
    """The part with audio."""
    quick, random, acts = size is QUICK, Random(seed), _Acts()
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy())
        processes = stack.enter_context(Processes(directory))
        fleet = BreakableFleet(
            server, processes, proxy, stations=size.stations, workers=size.workers, mode=mode, say=say
        )
        stack.callback(fleet.pooler.close)
        at_the_end.callback(lambda: fleet.server.stop())  # which may be another one by then
        fleet.start()
        watch = Watch(fleet.dsn, fleet.ledger_dsn)
        watch.start()
        stack.callback(watch.stop)
        for injection in order(faults, seed, quick=quick):
            if injection.pooled and not pgbouncer():
                say(f"{injection.name}: left out, pgbouncer is not installed")
                continue
            steps = (FAULTS["pooler-in"], injection, FAULTS["pooler-out"]) if injection.pooled else (injection,)
            for fault in steps:
                _inject(fault, fleet, watch, random, acts)
            while fleet.missing > 0 and not quick and not acts.failures:
                _inject(FAULTS["worker-join"], fleet, watch, random, acts)
        return _end(fleet, watch, acts)


def _inject(fault: Fault, fleet: BreakableFleet, watch: Watch, random: Random, acts: _Acts) -> None:
    """One fault, from a quiet fleet to one in which everything is heard again."""
    try:
        fleet.wait_until_quiet(trusting=fault.trusting, balancing=fault.balancing)
        fleet.wait_until_up_to_date()
        watch.act = fault.name
        fleet.say(f"{fault.name}: {fault.description}")
        handlers_ended = fleet.handlers_ended()
        fleet.begin_act(fault.name, fault.description)
        fleet.broken_at = datetime.now(UTC)
        fault.inject(fleet, random)
        fleet.wait_until_quiet()
        fleet.wait_until_healed()
        ended = fleet.handlers_ended() - handlers_ended
        acts.handlers_ended[fault.name] = acts.handlers_ended.get(fault.name, 0) + ended
        if ended and not fault.stops_handlers:
            watch.note(Law.HANDLERS, f"{ended} handlers ended")
    except ScenarioFailed as failed:
        fleet.say(f"{fault.name} never healed: {failed.message}")
        acts.failures.append(f"{fault.name}: {failed.message}")
        watch.note(Law.PROCESSES if "ended by itself" in failed.message else Law.ASSIGNED, failed.message)
        fleet.put_right()


def _end(fleet: BreakableFleet, watch: Watch, acts: _Acts) -> Result:
    with suppress(ScenarioFailed):
        # an act counts to the second before the last: so that this one began when the last fault had healed
        fleet.wait_until_all_heard_since(time.time())
    ended = time.time()
    fleet.begin_act("end", "")
    with suppress(ScenarioFailed):
        fleet.wait_for(
            "the last second is written", lambda snapshot: snapshot.last_complete_second >= int(ended) - 1, 10
        )
    watch.stop()
    watch.look(whole=True)
    fleet.keep_record()
    found = report.read(fleet.ledger())
    rows = [
        _row(FAULTS[name], [act for act in found.acts if act.act == name], watch, acts)
        for name in dict.fromkeys(act.act for act in found.acts)
        if name in FAULTS
    ]
    watch.act = "the whole run"
    if found.totals.seconds_misheard:
        watch.note(Law.SOUND, f"{found.totals.seconds_misheard} rows cannot be true")
    if not found.totals.all_heard_at_the_end:
        watch.note(Law.ASSIGNED, "not every station is heard at the end")
    return Result(rows=rows, breaches=watch.breaches, failures=acts.failures, looks=watch.looks, blind=watch.blind)


def _row(fault: Fault, found: Sequence[report.Act], watch: Watch, acts: _Acts) -> Row:
    """The sum of all acts of one fault, held against what it may cost."""
    watch.act = fault.name
    moves, least = sum(act.moves for act in found), sum(act.least_moves for act in found)
    allowed = 0 if fault.moves == "none" else least
    if moves > allowed:
        watch.note(Law.MOVES, f"{moves} moves, {allowed} allowed")
    unexcused = sum(act.seconds_lost_without_a_move for act in found)
    if unexcused and not fault.loses:
        watch.note(Law.LOST, f"{unexcused} seconds")
    return Row(
        fault=fault.name,
        description=fault.description,
        times=len(found),
        heard_again_after=max(act.seconds_until_all_heard for act in found),
        heard_within=fault.heard_within,
        lost=sum(act.seconds_lost for act in found),
        lost_per_stream=fault.lost_per_stream,
        twice=sum(act.seconds_written_twice for act in found),
        breaches=sum(breach.act == fault.name for breach in watch.breaches),
        moves=moves,
        least_moves=least,
        moves_allowed=fault.moves,
        handlers_ended=acts.handlers_ended.get(fault.name, 0),
    )


def _version(server: Embedded) -> str:
    with closing(psycopg.connect(server.dsn())) as conn:
        return conn.info.parameter_status("server_version") or "?"
