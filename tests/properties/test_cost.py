"""The cost follows what moves: no decision reads all assignments, also without statistics.

Counted by the server itself, before statistics were ever gathered and after.
"""

from collections.abc import Callable

import pytest

from orchestrator.database import db
from tests.properties.lawful import LawfulFleet
from tests.support import Clock, Database

STREAMS, INSTANCES = 20_000, 200

_FILL = """
alter table {private}.assignment set (autovacuum_enabled = off);
alter table {private}.stream set (autovacuum_enabled = off);
insert into {private}.stream (external_id, name, url, requirement_id, created_at, updated_at)
select s.number, 'radio', 'http://radio.example', r.requirement_id, {private}.now(), {private}.now()
from generate_series(1, {streams}) as s(number)
cross join (select {private}.requirement_of('{{}}') as requirement_id) as r;
insert into {private}.assignment (stream_id, requirement_id, waiting_since)
select s.stream_id, s.requirement_id, {private}.now() from {private}.stream as s;
"""
_READ = """
select coalesce(sum(seq_tup_read), 0)::integer as rows
from pg_stat_xact_user_tables
where schemaname = %s and relname in ('assignment', 'movement')
"""


@pytest.fixture(params=["no statistics", "statistics"])
def fleet(request: pytest.FixtureRequest, database: Database, clock: Clock) -> LawfulFleet:
    conn = database.connect()
    fleet = LawfulFleet(database, conn, clock, least=True, is_empty=True)
    for number in range(INSTANCES):
        db.call(conn, "register_instance", instance_id=f"fv-{number}", max_streams=150)
    fleet.execute(_FILL.replace("{streams}", str(STREAMS)))
    assert db.call(conn, "rebalance")[0]["moves"] == STREAMS
    for number in range(50):  # some history
        db.call(conn, "add_stream", url=f"http://radio.example/{number}")
    if request.param == "statistics":
        fleet.execute("analyze")
    return fleet


def _acts(fleet: LawfulFleet) -> dict[str, Callable[[], object]]:
    def call(function: str, **parameters: object) -> Callable[[], object]:
        return lambda: db.call(fleet.conn, function, **parameters)

    def job(function: str) -> Callable[[], object]:
        return lambda: fleet.execute("select {private}." + function + "()")

    return {
        **{name: job(name) for name in ("watch_instances", "settle", "check_balance", "finish_handoffs")},
        "evaluate_alerts": job("evaluate_alerts"),
        "heartbeat": call("heartbeat", instance_id="fv-1", incarnation=1, digest=1),
        "get_assignments": call("get_assignments", instance_id="fv-1", incarnation=1),
        "add_stream": call("add_stream", url="http://radio.example/new"),
        "remove_stream": call("remove_stream", stream_id=7),
        "move_stream": call("move_stream", stream_id=8, instance_id="fv-9"),
        "acknowledge": call("acknowledge", instance_id="fv-1", incarnation=1, stopped=[8, 9], started=[], failed="[]"),
        "deregister_instance": call("deregister_instance", instance_id="fv-2", incarnation=1),
        "join": call("register_instance", instance_id="fv-new", max_streams=150),
        "rebalance": call("rebalance"),
        "drain_instance": call("drain_instance", instance_id="fv-3"),
        "settle again": job("settle"),
    }


def _rows_read(fleet: LawfulFleet) -> int:
    """Rows that this session has read by going through whole tables, since the server last collected its figures."""
    row = fleet.conn.execute(_READ, [fleet.conn.names.private]).fetchone()
    assert row is not None
    return int(row["rows"])


@pytest.mark.slow
def test_no_decision_reads_all_assignments(fleet: LawfulFleet) -> None:
    read = {}
    for name, act in _acts(fleet).items():
        fleet.clock.advance("3 seconds")
        with fleet.conn.transaction():
            before = _rows_read(fleet)
            act()
            read[name] = _rows_read(fleet) - before
    assert read == dict.fromkeys(read, 0)
