"""No interval, moment or number that a login may pass reaches arithmetic that fails, or a table whose readers would.

The catalog says which there are: a function that is added tomorrow is tried without a line of test.
"""

import json

import psycopg
import pytest
from psycopg import sql

from tests.security.target import FUNCTIONS, Target, undone

INTERVALS = (
    "1000000 years",
    "-1000000 years",
    "178000000 years",
    "-178000000 years",
    "-1 microsecond",
    "-1 day",
    "1 month -30 days",
    "1 month -29 days -23:59:50",
    "-1 month 31 days",
)
INFINITE = ("infinity", "-infinity")
MOMENTS = ("infinity", "-infinity", "4713-01-01 BC", "294276-12-31", "1000-01-01", "9999-12-31")
NUMBERS = {
    "integer": ("-2147483648", "-1", "2147483647"),
    "smallint": ("-32768", "-1", "32767"),
    "numeric": ("NaN", "-1", "1e1000", "-1e-1000"),
    "double precision": ("NaN", "Infinity", "-Infinity", "-1"),
}
EXTREMES = {"interval": INTERVALS, "timestamp with time zone": MOMENTS, **NUMBERS}

BY_DESIGN = {
    ("run_next_job", "p_clock"): "a clock that is not the server's: nothing is run",
    ("record_clock_step", "p_step"): "a step may go back",
    ("record_clock_step", "p_stepped"): "steps before may have gone back",
}
"""What takes some of these, and why that harms nothing."""
TOO_FAR = ("1000000 years", "-1000000 years", "178000000 years", "-178000000 years")


def _extremes(target: Target, function: str) -> list[tuple[str, str]]:
    infinite = INFINITE if target.superuser.info.server_version >= 170000 else ()
    return [
        (parameter.name, value)
        for parameter in target.parameters.get(function, [])
        for value in (*EXTREMES.get(parameter.type, ()), *(infinite if parameter.type == "interval" else ()))
    ]


def _code(target: Target, function: str, changed: dict[str, str]) -> str:
    arguments = target.arguments(function) | changed
    if function == "add_source":
        arguments |= {"p_conninfo": "host=source.example.org", "p_table_name": "streams", "p_source": "a-table"}
    conn = target.logins["admin"]
    with undone(conn):
        try:
            target.call(conn, function, arguments)
        except psycopg.Error as error:
            detail = json.loads(error.diag.message_detail or "{}") if error.sqlstate == "OR101" else {}
            return f"{error.sqlstate} {detail.get('argument', '')}".strip()
    return "00000"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_beyond_all_bounds_is_refused_by_its_name(target: Target, function: str) -> None:
    for name, value in _extremes(target, function):
        code = _code(target, function, {name: value})
        if (function, name) in BY_DESIGN and value not in TOO_FAR:
            assert code in ("00000", f"OR101 {name}"), (name, value)
        else:
            assert code == f"OR101 {name}", (name, value)


def test_what_is_within_bounds_is_taken(target: Target) -> None:
    """The test above would pass a function that refuses all."""
    codes = {name: _code(target, name, {}) for name in FUNCTIONS if _extremes(target, name)}
    taken = {name for name, code in codes.items() if code == "00000"}
    assert taken >= {"add_source", "suspend_instance", "register_instance", "run_next_job", "find_streams"}, codes


def test_every_exception_exists(target: Target) -> None:
    assert set(BY_DESIGN) <= {(name, parameter) for name in FUNCTIONS for parameter, _ in _extremes(target, name)}


@pytest.mark.parametrize("value", [*INTERVALS, *INFINITE, "0", "", "soon", "1 microsecond"])
def test_no_schedule_and_no_setting_takes_an_absurd_interval(target: Target, value: str) -> None:
    conn = target.logins["admin"]
    assert _code(target, "schedule_job", {"p_schedule": value}).startswith("OR101")
    rows = target.rows("select name from {a}.settings where kind = 'interval' and minimum::interval > '1 microsecond'")
    assert len(rows) > 20
    for row in rows:
        with undone(conn), pytest.raises(psycopg.Error) as caught:
            target.call(conn, "set_setting", {"p_name": row["name"], "p_value": value})
        assert caught.value.sqlstate == "OR108", row["name"]


@pytest.mark.parametrize("stored", ["1000000 years", "178000000 years", "infinity"])
def test_an_absurd_interval_that_is_stored_already_takes_no_other_source_down(target: Target, stored: str) -> None:
    """It was taken before there were bounds."""
    if stored == "infinity" and target.superuser.info.server_version < 170000:
        pytest.skip("this server has no infinite intervals")
    conn = target.superuser
    with undone(conn):
        for name in ("one", "two"):
            conn.execute(
                sql.SQL("select * from {}.add_source(%s, 'host=source.example.org', 'streams')").format(
                    sql.Identifier(target.names.api)
                ),
                [name],
            )
        target.rows("update {p}.source set last_attempt_at = {p}.now() - interval '1 hour' where source = 'two'")
        for failures in (0, 1, 100):
            target.rows(
                "update {p}.source set sync_interval = %s, last_attempt_at = {p}.now() - interval '1 minute',"
                " consecutive_failures = %s where source = 'one'",
                stored,
                failures,
            )
            due = [row["source"] for row in target.rows("select source from {a}.sources_due() where source <> 'one'")]
            assert "two" in due
            [row] = target.rows("select sync_interval from {a}.sources where source = 'one'")
            assert row["sync_interval"].days == 30
            found = target.rows("select code from {a}.diagnose() where code = 'part_failed'")
            assert found == []
