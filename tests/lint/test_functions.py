"""plpgsql_check looks into every PL/pgSQL function: unknown columns, wrong types, dead code, unused variables."""

import os

import pytest

from tests.support import Database

# Its "security" and "performance" warnings are opinions; what it calls an error or a warning is not.
_CHECK = """
    select
        p.oid::regprocedure::text as function_name,
        found.lineno as line,
        found.level,
        found.message
    from pg_proc as p
    join pg_language as l on l.oid = p.prolang and l.lanname = 'plpgsql'
    join pg_namespace as n on n.oid = p.pronamespace and n.nspname in (%(api)s, %(private)s)
    left join pg_trigger as t on t.tgfoid = p.oid
    cross join lateral plpgsql_check_function_tb(
        p.oid, coalesce(t.tgrelid, 0),
        oldtable => t.tgoldtable, newtable => t.tgnewtable,
        other_warnings => true, extra_warnings => true, performance_warnings => false
    ) as found
    where p.prorettype <> 'trigger'::regtype or t.oid is not null
    order by 1, 2
"""


def test_plpgsql_check_finds_nothing_in_any_function(database: Database) -> None:
    conn = database.connect()
    available = conn.execute("select from pg_available_extensions where name = 'plpgsql_check'").rowcount
    if not available:
        on_15 = conn.info.server_version // 10000 == 15
        assert not (on_15 and os.environ.get("CI") == "true"), "CI installs postgresql-15-plpgsql-check"
        pytest.skip("this server has no plpgsql_check")
    conn.execute("create extension plpgsql_check")
    found = conn.execute(_CHECK, database.names.as_dict()).fetchall()
    assert [f"{row['function_name']}:{row['line']} {row['level']}: {row['message']}" for row in found] == []
