"""The reference of functions and errors: nothing is missing, and every example runs."""

import re
from types import ModuleType
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from orchestrator.database import db
from orchestrator.templates import SQL_ROOT
from tests.docs.conftest import ROOT
from tests.rooms import public_functions
from tests.support import Database

EMPTY = {"end_hold_ups", "lock_holders", "repair_record"}
"""What has nothing to say about a fleet that is well."""

_PREPARED = """
    update {private}.job set next_run_at = now() + interval '1 minute' where job = 'watch_instances'; -- else first
    update {private}.job as j set next_run_at = now() - interval '1 hour' where j.job = 'deliver_alerts';
    select from {api}.run_next_job('driver:host:4711', p_outside => true);
    select from {api}.register_instance('fingerv7-001', 100);
    select from {api}.heartbeat('fingerv7-001', 1, 0);
    select {api}.add_stream('http://radio.example.org/' || n, 'Radio ' || n) from generate_series(1, 7) as n;
    select from {api}.register_instance('fingerv7-002', 100, p_location => 'south');
    select from {api}.heartbeat('fingerv7-002', 1, 0);
    select from {api}.register_instance('fingerv7-003', 100);
    select from {api}.remove_instance('fingerv7-003');
    select from {api}.http_register('{{"server_id": "server-1", "max_streams": 10, "ip": "192.0.2.1", "port": 80}}');
    select from {api}.http_register('{{"instance_id": "http-1", "max_streams": 10}}', '192.0.2.2');
    select from {api}.set_alert_target('ops');
    select from {api}.record_failures(
        'driver:host:4712', '[{{"function": "run_next_job", "message": "gone", "count": 9, "consecutive": 9}}]'
    );
    select from {api}.claim_alert_deliveries('{{ops}}', 'driver:host:4711');
    select from {api}.add_source('production', 'host=production.example.org dbname=radio', 'streams',
        p_heartbeats => 'server_heartbeats', p_music_log => 'music_log');
    select from {api}.add_source('night');
    insert into {api}.stream_staging (batch, line, external_id, name, url)
    values ('6f1c8a52-3c7e-4c44-9d0e-0a8f5b1c2d3e', 1, 'n1', 'Night 1', 'http://night.example.org/1');
    select from {api}.plan_rebalance();
"""


@pytest.fixture
def fleet(database: Database) -> db.Connection:
    """One fleet of which every example can be asked: see what is prepared above."""
    conn = database.connect()
    conn.execute(_PREPARED.format(api=conn.names.api, private=conn.names.private).encode())
    return conn


def _functions(conn: db.Connection, generate: ModuleType) -> list[Any]:
    with psycopg.connect(conn.info.dsn, row_factory=dict_row) as reader:
        found: list[Any] = generate.functions(reader)
    return found


def test_every_parameter_and_result_column_of_every_public_function_is_described(
    fleet: db.Connection, generate: ModuleType
) -> None:
    found = _functions(fleet, generate)
    assert [function.name for function in found] == public_functions()
    assert [
        f"{function.name}: {argument.name}"
        for function in found
        for argument in (*function.parameters, *function.columns)
        if not argument.meaning
    ] == []


def test_every_example_calls_its_function_as_an_administrator_and_gets_an_answer(
    fleet: db.Connection, generate: ModuleType
) -> None:
    """Each in a transaction of its own that is taken back, so that no example needs another one."""
    silent = set()
    for function in _functions(fleet, generate):
        assert f"{fleet.names.api}.{function.name}(" in function.example, function.name
        with fleet.transaction(force_rollback=True):
            fleet.execute(f"set local role {fleet.names.admin}".encode())
            if not fleet.execute(function.example.encode()).fetchall():
                silent.add(function.name)
    assert silent == EMPTY


def test_every_code_that_the_sql_raises_has_its_section_and_no_other_has() -> None:
    raised = {
        code for path in SQL_ROOT.rglob("*.sql") for code in re.findall(r"errcode = '(OR\d\d\d)'", path.read_text())
    }
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "reference" / "errors.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted({*raised, "55P03"})


def test_every_section_of_the_errors_has_a_cause_and_a_remedy(database: Database) -> None:
    conn = database.connect()
    rows = conn.execute(
        "select a.attname, col_description(a.attrelid, a.attnum) as comment from pg_attribute as a "
        "where a.attrelid = %s::regclass",
        [f"{conn.names.private}.error_code"],
    ).fetchall()
    assert len(rows) > 10
    assert [row["attname"] for row in rows if not re.fullmatch("Cause: .+\nRemedy: .+", row["comment"] or "")] == []
