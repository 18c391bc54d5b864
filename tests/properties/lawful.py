"""A fleet driven against a real database: workers that do as they are told, sooner or later or in part."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from tests.properties.laws import Snapshot, check_decision, check_now, check_step, look
from tests.support import Clock, Database, digest_of, query

_EMPTY = """
truncate {private}.assignment, {private}.stream, {private}.instance, {private}.heartbeat, {private}.instance_load,
    {private}.requirement_load, {private}.requirement, {private}.withdrawal, {private}.refusal, {private}.movement,
    {private}.decision, {private}.plan, {private}.plan_move, {private}.settle_request, {private}.job_run,
    {private}.open_gap, {private}.gap, {private}.active_time, {private}.alert, {private}.alert_delivery,
    {private}.repair, {private}.stall, {private}.station_fault,
    {private}.failure_count, {private}.failure_streak, {private}.incident_pattern, {private}.activity_sample,
    {api}.stream_staging restart identity cascade;
"""
_AS_NEW = """
delete from {private}.settle_request;
delete from {private}.source where source <> 'manual';
update {private}.controller set paused_at = null, paused_by = null, paused_reason = null, last_balanced_at = null,
    sessions_trusted_from = null, silence_counts_from = null, silence_trusted_from = null,
    recovery_since = null, recovery_ended_at = null, recovery_detail = null,
    server_started_at = {private}.server_started_at(), server_timeline = {private}.server_timeline();
update {private}.setting set value = default_value where value <> default_value;
update {private}.metric_count set value = 0, counts = null, counted_to = null;
update {private}.job set next_run_at = {private}.now(), claimed_by = null, claimed_until = null;
"""


# Decisions that are made because hand-overs end, which changes loads by itself.
_ANSWERS = ("new process", "next owner gone")


@dataclass(eq=False)
class Worker:
    """A process as it sees itself: what it runs, under which epochs. It obeys, when it hears."""

    name: str
    process: str
    incarnation: int
    beating: bool = True
    running: dict[int, int] = field(default_factory=dict)
    able: bool = False
    """It can make before break."""
    preparing: dict[int, int] = field(default_factory=dict)
    """What it connects to without owning it, under the epochs that it is going to have …"""
    hearing: set[int] = field(default_factory=set)
    """… and of that, what it hears: said with each beat, because that it was said may be lost."""
    session: db.Connection | None = None
    stop_within: float | None = None
    """Seconds after the last answer to a beat in which it stops everything by itself."""
    heard_at: datetime | None = None
    """When it sent the last beat (or registration) that was answered."""
    ordered_away: bool = False
    """An administrator took what it had, or another process took its place, by force."""

    @property
    def who(self) -> dict[str, Any]:
        return {"instance_id": self.name, "incarnation": self.incarnation}


class LawfulFleet:
    """The database, its clock and the workers. Each call is followed by the laws."""

    def __init__(
        self, database: Database, conn: db.Connection, clock: Clock, *, least: bool, is_empty: bool = False
    ) -> None:
        """`is_empty`: nobody used the database before. To empty it makes tables that are others to the catalog."""
        self.database = database
        self.conn = conn
        self.clock = clock
        self.least = least
        self.workers: list[Worker] = []
        self.refusal: str | None = None
        self.story: list[str] = []
        self.nothing_to_repair = True
        self._unsure: set[str] = set()
        self._processes = 0
        self.execute(_AS_NEW if is_empty else _EMPTY + _AS_NEW)
        self.now: Snapshot = look(conn)

    def execute(self, text: Any, parameters: Any = None) -> list[db.Row]:
        return query(self.conn, text, self.conn.names, parameters)

    def call(self, function: str, refused: Collection[str] = (), **parameters: Any) -> list[db.Row]:
        """Call a function and look whether the laws still hold. `refused`: SQLSTATEs that are a fair answer."""
        try:
            return self.step(lambda: db.call(self.conn, function, **parameters), refused)
        finally:
            self.story.append(f"{self.now.moment:%H:%M:%S} {function} {parameters}")

    def step(self, act: Callable[[], list[db.Row]], refused: Collection[str] = ()) -> list[db.Row]:
        before = self.now
        self.refusal = None
        try:
            rows = act()
        except OrchestratorError as error:
            if error.code not in refused:
                raise
            self.refusal = error.code
            rows = []
        self.look_again()
        made = self.now.decisions.keys() - before.decisions.keys()
        if len(made) == 1 and self.now.decisions[max(made)]["rule"] not in _ANSWERS:
            check_decision(before, self.now, least=self.least)
        return rows

    def look_again(self) -> Snapshot:
        """The laws, after something that others did."""
        before, self.now = self.now, look(self.conn)
        check_now(self.now)
        check_step(before, self.now)
        self._check_one_listener()
        self._check_none_is_early()
        if self.nothing_to_repair:
            # all obey sooner or later, forget and invent nothing; an instance that was lost may claim what it had (R3)
            unsure = self._told_to_stop_what_never_ran(before)
            repairs = [repair for repair in self.now.repairs if repair["instance_id"] not in unsure]
            assert not repairs, repairs
        return self.now

    def _told_to_stop_what_never_ran(self, before: Snapshot) -> list[str]:
        """Whose streams were taken or asked for before it confirmed them: it is unknown whether it ran them."""
        for stream_id, was in before.assignments.items():
            now = self.now.assignments.get(stream_id)
            if was["state"] == "assigned" and (now is None or now["state"] in ("idle", "releasing")):
                self._unsure.add(was["instance_id"])
        return sorted(self._unsure)

    def _check_one_listener(self) -> None:
        """What two processes run at once, at most one may write."""
        writers: dict[int, str] = {}
        for worker in self.workers:
            for stream_id, epoch in worker.running.items():
                a = self.now.assignments.get(stream_id)
                if a is not None and a["instance_id"] is not None and a["epoch"] == epoch:
                    assert a["instance_id"] == worker.name, (worker, a)
                    assert stream_id not in writers, (worker, writers[stream_id])
                    writers[stream_id] = worker.name

    def _check_none_is_early(self) -> None:
        """What a worker that stops by itself may still run belongs to it or has no owner (R5.2)."""
        stopping = [worker for worker in self.workers if worker.stop_within is not None]
        if not stopping:
            return
        now = self.now.moment
        for worker in stopping:
            assert worker.stop_within is not None and worker.heard_at is not None
            if now >= worker.heard_at + timedelta(seconds=worker.stop_within):
                worker.running, worker.preparing = {}, {}
            for stream_id in () if worker.ordered_away else worker.running:
                a = self.now.assignments.get(stream_id)
                assert a is None or a["instance_id"] in (None, worker.name), (worker, a)

    # -- workers ------------------------------------------------------------

    def start(self, *capacities: int, streams: int = 0) -> list[Worker]:
        """Instances fv-1, fv-2, … that listen to streams, settled."""
        workers = [self.join(f"fv-{number}", capacity) for number, capacity in enumerate(capacities, start=1)]
        for number in range(streams):
            self.call("add_stream", url=f"http://radio.example/{number}")
        self.settle()
        return [worker for worker in workers if worker is not None]

    def join(self, name: str, capacity: int, refused: Collection[str] = (), **traits: Any) -> Worker | None:
        """A new process under this name; None when it was refused."""
        self._processes += 1
        worker = Worker(name, f"{name} {self._processes}", 0)
        ordered_away = {other: other.ordered_away for other in self.workers if other.name == name}
        for other in ordered_away:
            other.ordered_away |= bool(traits.get("takeover") and traits.get("force"))
        if not self.register(worker, capacity, refused, **traits):
            for other, was_ordered_away in ordered_away.items():
                other.ordered_away = was_ordered_away
            return None
        for other in self.workers:
            if other.name == name and other is not worker:
                if other.stop_within is not None and other.running:
                    assert other.ordered_away, (other, worker)
                other.ordered_away = True
        return worker

    def register(self, worker: Worker, capacity: int, refused: Collection[str] = (), **traits: Any) -> bool:
        able = traits.pop("make_before_break", False)
        if worker not in self.workers:
            worker.able = able
        metadata = {"process": worker.process, "make_before_break": worker.able}
        who = {"instance_id": worker.name, "metadata": metadata}
        rows = self.call("register_instance", refused, max_streams=capacity, **who, **traits)
        if not rows:
            return False
        worker.incarnation = rows[0]["incarnation"]
        worker.beating = True
        worker.heard_at = self.now.moment
        worker.stop_within = float(traits["stop_within"].split()[0]) if "stop_within" in traits else None
        if worker not in self.workers:
            self.workers.append(worker)
        # what it runs beside the full set that it reads then, it stops
        full = {row["stream_id"] for row in self.call("get_assignments", **worker.who)}
        if surplus := worker.running.keys() - full:
            worker.running = {stream_id: epoch for stream_id, epoch in worker.running.items() if stream_id in full}
            self.call("acknowledge", **worker.who, stopped=sorted(surplus))
        return True

    def attach(self, worker: Worker) -> None:
        if worker.session is None:
            worker.session = self.database.connect()
        session = worker.session
        self.step(lambda: db.call(session, "attach_session", **worker.who), ["OR301"])

    def detach(self, worker: Worker) -> None:
        if worker.session is not None:
            pid = worker.session.info.backend_pid
            worker.session.close()
            worker.session = None
            while self.conn.execute("select 1 from pg_stat_activity where pid = %s", [pid]).fetchone() is not None:
                time.sleep(0.001)

    def kill(self, worker: Worker) -> None:
        self.detach(worker)
        self.workers.remove(worker)

    def beat(
        self, worker: Worker, heed: Callable[[], bool] = lambda: True, *, acknowledge: bool = True, **report: Any
    ) -> None:
        """Beat, do what the answer says as far as `heed` lets each command through, and acknowledge."""
        worker.beating = True
        told = digest_of(worker.running.items())
        commands = self.call("heartbeat", ["OR301"], **worker.who, digest=told, report=Jsonb(report))
        if self.refusal is not None:
            self.kill(worker)  # it has a successor, or was removed
            return
        worker.heard_at = self.now.moment
        started = self._prepare(worker, commands, heed)
        stopped: list[int] = []
        for command in commands:
            stream_id = command["stream_id"]
            if command["action"] == "prepare" or not heed():
                continue
            if command["action"] == "remove":
                worker.running.pop(stream_id, None)
                stopped.append(stream_id)
            else:
                worker.running[stream_id] = command["epoch"]
                started[stream_id] = command["epoch"]
        if acknowledge and (started or stopped):
            self.confirm(worker, started, stopped)

    def _prepare(self, worker: Worker, commands: list[db.Row], heed: Callable[[], bool]) -> dict[int, int]:
        """Connect to what is named, let go of what is not any more; returns all that it hears."""
        named = {row["stream_id"]: row["epoch"] for row in commands if row["action"] == "prepare"}
        worker.preparing = {s: epoch for s, epoch in named.items() if worker.preparing.get(s) == epoch or heed()}
        worker.hearing = {s for s in worker.preparing if s in worker.hearing or heed()}
        return {s: epoch for s, epoch in worker.preparing.items() if s in worker.hearing}

    def confirm(self, worker: Worker, started: Mapping[int, int], stopped: Collection[int] = ()) -> None:
        """Acknowledge. A start makes it the owner of what it was asked to prepare, under that epoch and no other."""
        before = self.now
        epochs = list(started.values())
        who = worker.who
        self.call("acknowledge", ["OR301"], **who, started=list(started), started_epochs=epochs, stopped=list(stopped))
        for stream_id, epoch in started.items() if self.refusal is None else ():
            was, now = before.assignments.get(stream_id), self.now.assignments.get(stream_id)
            if was is None or now is None or stream_id in stopped:
                continue
            if was["next_instance_id"] == worker.name and was["make_before_break"] and epoch == was["next_epoch"]:
                assert (now["instance_id"], now["epoch"]) == (worker.name, epoch) or now["state"] == "running", (
                    was,
                    now,
                )
            else:
                assert (now["instance_id"], now["epoch"]) == (was["instance_id"], was["epoch"]), (was, now)

    def beat_in_vain(self, worker: Worker) -> None:
        """A beat that arrives, and whose answer is lost."""
        report = Jsonb({})
        self.call("heartbeat", ["OR301"], **worker.who, digest=digest_of(worker.running.items()), report=report)

    def order_away(self, name: str) -> None:
        """An administrator takes everything from the instance of this name, by force."""
        for worker in self.workers:
            worker.ordered_away |= worker.name == name

    def report(self, worker: Worker) -> None:
        """Say all that runs, and do what the answer says."""
        running = dict(worker.running)
        commands = self.call(
            "report_streams", ["OR301"], **worker.who, streams=list(running), epochs=list(running.values())
        )
        if self.refusal is not None:
            self.kill(worker)
            return
        for command in commands:
            if command["action"] == "remove":
                del worker.running[command["stream_id"]]
            else:
                worker.running[command["stream_id"]] = command["epoch"]

    def living(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.beating]

    # -- time ---------------------------------------------------------------

    def run_jobs(self) -> None:
        """Run what is due, one job at a time, with the laws after each."""
        while (run := self.call("run_next_job")[0])["job"] is not None:
            assert run["error"] is None, run["error"]

    def pass_time(self, seconds: float) -> None:
        """Time passes; the living beat, then the jobs run."""
        self.clock.advance(f"{seconds} seconds")
        for worker in self.living():
            self.beat(worker)
        self.run_jobs()

    def settle(self) -> None:
        """Let everything come to rest: hand-overs acknowledged, cooldowns over, jobs with nothing left to do."""
        for _ in range(20):
            seen = len(self.now.movements)
            busy = False
            for seconds in (3, 3, 12, 301):
                self.pass_time(seconds)
                busy = busy or any(a["state"] == "releasing" for a in self.now.assignments.values())
            # check_balance asks for room again and again, as long as one refuses what others cannot have
            pending = self.execute("select reason from {private}.settle_request where reason <> 'room'")
            if not busy and not pending and len(self.now.movements) == seen:
                return
        raise AssertionError("the fleet does not come to rest")

    def close(self) -> None:
        for worker in list(self.workers):
            self.kill(worker)
