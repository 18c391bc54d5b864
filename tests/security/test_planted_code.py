"""What a login plants in a schema of its own, under the names of what our functions use, is never run by the owner.

Everything is planted that PostgreSQL lets a login plant: functions and operators with the very signatures of those in
pg_catalog that our texts name, tables, views and domains named as ours and as the built-in ones, in its own schema and
in pg_temp, casts from a type of its own; and all that stands first in its search_path. A caller that runs planted code
leaves a trace, and an error that nothing catches.
"""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestrator import templates
from tests.security.target import FUNCTIONS, VIEWS, Connection, Statement, Target, may_call, may_read, undone

CAUGHT = "EV666"
# The types that the arguments of our functions and the columns of our tables have.
TYPES = (
    "text", "name", "bigint", "integer", "smallint", "boolean", "jsonb", "interval", "timestamptz", "numeric",
    "double precision", "real", "oid", "text[]", "bigint[]", "xid8", "\"char\"", "uuid",
)  # fmt: skip
ROLES = ("worker", "reader", "admin")


def _words() -> list[str]:
    """Every word that our texts call."""
    text = "".join(path.read_text() for path in templates.SQL_ROOT.rglob("*.sql"))
    return sorted(set(re.findall(r"(?<![.\w])([a-z_][a-z0-9_]*)\(", text)))


def _plant(target: Target, conn: Connection) -> int:
    """Plant everything; returns how many things were planted."""
    login = sql.Identifier(conn.info.user)
    conn.execute("create table loot (who name default current_user, what text)")
    conn.execute("grant insert on loot to public")
    conn.execute(sql.SQL("grant usage on schema {} to public").format(login))
    body = sql.SQL(
        "language plpgsql as $planted$ begin "
        "if current_user operator(pg_catalog.<>) session_user then "
        "raise exception 'planted code ran as %', current_user using errcode = {}; end if; "
        "insert into {}.loot (what) values ({}); return null; end $planted$"
    )
    functions = target.rows(
        "select p.proname as name, string_agg(format_type(t.oid, null), ', ' order by t.place) as arguments, "
        "format_type(p.prorettype, null) as result "
        "from pg_proc as p, unnest(p.proargtypes::oid[]) with ordinality as t (oid, place) "
        "where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and not p.proretset "
        "and p.proname = any(%s) and p.provariadic = 0 and format_type(p.prorettype, null) = any(%s) "
        "group by p.oid having bool_and(format_type(t.oid, null) = any(%s))",
        _words(), list(TYPES), list(TYPES),
    )  # fmt: skip
    operators = target.rows(
        "select o.oprname as name, format_type(o.oprleft, null) as left, format_type(o.oprright, null) as right, "
        "format_type(o.oprresult, null) as result from pg_operator as o "
        "where o.oprnamespace = 'pg_catalog'::regnamespace and format_type(o.oprleft, null) = any(%s) "
        "and format_type(o.oprright, null) = any(%s) and format_type(o.oprresult, null) = any(%s)",
        list(TYPES), list(TYPES), list(TYPES),
    )  # fmt: skip
    statements: list[Statement] = []
    for each in functions:
        statements.append(
            sql.SQL("create function {}.{}({}) returns {} ").format(
                login, sql.Identifier(each["name"]), sql.SQL(each["arguments"]), sql.SQL(each["result"])
            )
            + body.format(sql.Literal(CAUGHT), login, sql.Literal(each["name"]))
        )
    for number, each in enumerate(operators):
        function = sql.Identifier(conn.info.user, f"operator_{number}")
        statements.append(
            sql.SQL("create function {}({}, {}) returns {} ").format(
                function, sql.SQL(each["left"]), sql.SQL(each["right"]), sql.SQL(each["result"])
            )
            + body.format(sql.Literal(CAUGHT), login, sql.Literal(each["name"]))
        )
        statements.append(
            sql.SQL("create operator {}.{} (leftarg = {}, rightarg = {}, function = {})").format(
                login, sql.SQL(each["name"]), sql.SQL(each["left"]), sql.SQL(each["right"]), function
            )
        )
    for schema in (login, sql.SQL("pg_temp")):
        for relation in target.relations:
            if relation["kind"] == "r":
                statements.append(sql.SQL("create table {}.{} ()").format(schema, sql.Identifier(relation["name"])))
            elif relation["kind"] == "v":
                statements.append(
                    sql.SQL("create {}view {}.{} as select {}.now() as at").format(
                        sql.SQL("temp " if schema is not login else ""),
                        sql.SQL("pg_temp") if schema is not login else login,
                        sql.Identifier(relation["name"]),
                        sql.SQL("pg_catalog"),
                    )
                )
        for kind in ("text", "bigint", "jsonb", "interval", "timestamptz", "numeric", "record", "regclass"):
            statements.append(sql.SQL("create domain {}.{} as pg_catalog.bool").format(schema, sql.Identifier(kind)))
        for table in ("pg_locks", "pg_roles", "pg_class", "pg_stat_activity", "pg_database", "pg_namespace"):
            statements.append(sql.SQL("create table {}.{} ()").format(schema, sql.Identifier(table)))
    # a type of its own, that is taken for any of ours
    statements.append(sql.SQL("create type {}.trojan as (given pg_catalog.text)").format(login))
    for number, kind in enumerate(("text", "bigint", "integer", "jsonb", "interval", "boolean", "text[]", "bigint[]")):
        cast = sql.Identifier(conn.info.user, f"cast_{number}")
        statements.append(
            sql.SQL(
                "create function {}({}.trojan) returns pg_catalog.{} language plpgsql as $planted$ begin "
                "if current_user operator(pg_catalog.<>) session_user then "
                "raise exception 'planted' using errcode = {}; end if; "
                "return $1.given; end $planted$"
            ).format(
                cast,
                login,
                sql.SQL(kind.replace("integer", "int4").replace("boolean", "bool").replace("bigint", "int8")),
                sql.Literal(CAUGHT),
            )
        )
        statements.append(
            sql.SQL("create cast ({}.trojan as {}) with function {}({}.trojan) as implicit").format(
                login,
                sql.SQL(
                    "pg_catalog." + kind.replace("integer", "int4").replace("boolean", "bool").replace("bigint", "int8")
                ),
                cast,
                login,
            )
        )
    for statement in statements:
        conn.execute(statement)
    return len(statements)


@pytest.mark.parametrize("role", ["reader", "admin"])
def test_a_condition_that_tells_what_it_sees_sees_nothing_that_the_views_do_not_show(target: Target, role: str) -> None:
    """A cheap function in a WHERE may be run before a view's own conditions: all that it meets is shown anyway."""
    conn = target.logins[role]
    conn.execute("create table seen (value text)")
    conn.execute(
        "create function tell(value text) returns boolean language plpgsql cost 0.0000001 as "
        "$planted$ begin insert into seen values (value); return true; end $planted$"
    )
    target.rows("select * from {a}.set_stream_active(1, false)")  # a stream without an owner: assignments hides it
    views = [view for view in VIEWS if view != "locks"]  # what pg_locks shows to all
    try:
        for view in views:
            name = sql.Identifier(target.names.api, view)
            columns = [
                column.name
                for column in conn.execute(sql.SQL("select * from {} limit 0").format(name)).description or []
            ]
            for column in columns:
                conn.execute(sql.SQL("select from {} where tell({}::text)").format(name, sql.Identifier(column)))
        shown = {
            str(value)
            for view in VIEWS
            for row in conn.execute(
                sql.SQL("select to_jsonb(v) as row from {} as v").format(sql.Identifier(target.names.api, view))
            ).fetchall()
            for value in row["row"].values()
        }
        seen = {row["value"] for row in conn.execute("select value from seen where value ~ '^[a-z]'").fetchall()}
        assert len(seen) > 50
        assert seen - shown <= {"true", "false"}
    finally:
        conn.execute("drop function tell(text)")
        conn.execute("drop table seen")
        target.rows("select * from {a}.set_stream_active(1, true)")


@pytest.fixture(scope="module", params=ROLES)
def planter(request: pytest.FixtureRequest, target: Target) -> Iterator[tuple[str, Connection]]:
    """A login of this role that has planted all of it, and looks there first."""
    role = str(request.param)
    conn = target.logins[role]
    assert _plant(target, conn) > 400
    conn.execute(sql.SQL("set search_path = {}, pg_temp, public, pg_catalog").format(sql.Identifier(conn.info.user)))
    yield role, conn
    conn.execute("set search_path = pg_catalog")
    conn.execute("discard temp")
    conn.execute(sql.SQL("drop schema {0} cascade").format(sql.Identifier(conn.info.user)))
    conn.execute("reset search_path")


def _run(conn: Connection, statement: Statement, parameters: list[Any] | None = None) -> str:
    """The SQLSTATE; the trace of code that ran as another login would be an error or in the loot."""
    with undone(conn):
        code = "00000"
        try:
            conn.execute(statement, parameters).fetchall()
        except psycopg.Error as error:
            return error.sqlstate or "?"
        who = conn.execute(
            sql.SQL("select distinct who operator(pg_catalog.=) session_user as own from {}.loot").format(
                sql.Identifier(conn.info.user)
            )
        ).fetchall()
        assert who in ([], [{"own": True}]), who
    return code


def test_what_is_planted_is_what_the_login_itself_meets(planter: tuple[str, Connection]) -> None:
    """Else none of this would prove anything."""
    _, conn = planter
    with undone(conn):
        conn.execute(
            "select length('x'::pg_catalog.text), 'a'::pg_catalog.text = 'b'::pg_catalog.text, "
            "1::pg_catalog.int8 < 2::pg_catalog.int8"
        )
        found = conn.execute("select what from loot").fetchall()
    assert {row["what"] for row in found} == {"length", "=", "<"}


def test_no_function_runs_planted_code_as_its_owner(target: Target, planter: tuple[str, Connection]) -> None:
    role, conn = planter
    codes = {}
    for function in FUNCTIONS:
        if not may_call(role, function):
            continue
        arguments = target.arguments(function)
        types = {parameter.name: parameter.type for parameter in target.parameters.get(function, [])}
        plain = sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in arguments.items()
        )
        trojan = sql.SQL(", ").join(
            sql.SQL("{} => row({}::pg_catalog.text)::trojan").format(sql.Identifier(name), sql.Literal(_text(value)))
            if value is not None
            and types[name] in ("text", "bigint", "integer", "jsonb", "interval", "boolean", "text[]", "bigint[]")
            else sql.SQL("{} => {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in arguments.items()
        )
        for style, given in (("plain", plain), ("trojan", trojan)):
            call = sql.SQL("select * from {}({})").format(sql.Identifier(target.names.api, function), given)
            codes[function, style] = _run(conn, call)
    assert CAUGHT not in codes.values()
    # most of them did their work: what is refused at once proves little
    done = [key for key, code in codes.items() if code == "00000"]
    assert len(done) > len(codes) * 0.6, codes


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "{" + ",".join(str(each) for each in value) + "}" if isinstance(value, list) else str(value)


def test_no_view_runs_planted_code_as_its_owner(target: Target, planter: tuple[str, Connection]) -> None:
    role, conn = planter
    for view in VIEWS:
        code = _run(conn, sql.SQL("select * from {}").format(sql.Identifier(target.names.api, view)))
        assert code == ("00000" if may_read(role) else "42501"), view
    stage_row = sql.SQL(
        "insert into {} (batch, line) values ('00000000-0000-0000-0000-000000000001', 1) returning 1"
    ).format(sql.Identifier(target.names.api, "stream_staging"))
    assert _run(conn, stage_row) == ("00000" if role == "admin" else "42501")
