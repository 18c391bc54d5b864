"""A fleet for the tests: an administrator, workers that do as they are told, and time that a test lets pass."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from tests.driver.processes import wait_until
from tests.support import Clock, Database, digest_of, query

Row = dict[str, Any]


@contextmanager
def refused(code: str) -> Iterator[pytest.ExceptionInfo[OrchestratorError]]:
    """The call inside is refused with this code, in a message with a detail and a hint."""
    with pytest.raises(OrchestratorError) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value.code} {caught.value.message} {caught.value.detail}"
    assert caught.value.message
    assert caught.value.hint
    assert caught.value.detail is not None


@dataclass
class Worker:
    """One process of an instance: what it runs is what it was told, when it obeys."""

    fleet: "Fleet"
    instance_id: str
    incarnation: int
    process: str
    running: dict[int, int] = field(default_factory=dict)
    """Stream ids with their epochs."""

    def call(self, function: str, **parameters: Any) -> list[Row]:
        return db.call(
            self.fleet.worker_conn, function, instance_id=self.instance_id, incarnation=self.incarnation, **parameters
        )

    def beat(self, **report: Any) -> list[Row]:
        """One beat; the answer is not acted upon."""
        return self.call("heartbeat", digest=digest_of(self.running.items()), report=report)

    def follow(self, commands: Sequence[Row]) -> None:
        """Do what the commands say and confirm it in one batch."""
        stopped = [row["stream_id"] for row in commands if row["action"] == "remove"]
        started = {row["stream_id"]: row["epoch"] for row in commands if row["action"] == "add"}
        for stream_id in stopped:
            self.running.pop(stream_id, None)
        self.running |= started
        self.acknowledge(started=started, stopped=stopped)

    def acknowledge(
        self,
        started: dict[int, int] | None = None,
        stopped: Sequence[int] | dict[int, int] = (),
        failed: Sequence[dict[str, Any]] = (),
    ) -> Row:
        """Without epochs, stops are said as workers did that knew none for them."""
        [row] = self.call(
            "acknowledge",
            started=list(started or {}),
            started_epochs=list((started or {}).values()),
            stopped=list(stopped),
            failed=Jsonb(list(failed)),
            **({"stopped_epochs": list(stopped.values())} if isinstance(stopped, dict) else {}),
        )
        return row

    def obey(self, **report: Any) -> list[Row]:
        """Beat, follow, and see that the next beat finds it in step; returns the first commands."""
        commands = self.beat(**report)
        if [row["stream_id"] for row in commands] == [0]:
            commands = self.report_streams()  # nobody has that one: it says all that it has, as worker_shim does
        if commands:
            self.follow(commands)
        return commands

    def fail(self, stream_id: int, error: str = "connection refused") -> Row:
        return self.acknowledge(failed=[{"stream_id": stream_id, "epoch": self.running[stream_id], "error": error}])

    def report_streams(self) -> list[Row]:
        return self.call("report_streams", streams=list(self.running), epochs=list(self.running.values()))

    def assignments(self) -> list[Row]:
        return self.call("get_assignments")

    def attach(self) -> db.Connection:
        """A connection of its own, tied to the instance."""
        conn = self.fleet.database.connect("worker")
        db.call(conn, "attach_session", instance_id=self.instance_id, incarnation=self.incarnation)
        return conn

    def vanish(self) -> None:
        """It had a session, and the server has noticed that it is gone."""
        session = self.attach()
        pid = session.info.backend_pid
        session.close()
        wait_until(
            lambda: not self.fleet.query("select pid from pg_stat_activity where pid = %s", pid), what="it is gone"
        )

    @property
    def row(self) -> Row:
        return self.fleet.instance(self.instance_id)

    @property
    def status(self) -> str:
        return str(self.row["status"])


class Fleet:
    """Everything that a test does to one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.owner_conn = database.connect()
        self.admin_conn = database.connect("admin")
        self.worker_conn = database.connect("worker")
        self.workers: dict[str, Worker] = {}
        # the jobs were due when the template was made, which is not now by the test's clock
        self.query("update {p}.job set next_run_at = {p}.now() where enabled returning job")
        self.run("watch_instances")  # the first look at the server

    # -- calls ---------------------------------------------------------------------------------------------------

    def admin(self, function: str, **parameters: Any) -> list[Row]:
        return db.call(self.admin_conn, function, **parameters)

    def one(self, function: str, **parameters: Any) -> Row:
        """The one row that an administrator's function returns."""
        [row] = self.admin(function, **parameters)
        return row

    def query(self, text: str, *parameters: Any) -> list[Row]:
        """Statements on the private tables: {p} is their schema, {a} the public one."""
        return query(self.owner_conn, text, self.database.names, parameters)

    def value(self, text: str, *parameters: Any) -> Any:
        [row] = self.query(text, *parameters)
        [value] = row.values()
        return value

    def view(self, view: str, /, **where: Any) -> list[Row]:
        return db.view(self.admin_conn, view, where=where)

    def set(self, name: str, value: str) -> None:
        self.admin("set_setting", name=name, value=value)

    # -- the fleet -----------------------------------------------------------------------------------------------

    def register(self, instance_id: str, max_streams: int = 10, *, process: str = "1", **parameters: Any) -> Worker:
        """A worker process registers; what it should run it does not know yet."""
        metadata = {"process": process, **parameters.pop("metadata", {})}
        [row] = db.call(
            self.worker_conn,
            "register_instance",
            instance_id=instance_id,
            max_streams=max_streams,
            metadata=metadata,
            **parameters,
        )
        worker = Worker(self, instance_id, row["incarnation"], process)
        known = self.workers.get(instance_id)
        if known is not None and known.process == process:
            worker.running = known.running
        self.workers[instance_id] = worker
        return worker

    def add_streams(self, count: int, first: int = 1, **parameters: Any) -> list[int]:
        """The ids of so many new stations."""
        if not parameters:
            rows = self.query(
                "select s.stream_id from generate_series(%s::integer, %s) as n "
                "cross join lateral {a}.add_stream('http://radio.example/' || n) as s order by n",
                first,
                first + count - 1,
            )
            return [row["stream_id"] for row in rows]
        return [
            self.one("add_stream", url=f"http://radio.example/{number}", **parameters)["stream_id"]
            for number in range(first, first + count)
        ]

    def start(self, *capacities: int, streams: int = 0) -> list[Worker]:
        """Instances fv-1, fv-2, … and streams, all settled, told and running."""
        workers = [self.register(f"fv-{number}", capacity) for number, capacity in enumerate(capacities, start=1)]
        self.add_streams(streams)
        self.settle()
        return workers

    def all_obey(self, *, but: str | None = None) -> None:
        """Every worker that lives (but one) beats and does as it is told, until none is told anything."""
        for _ in range(10):
            gone = {
                but,
                *(row["instance_id"] for row in self.view("instances") if row["status"] in ("inactive", "removed")),
            }
            if not any([worker.obey() for name, worker in self.workers.items() if name not in gone]):
                return
        raise AssertionError("the fleet does not come to rest")

    # -- time ----------------------------------------------------------------------------------------------------

    def pass_time(self, by: str | timedelta) -> dict[str, Any]:
        """Time passes, then the jobs that are due run; what each did, by its name."""
        self.clock.advance(by)
        return self.run_due_jobs()

    def run_due_jobs(self) -> dict[str, Any]:
        rows = self.admin("run_due_jobs")
        failed = [row for row in rows if row["outcome"] == "failed"]
        assert not failed, failed
        return {row["job"]: row["result"] for row in rows if row["outcome"] == "done"}

    def run(self, job: str) -> Any:
        """One job, whether or not it is due."""
        return self.value(f"select {{p}}.{job}() as result")

    def settle(self) -> Any:
        """The settle window passes, the fleet is levelled and does as it is told; returns what the job says."""
        self.clock.advance("3 seconds")
        result = self.run("settle")
        self.all_obey()
        return result

    # -- reading -------------------------------------------------------------------------------------------------

    def instance(self, instance_id: str) -> Row:
        [row] = self.view("instances", instance_id=instance_id)
        return row

    def stream(self, stream_id: int) -> Row:
        [row] = self.view("streams", stream_id=stream_id)
        return row

    def loads(self) -> dict[str, int]:
        return {
            row["instance_id"]: row["assigned_streams"]
            for row in db.view(self.admin_conn, "instances", order_by=["instance_id"])
        }

    def owners(self) -> dict[int, str | None]:
        return {row["stream_id"]: row["instance_id"] for row in self.view("streams")}

    def waiting(self) -> list[int]:
        return sorted(row["stream_id"] for row in self.view("streams", state="waiting"))

    def streams_of(self, instance_id: str) -> list[int]:
        return sorted(row["stream_id"] for row in self.view("streams", instance_id=instance_id))

    def decisions(self, rule: str | None = None) -> list[Row]:
        where = {"rule": rule} if rule else {}
        return db.view(self.admin_conn, "decisions", where=where, order_by=["decision_id"])

    def last_decision(self) -> Row:
        return self.decisions()[-1]

    def check_counts(self) -> None:
        """Counters and digests equal a recount, and every change of hands is on record."""
        assert self.query("select * from {p}.miscounts()") == []
        unexplained = self.query(
            "select a.stream_id from {p}.assignment as a where a.instance_id is not null "
            "and not exists (select from {p}.decision as d where d.decision_id = a.decision_id)"
        )
        assert unexplained == []
