"""What a caller's session has set changes no answer: every public function and view under hostile settings and under
those that PostgreSQL is delivered with."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from orchestrator import conninfo, templates
from orchestrator.database.embedded import program_path
from tests import hostile
from tests.security.target import FUNCTIONS, OWN, OWN_BY_MANUAL, VIEWS, Connection, Row, Target
from tests.support import Clock

PSQL = str(program_path("psql"))

# Arguments that are read as something: a time, a schedule, a text with times and numbers.
_TELLING: Mapping[str, list[dict[str, Any]]] = {
    "set_setting": [{"p_name": "heartbeat_interval", "p_value": "20 seconds"}, {"p_value": "1000 years"}],
    "schedule_job": [{"p_job": "purge_history", "p_schedule": "17 3 * * *"}, {"p_schedule": "90 seconds"}],
    "report_failures": [
        {
            "p_failures": json.dumps(
                [
                    {
                        "function": "heartbeat",
                        "message": "10.0.0.1:5432 at 2026-01-02 03:04:05 took 12.5 s",
                        "first_ago": 1.5,
                    }
                ]
            )
        }
    ],
    "http_heartbeat": [
        {
            "p_request": json.dumps(
                {**Target.request(OWN_BY_MANUAL, []), "timestamp": "2026-01-02T03:04:05Z", "cpu_usage": " 12.3 "}
            ),
            "p_dialect": "main",
        }
    ],
    "heartbeat": [
        {"p_digest": None, "p_report": json.dumps({"cpu_usage": 12.345678, "last_activity": "2026-01-02T03:04:05Z"})}
    ],
    "register_instance": [{"p_lease": "1 second"}, {"p_lease": None, "p_stop_within": None, "p_takeover": True}],
    "suspend_instance": [{"p_for": "1 year"}],
    "add_source": [{"p_sync_interval": "90 seconds"}, {"p_sync_interval": "0 seconds"}],
    "record_clock_step": [{"p_step": "90.5 seconds"}],
}


@pytest.fixture(scope="module")
def still(target: Target) -> Iterator[Target]:
    """A fleet whose clock stands still, with something to tell of everything that is told."""
    admin, worker = target.logins["admin"], target.logins["worker"]
    target.call(admin, "set_alert_target", {"p_target": "a_target", "p_minimum_severity": "warning"})
    own = {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    target.call(worker, "report_failures", {**own, **_TELLING["report_failures"][0]})
    target.call(worker, "heartbeat", {**own, "p_report": json.dumps({"cpu_usage": 12.3, "memory_usage": 91.7})})
    target.call(admin, "plan_rebalance", {})
    replaced = target.rows(
        "select pg_get_functiondef(p.oid) as text from pg_proc as p "
        "where p.pronamespace = %s::regnamespace and p.proname in ('now', 'server_started_at')",
        target.names.private,
    )
    now = target.rows("select clock_timestamp() + interval '1 hour 2 minutes 3.4 seconds' as now")[0]["now"]
    clock = Clock(target.superuser)
    clock.install()
    clock.set(now)
    target.call(admin, "run_due_jobs", {})
    yield target
    for row in replaced:
        target.superuser.execute(row["text"])
    target.rows("drop table {p}.test_clock")


@pytest.fixture(scope="module")
def sessions(still: Target) -> Iterator[dict[str, Connection]]:
    """Sessions of a superuser, who may set everything, by what they have set."""
    opened = {}
    for name, settings in {
        "plain": {},
        "hostile": {**hostile.FORMS, **hostile.EFFORT, **hostile.SUPERUSERS},
        "otherwise": {**hostile.OTHER_FORMS, **hostile.EFFORT, **hostile.SUPERUSERS},
    }.items():
        conn = psycopg.connect(still.database.dsn, row_factory=dict_row, prepare_threshold=None)
        for setting, value in settings.items():
            if setting != "client_encoding":  # how psycopg reads, which is not what is asked here
                conn.execute("select set_config(%s, %s, false)", [setting, value])
        conn.commit()
        opened[name] = conn
    yield opened
    for conn in opened.values():
        conn.close()


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _leaves(each, f"{path}[{number}]")
    else:
        yield path, value


def _moment(value: Any) -> Any:
    """A time in JSON has the zone of the session, and is the same time in each."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:?\d{0,2}", value):
        return datetime.fromisoformat(value)
    return value


def _form(value: Any) -> Any:
    """What is left of a value that is another each time."""
    return (
        re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(\.\d+)?", "#", value)
        if isinstance(value, str)
        else type(value)
    )


def _place(row: Any) -> list[Any]:
    """In the order of its numbers: an id of two digits comes after one of one."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", repr(row))]


def _read(cursor: psycopg.Cursor[Row]) -> list[Row]:
    return cursor.fetchall() if cursor.description else []


def _outcome(target: Target, conn: Connection, query: sql.Composed, values: list[Any]) -> dict[str, Any]:
    """What a call answers and what it leaves in the tables, leaf by leaf; taken back."""
    try:
        answer: Any = _read(conn.execute(query, values, binary=True))
    except psycopg.Error as error:
        diagnostic = error.diag
        detail = diagnostic.message_detail or ""
        answer = {
            "sqlstate": error.sqlstate,
            "message": diagnostic.message_primary,
            "detail": json.loads(detail) if detail.startswith("{") else detail,
            "hint": diagnostic.message_hint,
        }
        conn.rollback()
    if isinstance(answer, list):
        answer.sort(key=_place)  # in no order that was asked for
    tables = {}
    for setting, value in {**conninfo.FORMS, "jit": "off"}.items():
        conn.execute("select set_config(%s, %s, true)", [setting, value])
    for relation in target.relations:
        if relation["kind"] == "r":
            table = sql.Identifier(relation["schema"], relation["name"])
            rows = conn.execute(sql.SQL("select to_jsonb(t) as row from {} as t").format(table))
            tables[relation["name"]] = sorted((row["row"] for row in rows), key=_place)
    conn.rollback()
    return {path: _moment(value) for path, value in _leaves({"answer": answer, "tables": tables})}


def _differences(
    target: Target, sessions: Mapping[str, Connection], query: sql.Composed, values: list[Any]
) -> list[Any]:
    once, again = (_outcome(target, sessions["plain"], query, values) for _ in range(2))
    found = []
    for name in ("hostile", "otherwise"):
        there = _outcome(target, sessions[name], query, values)
        for path in once.keys() | there.keys():
            if path not in once or path not in there:
                same = (path in once) != (path in again)
            elif path in again and once[path] == again[path]:
                same = once[path] == there[path]
            else:
                same = _form(once[path]) == _form(there[path])
            if not same:
                found.append((name, path, once.get(path), there.get(path)))
    return found


def _calls(target: Target, function: str) -> Iterator[tuple[sql.Composed, list[Any]]]:
    types = {parameter.name: parameter.type for parameter in target.parameters.get(function, [])}
    for telling in [{}, *_TELLING.get(function, [])]:
        arguments = {**target.arguments(function, OWN), **telling}
        arguments = {
            # an interval is what it is in its sender's session
            name: timedelta(seconds=10) if types[name] == "interval" and value == "10 seconds" else value
            for name, value in arguments.items()
        }
        query = sql.SQL("select * from {}({})").format(
            sql.Identifier(target.names.api, function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}::{}").format(sql.Identifier(name), sql.Placeholder(), sql.SQL(types[name]))
                for name in arguments
            ),
        )
        yield query, list(arguments.values())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_answers_and_writes_the_same_under_any_settings(
    still: Target, sessions: dict[str, Connection], function: str
) -> None:
    for query, values in _calls(still, function):
        assert _differences(still, sessions, query, values) == []


@pytest.mark.parametrize("view", sorted(set(VIEWS) - {"locks"}))  # which shows the session that looks
def test_a_view_shows_the_same_under_any_settings(still: Target, sessions: dict[str, Connection], view: str) -> None:
    query = sql.SQL("select * from {} as v").format(sql.Identifier(still.names.api, view))
    assert _differences(still, sessions, query, []) == []


def test_every_public_function_has_the_forms_of_our_own_sessions(target: Target) -> None:
    """One list in two languages, and a third time where the runner sets it for its transaction."""
    rows = target.rows(
        "select p.proname as name, p.proconfig as settings from pg_proc as p where p.pronamespace = %s::regnamespace",
        target.names.api,
    )
    assert {row["name"] for row in rows} == set(FUNCTIONS)
    wanted = {f"{name}={value}" for name, value in conninfo.FORMS.items()}
    for row in rows:
        assert wanted <= set(row["settings"]), row["name"]
    with psycopg.connect(target.database.dsn, options=hostile.options(hostile.FORMS)) as conn:
        conn.execute(templates.read("runner/transaction.sql").encode())
        here = {name: conn.execute("select current_setting(%s)", [name]).fetchall()[0][0] for name in conninfo.FORMS}
        assert here == conninfo.FORMS


# -- psql --------------------------------------------------------------------------------------------------------------


def _psql(target: Target, script: str, settings: Mapping[str, str]) -> list[str]:
    ran = subprocess.run(
        [PSQL, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", target.database.dsn],
        input=script,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PGOPTIONS": hostile.options(settings), "PGCLIENTENCODING": "UTF8"},
        check=True,
    )
    return re.sub(r"psql:<stdin>:\d+: ", "", ran.stdout + ran.stderr).splitlines()


def _script(target: Target, functions: list[str]) -> str:
    lines = ["\\set VERBOSITY sqlstate"]
    for function in functions:
        for query, values in _calls(target, function):
            literals = [sql.Literal(value).as_string(None) for value in values]
            call = query.as_string(None).replace("%s", "{}").format(*literals)
            lines += ["begin;", f"\\warn {function}", f"\\o /dev/null\n{call};\n\\o", "rollback;"]
    return "\n".join(lines)


@pytest.mark.parametrize("forms", [hostile.FORMS, hostile.OTHER_FORMS], ids=["hostile", "otherwise"])
def test_psql_calls_every_function_with_the_same_success(still: Target, forms: Mapping[str, str]) -> None:
    script = _script(still, FUNCTIONS)
    plain = _psql(still, script, {})
    assert len([line for line in plain if not line.startswith("ERROR")]) > len(FUNCTIONS)
    there = _psql(still, script, {**forms, **hostile.EFFORT, **hostile.SUPERUSERS})
    assert there == plain


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(target: Target) -> Iterator[Connection]:
    with psycopg.connect(target.database.dsn, row_factory=dict_row, prepare_threshold=None) as conn:
        yield conn


def _answered(conn: Connection, query: sql.Composed, values: list[Any]) -> tuple[str | None, str | None]:
    try:
        conn.execute(query, values)
    except psycopg.Error as error:
        return error.sqlstate, f"{error.diag.message_primary} {error.diag.message_hint}"
    finally:
        conn.rollback()
    return None, None


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("default_transaction_isolation", "repeatable read", "isolation level read committed"),
        ("default_transaction_isolation", "serializable", "isolation level read committed"),
        ("session_replication_role", "replica", "triggers that fire"),
    ],
)
def test_what_would_decide_wrongly_is_refused_in_a_sentence_by_each_function(
    target: Target, admin: Connection, setting: str, value: str, says: str
) -> None:
    """A snapshot of the past, and a session in which no trigger counts. What decides nothing answers as ever."""
    refused = set()
    for function in FUNCTIONS:
        for query, values in _calls(target, function):
            admin.execute("reset all")
            admin.commit()
            usual = _answered(admin, query, values)
            admin.execute("select set_config(%s, %s, false)", [setting, value])
            admin.commit()
            code, text = _answered(admin, query, values)
            if code == "OR101" and says in (text or ""):
                assert setting.removeprefix("default_") in (text or "")  # how it is made good
                refused.add(function)
            else:
                assert (code, text) == usual, function
    assert {"run_due_jobs", "run_next_job", "register_instance", "rebalance", "move_stream", "add_stream"} <= refused
    assert len(refused) > 30
