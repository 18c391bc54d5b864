"""plpgsql_check looks into every PL/pgSQL function: unknown columns, wrong types, dead code, unused variables."""

import os

import pytest

from tests.support import Database

# Performance warnings are left out: they ask for "stable" where a function must be volatile to see what its caller just
# wrote (a decision reads its own moves), and for casts of a nanosecond.
# A trigger function is checked against its table, and with the transition tables that any of its triggers gives it.
_CHECK = """
    with
    subject as (
        select
            p.oid,
            p.oid::regprocedure::text as name,
            coalesce(max(t.tgrelid), 0::oid) as relation,
            max(t.tgoldtable) as old_table,
            max(t.tgnewtable) as new_table
        from pg_proc as p
        join pg_language as l on l.oid = p.prolang and l.lanname = 'plpgsql'
        join pg_namespace as n on n.oid = p.pronamespace and n.nspname in (%(api)s, %(private)s)
        left join pg_trigger as t on t.tgfoid = p.oid
        group by p.oid
    )
    select s.name, found.lineno as line, found.level, found.message
    from subject as s
    cross join lateral plpgsql_check_function_tb(
        s.oid, s.relation, oldtable => s.old_table, newtable => s.new_table, performance_warnings => false
    ) as found
    order by 1, 2
"""


def test_plpgsql_check_finds_nothing_in_any_function(database: Database) -> None:
    conn = database.connect()
    if not conn.execute("select from pg_available_extensions where name = 'plpgsql_check'").rowcount:
        on_15 = conn.info.server_version // 10000 == 15
        assert not (on_15 and os.environ.get("CI") == "true"), "CI installs postgresql-15-plpgsql-check"
        pytest.skip("this server has no plpgsql_check")
    conn.execute("create extension plpgsql_check")
    found = conn.execute(_CHECK, database.names.as_dict()).fetchall()
    lines = [f"{row['name']}:{row['line']} {row['level']}: {row['message']}" for row in found]
    assert not lines, "\n".join(lines)
