"""A fleet of real processes: a server, a ledger, a radio, drivers and workers, and a way to see how they are.

Nothing here decides what happens to it: the demo shows it, the chaos suite breaks it, the benchmark measures it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from json import dumps

from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.database.embedded import Embedded
from orchestrator.database.retry import Round, is_retryable
from orchestrator.errors import OrchestratorError
from orchestrator.install.migrate import migrate
from orchestrator.lab import ledger
from orchestrator.lab.processes import PATIENCE, Process, Processes

DATABASE = "orchestrator"


@dataclass(frozen=True)
class Instance:
    """One instance, as the orchestrator and the ledger see it."""

    instance_id: str
    status: str
    streams: int
    max_streams: int


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment. `stations_heard` are those of the second before the last."""

    instances: Sequence[Instance]
    heard_by: Mapping[str, int]
    settled: bool
    stations: int
    stations_heard: int
    last_complete_second: int
    seconds_written: int
    writes_refused: int

    @property
    def all_heard(self) -> bool:
        return self.stations_heard == self.stations

    def streams_of(self, instance_id: str) -> int:
        """How many streams the orchestrator has given to an instance."""
        return sum(instance.streams for instance in self.instances if instance.instance_id == instance_id)


class Fleet:
    """A real fleet on a server of its own. `on_look` is given each snapshot, or None while the database is away."""

    def __init__(
        self,
        server: Embedded,
        processes: Processes,
        *,
        stations: int,
        on_look: Callable[[Snapshot | None], object] = lambda _: None,
    ) -> None:
        self.server = server
        self.processes = processes
        self.stations = stations
        self.dsn = server.dsn(DATABASE)
        self.ledger_dsn = server.dsn(ledger.DATABASE)
        self._on_look = on_look
        self._connections: dict[str, db.Connection] = {}

    # -- Processes --------------------------------------------------------------

    def set_up(self, *, connect_seconds: float = 0) -> str:
        """Install both databases and start the radio, whose listeners wait so long; returns its address."""
        with db.connect(self.server.dsn(), application_name="demo show") as conn:
            ledger.create_database(conn, ledger.DATABASE)
            ledger.create_database(conn, DATABASE)
        migrate(self.dsn)
        ledger.install(self.ledger_dsn)
        radio = self.processes.start_module(
            "station server",
            "orchestrator.lab.stations",
            *("--stations", str(self.stations), "--connect-seconds", str(connect_seconds)),
        )
        address = f"http://127.0.0.1:{self._port_of(radio)}"
        db.call(self.ledger(), "open_stations", stations=self.stations, address=address)
        db.call(
            self.orchestrator(),
            "add_source",
            source=ledger.DATABASE,
            conninfo=self.ledger_dsn,
            table_name="public.streams",
        )
        return address

    def start_driver(self, name: str, dsn: str | None = None) -> Process:
        """Start one `orchestrator run`; `dsn` is its way to the database, when it has one of its own."""
        return self.processes.start_command(name, "run", "--dsn", dsn or self.dsn, "--name", name)

    def start_worker(
        self, name: str, max_streams: int, *options: str, dsn: str | None = None, process: str | None = None
    ) -> Process:
        """Start one worker; `dsn` is its way to the database, `process` its name, when it has one of its own."""
        return self.processes.start_module(
            process or name,
            "worker_shim.host",
            "orchestrator.lab.listening:create",
            *("--dsn", dsn or self.dsn, "--instance-id", name, "--max-streams", str(max_streams)),
            "--make-before-break",
            *options,
            *("--", self.ledger_dsn),
        )

    # -- What is written down ---------------------------------------------------

    def begin_act(self, act: str, description: str) -> None:
        """Note that an act begins now."""
        Round(tries=10).run(lambda: db.call(self.ledger(), "begin_act", act=act, description=description))

    def keep_record(self) -> None:
        """Copy the orchestrator's movements, decisions and gaps beside the ledger."""
        as_json = partial(Jsonb, dumps=partial(dumps, default=str))
        orchestrator = self.orchestrator()
        db.call(
            self.ledger(),
            "keep_record",
            movements=as_json(db.view(orchestrator, "movements")),
            decisions=as_json(db.view(orchestrator, "decisions")),
            gaps=as_json(db.view(orchestrator, "gaps")),
        )

    # -- Waiting ----------------------------------------------------------------

    def wait_until_all_heard_since(self, moment: float) -> None:
        """Wait for a second that began after that moment and was heard from every station."""
        self.wait_for(
            "all stations are heard", lambda snapshot: snapshot.last_complete_second > moment and snapshot.settled
        )

    def wait_until_share_of(self, worker: Process) -> None:
        """Wait until a worker has its part of the streams, and all are heard."""
        self.wait_for(
            f"{worker.name} has its share", lambda snapshot: snapshot.settled and snapshot.streams_of(worker.name) > 0
        )
        self.wait_until_all_heard_since(time.time())

    def wait_until_up_to_date(self) -> None:
        """Wait until nothing older than what the report counts to the next act is in the hands of a worker."""
        self.wait_for("the ledger is up to date", lambda snapshot: snapshot.last_complete_second >= time.time() - 3)

    def wait_until(self, what: str, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Look until it is so; a database that is away is no answer. `patience` in seconds.

        Raises:
            ScenarioFailed: it never was, or a process ended by itself.
        """
        self.processes.wait_until(what, condition, patience)

    def wait_for(self, what: str, condition: Callable[[Snapshot], bool], patience: float = PATIENCE) -> None:
        """Look until a snapshot is so; `patience` in seconds.

        Raises:
            ScenarioFailed: it never was, or a process ended by itself.
        """
        self.wait_until(what, lambda: (snapshot := self.look()) is not None and condition(snapshot), patience)

    def look(self) -> Snapshot | None:
        """How it is now; None while the database is away."""
        self.processes.check()
        try:
            snapshot = self._snapshot()
        except OrchestratorError as error:
            if not is_retryable(error):
                raise
            snapshot = None
        self._on_look(snapshot)
        return snapshot

    def _snapshot(self) -> Snapshot:
        (watch,) = db.call(self.ledger(), "watch")
        return Snapshot(
            instances=[
                Instance(row["instance_id"], row["status"], row["assigned_streams"], row["max_streams"])
                for row in db.view(self.orchestrator(), "instances", order_by=["instance_id"])
            ],
            heard_by={row["instance_id"]: row["stations_heard"] for row in db.call(self.ledger(), "watch_listeners")},
            settled=len(db.view(self.orchestrator(), "assignments", where={"state": "running"})) == self.stations,
            stations=watch["stations"],
            stations_heard=watch["stations_heard"],
            last_complete_second=watch["last_complete_second"] or 0,
            seconds_written=watch["seconds_written"],
            writes_refused=watch["writes_refused"],
        )

    # -- Connections ------------------------------------------------------------

    def ledger(self) -> db.Connection:
        """A session on the ledger, a new one when the last was lost."""
        return self._connection(ledger.DATABASE)

    def orchestrator(self) -> db.Connection:
        """A session on the orchestrator's database, a new one when the last was lost."""
        return self._connection(DATABASE)

    def _connection(self, database: str) -> db.Connection:
        conn = self._connections.get(database)
        if conn is None or conn.closed:
            conn = self._connections[database] = self._connect(database)
        return conn

    def _connect(self, database: str) -> db.Connection:
        if database == ledger.DATABASE:
            return ledger.connect(self.ledger_dsn, "show")
        return db.connect(self.dsn, application_name="demo show")

    def _port_of(self, radio: Process) -> int:
        self.wait_until("the station server has its port", lambda: radio.log.read_text().endswith("\n"), 20)
        return int(radio.log.read_text())
