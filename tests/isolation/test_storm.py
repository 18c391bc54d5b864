"""Sixteen sessions that call everything at once: no deadlock, no broken invariant, no error that is not an answer."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from tests.properties.laws import check_fair, check_now, check_settled, look
from tests.support import Database, digest_of

SECONDS = float(os.environ.get("ORCHESTRATOR_STORM") or 6)
# Answers, as opposed to accidents: not now (55P03), bad argument or unknown (what another session has just removed),
# stale incarnation or epoch, paused, pinned, stale plan, removed, no room.
ANSWERS = {
    "55P03": "waited too long",
    "OR101": "the stream that was to be pinned has no owner",
    "OR102": "another session removed the stream",
    "OR103": "not registered yet",
    "OR104": "the name is in use",
    "OR107": "another driver finished it",
    "OR108": "an inequality between settings",
    "OR301": "the name was taken over, or the instance removed",
    "OR302": "the stream has moved",
    "OR401": "paused",
    "OR402": "pinned",
    "OR403": "the fleet has changed since it was planned",
    "OR404": "removed by an administrator",
    "OR405": "no room, or not able",
}
NAMES = [f"fv-{number}" for number in range(1, 9)]
VIEWS = [
    "instances",
    "streams",
    "assignments",
    "decisions",
    "movements",
    "jobs",
    "job_runs",
    "settings",
    "locks",
    "alerts",
    "alert_deliveries",
    "incident_patterns",
    "fleet",
]


@dataclass
class Storm:
    """What all threads share, and what came of it."""

    database: Database
    seed: int
    ends_at: float
    calls: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    accidents: list[str] = field(default_factory=list)


class Caller(threading.Thread):
    """One session, doing one kind of thing again and again."""

    def __init__(self, storm: Storm, number: int, part: Callable[["Caller"], None]) -> None:
        super().__init__(name=f"{part.__name__} {number}", daemon=True)
        self.storm = storm
        self.part = part
        self.dice = random.Random(f"{storm.seed} {number}")
        self.conn = storm.database.connect()
        self.instance: dict[str, Any] = {}
        self.running: dict[int, int] = {}

    def run(self) -> None:
        while time.monotonic() < self.storm.ends_at and not self.storm.accidents:
            try:
                self.part(self)
            except Exception as error:  # the test must hear of any error
                self.storm.accidents.append(f"{self.name}: {error!r}")

    def call(self, function: str, **parameters: Any) -> list[db.Row]:
        self.storm.calls[function] += 1
        try:
            return db.call(self.conn, function, **parameters)
        except OrchestratorError as error:
            self.storm.refusals[f"{error.code} {function}"] += 1
            if error.code not in ANSWERS:
                self.storm.accidents.append(f"{self.name}: {function} {error.code} {error.message} {error.detail}")
            return []

    def some_instance_id(self) -> str:
        return self.dice.choice(NAMES)

    def some_stream(self) -> int:
        return self.dice.randint(1, 150)


def worker(me: Caller) -> None:
    """A worker's life: register, beat, obey, acknowledge, report, release, suspend, leave, be killed."""
    if not me.instance:
        me.running.clear()
        name = me.some_instance_id()
        rows = me.call(
            "register_instance",
            instance_id=name,
            max_streams=me.dice.randint(5, 30),
            capabilities=["audio_fingerprinting", *me.dice.choice([[], ["hd"]])],
            takeover=me.dice.random() < 0.3,
            metadata={"process": str(uuid4())},
        )
        if not rows:
            return
        me.instance = {"instance_id": name, "incarnation": rows[0]["incarnation"]}
        me.call("attach_session", **me.instance)
        me.running = {row["stream_id"]: row["epoch"] for row in me.call("get_assignments", **me.instance)}
        me.call("acknowledge", **me.instance, started=list(me.running), started_epochs=list(me.running.values()))
        return
    refused = me.storm.refusals.total()
    luck = me.dice.random()
    if luck < 0.6:
        report = {"processed_count": me.dice.randint(0, 100), "error_count": me.dice.randint(0, 9)}
        obey(me, me.call("heartbeat", **me.instance, digest=digest_of(me.running.items()), report=report))
    elif luck < 0.75:
        obey(
            me,
            me.call("report_streams", **me.instance, streams=list(me.running), epochs=list(me.running.values())),
        )
    elif luck < 0.85 and me.running:
        streams = me.dice.sample(sorted(me.running), min(3, len(me.running)))
        for stream_id in streams:
            del me.running[stream_id]
        me.call("release_streams", **me.instance, streams=streams)
    elif luck < 0.95 and me.running:
        stream_id = me.dice.choice(sorted(me.running))
        failed = [{"stream_id": stream_id, "epoch": me.running[stream_id], "error": "no sound"}]
        me.call("acknowledge", **me.instance, failed=Jsonb(failed))
        me.call("assert_current", stream_id=stream_id, epoch=me.running[stream_id])
    elif luck < 0.96:
        failed = [
            {"function": "heartbeat", "message": f"kind {me.dice.choice('abc')}", "consecutive": me.dice.randint(1, 9)}
        ]
        me.call("report_failures", **me.instance, failures=Jsonb(failed))
    elif luck < 0.97:
        me.call("suspend_instance", **me.instance, **{"for": "1 second"})
    elif luck < 0.99:
        me.call("deregister_instance", **me.instance)
        me.instance = {}
    else:
        me.conn.close()  # kill -9
        me.conn = me.storm.database.connect()
        me.instance = {}
    if me.storm.refusals.total() > refused and me.dice.random() < 0.3:
        me.instance = {}


def obey(me: Caller, commands: list[db.Row]) -> None:
    adds = [c for c in commands if c["action"] == "add"]
    removes = [c["stream_id"] for c in commands if c["action"] == "remove"]
    for stream_id in removes:
        me.running.pop(stream_id, None)
    me.running |= {c["stream_id"]: c["epoch"] for c in adds}
    if commands:
        me.call(
            "acknowledge",
            **me.instance,
            started=[c["stream_id"] for c in adds],
            started_epochs=[c["epoch"] for c in adds],
            stopped=removes,
        )


def driver(me: Caller) -> None:
    """What is due; now and then everything is."""
    time.sleep(me.dice.random() / 50)
    if me.dice.random() < 0.3:
        me.call(
            "request_job",
            job=me.dice.choice(["watch_instances", "settle", "finish_handoffs", "check_balance", "evaluate_alerts"]),
        )
    if me.dice.random() < 0.1:
        me.call("run_due_jobs")
    if me.dice.random() < 0.1:
        me.call("claim_alert_deliveries", targets=["log"], driver=me.name)
        me.call("finish_alert_delivery", target="log", driver=me.name)
    rows = me.call("run_next_job", outside=me.dice.random() < 0.5)
    if rows and rows[0]["outcome"] == "claimed":
        me.call("finish_job", job_run_id=rows[0]["job_run_id"])
    elif rows and rows[0]["error"] and rows[0]["error"]["sqlstate"] not in ANSWERS:
        me.storm.accidents.append(f"{me.name}: {rows[0]['job']} {rows[0]['error']}")


def operator(me: Caller) -> None:
    """What an administrator may do to instances and to balancing."""
    instance_id, stream_id = me.some_instance_id(), me.some_stream()
    acts: list[tuple[str, dict[str, Any]]] = [
        ("move_stream", {"stream_id": stream_id, "instance_id": instance_id}),
        ("move_stream", {"stream_id": stream_id, "instance_id": instance_id}),
        ("pin_stream", {"stream_id": stream_id, "instance_id": me.dice.choice([None, instance_id])}),
        ("unpin_stream", {"stream_id": stream_id}),
        ("drain_instance", {"instance_id": instance_id}),
        ("undrain_instance", {"instance_id": instance_id}),
        ("undrain_instance", {"instance_id": instance_id}),
        ("set_capacity", {"instance_id": instance_id, "max_streams": me.dice.randint(1, 30)}),
        ("rebalance", {}),
        ("pause_balancing", {}),
        ("end_recovery", {}),
        ("set_alert_target", {"target": "mail", "minimum_severity": me.dice.choice(["info", "critical"])}),
        ("resume_balancing", {}),
        ("resume_balancing", {}),
        ("set_setting", {"name": "heartbeat_warning", "value": f"{me.dice.randint(60, 250)} seconds"}),
        ("set_setting", {"name": "heartbeat_timeout", "value": f"{me.dice.randint(100, 300)} seconds"}),
        ("set_setting", {"name": "strategy", "value": me.dice.choice(["capacity", "performance", "location"])}),
        ("set_setting", {"name": "settle_window", "value": me.dice.choice(["0 seconds", "1 second"])}),
        ("set_setting", {"name": "handoff_timeout", "value": "1 second"}),
        ("set_setting", {"name": "rebalance_cooldown", "value": me.dice.choice(["0 seconds", "10 seconds"])}),
        ("schedule_job", {"job": "check_balance", "schedule": me.dice.choice(["1 second", "2 seconds"])}),
    ]
    function, parameters = me.dice.choice(acts)
    me.call(function, **parameters)
    if me.dice.random() < 0.1:
        me.call("remove_instance", instance_id=instance_id)
        me.call("readmit_instance", instance_id=instance_id)
    if me.dice.random() < 0.2:
        rows = me.call("plan_rebalance")
        if rows:
            me.call("apply_plan", plan_id=rows[0]["plan_id"])


def curator(me: Caller) -> None:
    """Stations come, go, sleep and wake, one by one and in lists."""
    stream_id = me.some_stream()
    luck = me.dice.random()
    if luck < 0.4:
        wanted = me.dice.choice([[], [], ["hd"]])
        me.call("add_stream", url=f"http://radio.example/{uuid4()}", required_capabilities=wanted)
    elif luck < 0.55:
        me.call("remove_stream", stream_id=stream_id)
    elif luck < 0.85:
        me.call("set_stream_active", stream_id=stream_id, active=me.dice.random() < 0.7)
    else:
        source, batch = me.dice.choice(["north", "south"]), uuid4()
        me.call("add_source", source=source)
        insert = sql.SQL(
            "insert into {}.stream_staging (batch, line, external_id, url, active) values (%s, %s, %s, %s, %s)"
        )
        with me.conn.cursor() as cursor:
            cursor.executemany(
                insert.format(sql.Identifier(me.conn.names.api)),
                [
                    (batch, line, str(line), f"http://{me.dice.choice('ab')}.example/{line}", me.dice.random() < 0.9)
                    for line in me.dice.sample(range(30), 25)
                ],
            )
        me.call("sync_streams", source=source, batch=batch, force=True)


def onlooker(me: Caller) -> None:
    """Reading: views, health, the fence, explanations."""
    time.sleep(me.dice.random() / 50)
    db.view(me.conn, me.dice.choice(VIEWS))
    stream_id = me.some_stream()
    me.call("is_current", stream_id=stream_id, epoch=1)
    me.call("explain_stream", stream_id=stream_id)
    if me.dice.random() < 0.3:
        broken = [row for row in me.call("health") if row["component"] == "integrity" and row["status"] != "healthy"]
        me.storm.accidents.extend(f"{me.name}: {row['detail']}" for row in broken)


PARTS = [*[worker] * 6, *[driver] * 4, operator, operator, curator, curator, onlooker, onlooker]


@pytest.mark.slow
def test_a_storm_of_sixteen_sessions_breaks_nothing(database: Database) -> None:
    """R2.1, R3.3: seconds of everything at once, then the laws."""
    seed = int(os.environ.get("ORCHESTRATOR_SEED") or random.randrange(1_000_000))
    print(f"ORCHESTRATOR_SEED={seed}")
    conn = database.connect()
    for number in range(100):
        db.call(conn, "add_stream", url=f"http://radio.example/{number}")
    storm = Storm(database, seed, time.monotonic() + SECONDS)
    callers = [Caller(storm, number, part) for number, part in enumerate(PARTS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(SECONDS + 60)
    print(f"{storm.calls.total()} calls", dict(storm.calls), dict(storm.refusals), sep="\n")
    assert not any(caller.is_alive() for caller in callers)
    assert storm.accidents == []
    deadlocks = conn.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
    assert deadlocks == {"deadlocks": 0}
    check_now(look(conn))
    _calm(conn, callers)


def _calm(conn: db.Connection, callers: list[Caller]) -> None:
    """All let go; an instance that registers now ends with a fair part of everything."""
    for caller in callers:
        caller.conn.close()
    for name in NAMES:
        if conn.execute(_private(conn, "select 1 from {}.instance where instance_id = %s"), [name]).fetchone():
            db.call(conn, "remove_instance", instance_id=name)
    conn.execute(_private(conn, "update {}.setting set value = default_value"))
    conn.execute(
        _private(
            conn, "update {}.setting set value = '0 seconds' where name in ('settle_window', 'rebalance_cooldown')"
        )
    )
    conn.execute(_private(conn, "update {}.assignment set pinned_to = null"))
    db.call(conn, "resume_balancing")
    db.call(conn, "end_recovery")
    fresh = [
        db.call(
            conn,
            "register_instance",
            instance_id=f"calm-{n}",
            max_streams=100,
            capabilities=["audio_fingerprinting", "hd"],
        )[0]
        for n in range(3)
    ]
    for _ in range(4):
        conn.execute(_private(conn, "update {}.job set next_run_at = {}.now()"))
        runs = db.call(conn, "run_due_jobs")
        assert not [run for run in runs if run["error"]], runs
        for row in fresh:
            db.call(
                conn,
                "report_streams",
                instance_id=row["instance_id"],
                incarnation=row["incarnation"],
                streams=[],
                epochs=[],
            )
    now = look(conn)
    check_now(now)
    check_settled(now)
    check_fair(now, 2)


def _private(conn: db.Connection, text: str) -> sql.Composed:
    schema = sql.Identifier(conn.names.private)
    return sql.SQL(text).format(*[schema] * text.count("{}"))
