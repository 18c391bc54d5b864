"""A fleet that can be broken: real processes, each with a line of its own to the database."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, LiteralString

import psycopg

from orchestrator.database import db
from orchestrator.database.embedded import PORT, USER, Embedded
from orchestrator.lab.fleet import DATABASE, Fleet
from orchestrator.lab.processes import Process, Processes
from tests.chaos.laws import ask
from tests.chaos.proxy import Line, Proxy
from tests.pooler import Pooler
from tests.standby import promote, start_standby

# After a mass disconnect lost sessions are not believed for restart_grace, 60 s; that is waited for, and some more.
LONGEST_QUIET = 150.0

_QUIET = """
select
    not exists (
        select from {private}.instance
        where instance_id = any(%(workers)s)
            and (status <> 'active' or (session_key is not null and session_lost_at is not null) or suspended_until is not null)
    )
    and not exists (select from {private}.settle_request)
    and not exists (select from {private}.withdrawal where instance_id = any(%(workers)s)) as is_settled,
    server_started_at = {private}.server_started_at() and coalesce(sessions_trusted_from <= {private}.now(), true) as trusts_sessions,
    recovery_since is null as balances
from {private}.controller
"""  # noqa: E501  # SQL reads better in whole lines


class BreakableFleet(Fleet):
    """Drivers and workers, the lines between them and the database, and what can be asked about them."""

    def __init__(
        self,
        server: Embedded,
        processes: Processes,
        proxy: Proxy,
        *,
        stations: int,
        workers: int,
        mode: str,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(server, processes, stations=stations)
        self.say = say
        self.drivers: list[Process] = []
        self.workers: list[Process] = []
        self.pooler = Pooler(str(self.server.socket_directory), str(PORT), USER, pool_size=10)
        self._proxy = proxy
        self._strength = workers
        self._mode = mode
        # With one worker gone the others have room for everything, and some to spare.
        self._max_streams = -(-stations * 3 // (2 * max(1, workers - 1)))
        self._socket = self.server.socket_directory / f".s.PGSQL.{PORT}"
        self._upstream: Path | tuple[str, int] = self._socket
        self._lines: dict[str, Line] = {}
        self._number = 0
        self.broken_at = datetime.now(UTC)  # when the present fault was injected
        self._lost = Counter[str]()

    # -- Processes --------------------------------------------------------------

    def start(self) -> None:
        """Two drivers and all workers; returns when every station is heard."""
        self.set_up()
        db.call(self.orchestrator(), "set_setting", name="handoff_mode", value=self._mode)
        for number in (1, 2):
            self.add_driver(f"driver-{number}")
        for _ in range(self._strength):
            self.add_worker()
        self.wait_for("all stations are heard", lambda snapshot: snapshot.all_heard and snapshot.settled)

    def add_driver(self, name: str) -> Process:
        """Start a driver, under an old name or a new one."""
        driver = self.start_driver(name, self.line(name).dsn(DATABASE))
        self.drivers = [other for other in self.drivers if other.name != name] + [driver]
        return driver

    def add_worker(self, name: str | None = None, *options: str) -> Process:
        """Start a worker, under an old id or a new one."""
        if name is None:
            self._number += 1
            name = f"worker-{self._number}"
        worker = self.start_worker(
            name, self._max_streams, "--on-exit", "suspend", *options, dsn=self.line(name).dsn(DATABASE)
        )
        self.workers = sorted([other for other in self.workers if other.name != name] + [worker], key=lambda w: w.name)
        return worker

    def start_twin(self, worker: Process) -> Process:
        """Start a second process under the id of one that lives; it may end by itself."""
        twin = self.start_worker(
            worker.name, self._max_streams, dsn=self.line(f"twin of {worker.name}").dsn(DATABASE), process="twin"
        )
        twin.may_end = True
        return twin

    def restart_worker(self, worker: Process, *options: str, kill: bool = False) -> Process:
        """End a worker, with a word that it will be back or with kill -9, and start it again under its id."""
        if kill or not worker.alive:
            worker.kill()
        else:
            worker.terminate()
            self.wait_until(f"{worker.name} has ended", lambda: not worker.alive)
        incarnation = self.incarnation_of(worker)
        restarted = self.add_worker(worker.name, *options)
        self.wait_until(f"{worker.name} is back", lambda: self.incarnation_of(worker) > incarnation)
        self.wait_until_all_run()
        return restarted

    def restart_driver(self, driver: Process, *, kill: bool = False) -> None:
        """End a driver and start it again under its name."""
        if kill:
            driver.kill()
        else:
            driver.terminate()
            self.wait_until(f"{driver.name} has ended", lambda: not driver.alive)
        self.add_driver(driver.name)

    def put_right(self) -> None:
        """After a fault that did not heal: everything that should be there is, so that the next one has its chance."""
        self.server.start()
        self.go_through(None)
        for line in self._lines.values():
            line.heal()
        for process in [*self.workers, *self.drivers]:
            process.wake()
        for worker in [worker for worker in self.workers if not worker.alive]:
            worker.may_end = True
            self.add_worker(worker.name)
        for driver in [driver for driver in self.drivers if not driver.alive]:
            driver.may_end = True
            self.add_driver(driver.name)

    def pick_one_to_lose(self, random: Random) -> Process:
        """One of the workers that were declared lost least often: who is lost again and again is put on probation."""
        fewest = min(self._lost[worker.name] for worker in self.workers)
        worker = random.choice([worker for worker in self.workers if self._lost[worker.name] == fewest])
        self._lost[worker.name] += 1
        return worker

    def lose(self, worker: Process) -> None:
        """It is gone for good, and was told to."""
        self.workers.remove(worker)

    @property
    def missing(self) -> int:
        """How many workers it takes to be at full strength again."""
        return self._strength - len(self.workers)

    def line(self, name: str) -> Line:
        """The way of one process to the database, open."""
        if name not in self._lines:
            self._lines[name] = self._proxy.open_line(name, self._upstream)
        return self._lines[name]

    def go_through(self, pooler: Pooler | None) -> None:
        """Lead all lines through a pooler, or straight to the server again. What is connected stays as it is."""
        self._upstream = (pooler.host, pooler.port) if pooler else self._socket
        for line in self._lines.values():
            line.upstream = self._upstream

    def lines(self) -> Sequence[Line]:
        """All ways to the database."""
        return list(self._lines.values())

    def handlers_ended(self) -> int:
        """How many handlers have ended until now, as the workers' logs say."""
        logs = {process.log for process in self.processes.all if process.name.startswith("worker")}
        return sum(log.read_bytes().count(b"handler ended stream_id=") for log in logs)

    # -- Questions --------------------------------------------------------------

    def ask(self, question: LiteralString, **parameters: Any) -> list[db.Row]:
        """Ask the orchestrator's database, as tests.chaos.laws.ask does."""
        return ask(self.orchestrator(), question, **parameters)

    def streams_of(self, worker: Process) -> list[int]:
        """The streams that a worker has now."""
        rows = db.view(self.orchestrator(), "assignments", where={"instance_id": worker.name})
        return sorted(row["stream_id"] for row in rows)

    def incarnation_of(self, worker: Process) -> int:
        """Which life of this id the database knows."""
        (row,) = db.view(self.orchestrator(), "instances", where={"instance_id": worker.name})
        return int(row["incarnation"])

    def jobs_run(self) -> int:
        """How often jobs have run until now, all together."""
        return sum(row["runs"] for row in db.view(self.orchestrator(), "jobs"))

    def writes_refused_of(self, worker: Process) -> int:
        """How many seconds of a worker the fence has refused until now."""
        row = (
            self.ledger()
            .execute("select count(*) as refused from music_log.refused where instance_id = %s", [worker.name])
            .fetchone()
        )
        return int(row["refused"]) if row else 0

    def has_ended(self, stream_id: int) -> bool:
        """Whether a stream has no owner, and its last owner has confirmed that."""
        (row,) = self.ask(
            """
            select not exists (
                select from {private}.assignment where stream_id = %(stream_id)s and instance_id is not null
                union all
                select from {private}.withdrawal where stream_id = %(stream_id)s
            ) as has_ended
            """,
            stream_id=stream_id,
        )
        return bool(row["has_ended"])

    # -- What is done to it -----------------------------------------------------

    def terminate(self, application_name: str) -> None:
        """Terminate all sessions with such a name (as for LIKE), but the one that asks."""
        self.ask(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name like %(name)s
            """,
            name=application_name,
        )

    @contextmanager
    def dba(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction of a person who is not part of the system."""
        with psycopg.connect(self.dsn, application_name="chaos dba") as conn:
            yield conn

    def fail_over(self) -> None:
        """A standby takes over from the primary, which crashes; it is found at the same address, as behind a name."""
        primary = self.server
        standby = start_standby(primary, primary.data_directory.with_name("standby"))
        self.broken_at = datetime.now(UTC)
        primary.stop(immediate=True)
        promote(standby)
        self._socket.unlink(missing_ok=True)
        self._socket.symlink_to(standby.socket_directory / self._socket.name)
        self.server = standby

    def move_somewhere_else(self, stream_ids: Sequence[int], random: Random) -> None:
        """Move each of these streams to another worker, by order."""
        owners = {stream_id: worker.name for worker in self.workers for stream_id in self.streams_of(worker)}
        for stream_id in stream_ids:
            target = random.choice([worker.name for worker in self.workers if worker.name != owners[stream_id]])
            db.call(self.orchestrator(), "move_stream", stream_id=stream_id, instance_id=target)

    def begin_moves(self, random: Random) -> tuple[Process, Process]:
        """Order two streams from one worker to another; returns both, the owner first, with the hand-overs open."""
        streams = {worker.name: self.streams_of(worker) for worker in self.workers}
        owner = random.choice([worker for worker in self.workers if len(streams[worker.name]) >= 2])
        heir = random.choice([worker for worker in self.workers if worker is not owner])
        for stream_id in random.sample(streams[owner.name], 2):
            db.call(self.orchestrator(), "move_stream", stream_id=stream_id, instance_id=heir.name)
        return owner, heir

    def set_active(self, stream_id: int, *, active: bool) -> None:
        """Switch a station off or on."""
        db.call(self.orchestrator(), "set_stream_active", stream_id=stream_id, active=active)

    # -- Waiting ----------------------------------------------------------------

    def wait_until_lost(self, worker: Process) -> None:
        """Wait until a worker has nothing any more."""
        self.wait_until(f"{worker.name} is lost", lambda: not self.streams_of(worker), 100)

    def wait_until_replaced(self, worker: Process) -> None:
        """Wait until a worker is lost and others hear what it had."""
        self.wait_until_lost(worker)
        self.wait_until_healed()

    def wait_until_all_run(self) -> None:
        """Wait until every stream is confirmed by its owner, and none is on its way."""
        self.wait_for("all streams run", lambda snapshot: snapshot.settled)

    def wait_until_back(self, *workers: Process) -> None:
        """Wait until these workers (else all) have beaten since the fault, and some driver does some work."""
        names = [worker.name for worker in workers or self.workers]

        def have_beaten() -> bool:
            rows = db.view(self.orchestrator(), "instances")
            return all(row["last_heartbeat"] > self.broken_at for row in rows if row["instance_id"] in names)

        self.wait_until(f"{', '.join(names)} have beaten", have_beaten)
        self.wait_until_jobs_run()

    def wait_until_jobs_run(self) -> None:
        """Wait until some driver has done some work from now on."""
        before: list[int] = []  # asked only when the database can be

        def have_run() -> bool:
            before.append(self.jobs_run())
            return before[-1] > before[0]

        self.wait_until("jobs run", have_run)

    def wait_until_healed(self) -> None:
        """Wait until every station is heard again, from now on."""
        self.wait_until_all_heard_since(time.time())

    def wait_until_quiet(self, *, trusting: bool = False, balancing: bool = False) -> None:
        """Wait until all is as it should be: every worker active, and nothing on its way.

        `trusting`: and lost sessions are believed (again). `balancing`: and no recovery mode holds balancing back.
        """

        def is_quiet() -> bool:
            (found,) = self.ask(_QUIET, workers=[worker.name for worker in self.workers])
            return (
                found["is_settled"]
                and (found["trusts_sessions"] or not trusting)
                and (found["balances"] or not balancing)
            )

        self.wait_until("the fleet is quiet", is_quiet, LONGEST_QUIET)
