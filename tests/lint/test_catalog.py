"""What the catalog must say of an installed fleet: who owns what, who may call what, and what each thing is for."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from orchestrator.database import db
from tests.rooms import sql_file_of
from tests.sql.conftest import Login, login
from tests.support import Database

__all__ = ["login"]  # the fixture of tests/sql

# Functions by the roles that may call them; administrators may call all.
WORKER = {
    "acknowledge",
    "assert_current",
    "attach_session",
    "deregister_instance",
    "detach_session",
    "get_assignments",
    "get_commands",
    "heartbeat",
    "http_assign_streams",
    "http_diagnostic",
    "http_heartbeat",
    "http_present",
    "http_register",
    "http_release_streams",
    "http_remove_instance",
    "http_update_stream",
    "is_current",
    "lock_holders",
    "register_instance",
    "release_streams",
    "report_failures",
    "renew_epoch",
    "report_streams",
    "suspend_instance",
}
READER = {
    "assert_current",
    "coverage",
    "assignments_at",
    "decisions_between",
    "diagnose",
    "explain_event",
    "explain_instance",
    "explain_stream",
    "find_streams",
    "health",
    "http_assignments",
    "http_dashboard",
    "http_health",
    "http_instance",
    "http_instances",
    "http_metrics",
    "http_source_test",
    "http_status",
    "http_streams",
    "http_streams_status",
    "http_worker_metrics",
    "http_workers",
    "is_current",
    "lock_holders",
    "metrics",
    "signs_of_life",
}
ADMIN = (
    WORKER
    | READER
    | {
        "acknowledge_alert",
        "add_source",
        "add_stream",
        "apply_plan",
        "claim_alert_deliveries",
        "drain_instance",
        "end_recovery",
        "finish_alert_delivery",
        "finish_job",
        "http_rebalance",
        "move_stream",
        "pause_balancing",
        "pin_stream",
        "plan_effect",
        "plan_rebalance",
        "read_clock",
        "readmit_instance",
        "rebalance",
        "record_clock_step",
        "record_failures",
        "record_heartbeats",
        "record_music",
        "record_sync_failure",
        "record_witness_failure",
        "remove_alert_target",
        "remove_instance",
        "remove_source",
        "remove_stream",
        "repair_record",
        "request_job",
        "resume_balancing",
        "run_due_jobs",
        "run_next_job",
        "schedule_job",
        "serve_source",
        "set_alert_target",
        "end_hold_ups",
        "set_capacity",
        "set_instance_owner",
        "set_client_kind",
        "set_setting",
        "set_standby",
        "set_stream_active",
        "sources_due",
        "station_problems",
        "sync_streams",
        "undrain_instance",
        "unpin_stream",
        "what_if",
        "witnesses_due",
    }
)
GRANTED = {"admin": ADMIN, "worker": WORKER, "reader": READER}

# Views run with their reader's rights when they call a function.
PRIVATE_FUNCTIONS_OF_VIEWS = {
    "now()",
    "lock_key(text)",
    "sync_pause(interval,integer)",
    "redact(text)",
    "is_storable_conninfo(text)",
    "names_secret(text)",
}


@pytest.fixture
def conn(database: Database) -> Iterator[db.Connection]:
    yield database.connect()


def _functions(conn: db.Connection, schema: str) -> list[db.Row]:
    return conn.execute(
        """
        select
            p.oid, p.proname as name, p.oid::regprocedure::text as signature, p.prosecdef as definer,
            r.rolname as owner, p.provolatile as volatility, coalesce(p.proconfig, '{}') as settings,
            obj_description(p.oid, 'pg_proc') as comment,
            array(
                select coalesce(g.rolname, 'public')
                from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
                left join pg_roles as g on g.oid = a.grantee
                where a.grantee <> p.proowner
                order by 1
            ) as grantees
        from pg_proc as p
        join pg_namespace as n on n.oid = p.pronamespace
        join pg_roles as r on r.oid = p.proowner
        where n.nspname = %s
        order by p.proname
        """,
        [schema],
    ).fetchall()


# -- functions ---------------------------------------------------------------------------------------------------------


def test_every_public_function_runs_as_its_owner_with_a_pinned_path(conn: db.Connection) -> None:
    for function in _functions(conn, conn.names.api):
        assert function["definer"], function["signature"]
        assert function["owner"] == conn.names.owner, function["signature"]
        assert "search_path=pg_catalog, pg_temp" in function["settings"], function["signature"]


def test_no_public_function_has_its_plans_compiled(conn: db.Connection) -> None:
    """They look dear and are not: where a server has JIT, explain_stream() took 50 ms with it and 3 ms without."""
    for function in _functions(conn, conn.names.api):
        assert "jit=off" in function["settings"], function["signature"]


def test_every_public_function_that_writes_waits_for_locks_only_so_long(conn: db.Connection) -> None:
    """R2.1"""
    for function in _functions(conn, conn.names.api):
        header = sql_file_of(function["name"]).read_text()
        if "\n-- Writes" in header or "\n-- Locks" in header:
            assert function["volatility"] == "v", function["signature"]
            assert "lock_timeout=5s" in function["settings"], function["signature"]


def test_every_public_function_may_be_called_by_its_roles_and_by_no_other(conn: db.Connection) -> None:
    granted = {function["name"]: set(function["grantees"]) for function in _functions(conn, conn.names.api)}
    expected = {
        name: {getattr(conn.names, role) for role, functions in GRANTED.items() if name in functions} for name in ADMIN
    }
    assert granted == expected


def test_no_public_function_has_an_overload(conn: db.Connection) -> None:
    """A new parameter with a default makes one, and every call of the old form is ambiguous then."""
    names = [function["name"] for function in _functions(conn, conn.names.api)]
    assert len(names) == len(set(names))


def test_public_functions_name_their_parameters_and_columns(conn: db.Connection) -> None:
    for function in _functions(conn, conn.names.api):
        row = conn.execute("select proargnames, proargmodes, pronargs from pg_proc where oid = %s", [function["oid"]])
        [found] = row.fetchall()
        names, modes = found["proargnames"] or [], found["proargmodes"] or ["i"] * found["pronargs"]
        assert len(names) == len(modes), function["signature"]
        for name, mode in zip(names, modes, strict=True):
            assert name.startswith("p_") == (mode == "i"), (function["signature"], name)


def test_no_private_function_may_be_called_by_anybody(conn: db.Connection) -> None:
    for function in _functions(conn, conn.names.private):
        assert function["owner"] == conn.names.owner, function["signature"]
        signature = function["signature"].removeprefix(f"{conn.names.private}.")
        expected = [conn.names.admin, conn.names.reader] if signature in PRIVATE_FUNCTIONS_OF_VIEWS else []
        assert function["grantees"] == expected, signature
        # a private function gets its owner's rights from its caller, and no other calls it
        assert not function["definer"], signature


# -- relations ---------------------------------------------------------------------------------------------------------


def _relations(conn: db.Connection, schema: str) -> list[db.Row]:
    return conn.execute(
        """
        select
            c.relname as name, c.relkind as kind, r.rolname as owner, obj_description(c.oid, 'pg_class') as comment,
            array(
                select coalesce(g.rolname, 'public') || ' ' || a.privilege_type
                from aclexplode(
                    coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
                ) as a
                left join pg_roles as g on g.oid = a.grantee
                where a.grantee <> c.relowner
                order by 1
            ) as grants
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        join pg_roles as r on r.oid = c.relowner
        where n.nspname = %s and c.relkind in ('r', 'v', 'S', 'm', 'p', 'f')
        order by c.relname
        """,
        [schema],
    ).fetchall()


def test_views_are_read_by_readers_and_administrators_and_nothing_else_is_granted(conn: db.Connection) -> None:
    for relation in _relations(conn, conn.names.api):
        assert relation["owner"] == conn.names.owner
        assert relation["grants"] == (
            [f"{conn.names.admin} INSERT"]
            if relation["name"] == "stream_staging"
            else [f"{conn.names.admin} SELECT", f"{conn.names.reader} SELECT"]
        ), relation["name"]


def test_nothing_private_is_granted_to_anybody(conn: db.Connection) -> None:
    """Design §1: only the owner."""
    relations = _relations(conn, conn.names.private)
    assert len(relations) > 20
    for relation in relations:
        assert relation["owner"] == conn.names.owner, relation["name"]
        assert relation["grants"] == [], relation["name"]


def test_the_private_schema_is_closed_and_the_public_one_open_to_the_roles_only(conn: db.Connection) -> None:
    for role in ("admin", "worker", "reader", None):
        name = getattr(conn.names, role) if role else "public"
        row = conn.execute(
            """
            select
                has_schema_privilege(%(role)s, %(api)s, 'usage') as api,
                has_schema_privilege(%(role)s, %(api)s, 'create') as create_in_api,
                has_schema_privilege(%(role)s, %(private)s, 'usage') as private,
                has_schema_privilege(%(role)s, %(private)s, 'create') as create_in_private
            """,
            {"role": name, **conn.names.as_dict()},
        ).fetchone()
        assert row == {
            "api": role is not None,
            "create_in_api": False,
            "private": False,
            "create_in_private": False,
        }, name


def test_the_owner_and_the_roles_cannot_log_in_and_are_nothing_special(conn: db.Connection) -> None:
    names = conn.names
    rows = conn.execute(
        "select * from pg_roles where rolname = any(%s)", [[names.owner, names.admin, names.worker, names.reader]]
    ).fetchall()
    assert len(rows) == 4
    for row in rows:
        powers = ("rolcanlogin", "rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
        assert not any(row[power] for power in powers), row["rolname"]


def test_no_role_is_granted_what_the_owner_may(conn: db.Connection) -> None:
    for role in ("admin", "worker", "reader"):
        row = conn.execute(
            "select pg_has_role(%s, %s, 'member') as is_owner", [getattr(conn.names, role), conn.names.owner]
        ).fetchone()
        assert row == {"is_owner": False}


# -- comments ----------------------------------------------------------------------------------------------------------


def test_everything_has_a_comment(conn: db.Connection) -> None:
    r"""Design §4: \df+ is a manual."""
    silent = []
    for schema in (conn.names.api, conn.names.private):
        silent += [function["signature"] for function in _functions(conn, schema) if not function["comment"]]
        silent += [r["name"] for r in _relations(conn, schema) if r["kind"] != "S" and not r["comment"]]
    runners = {"applied_migration", "applied_repeatable", "applied_object"}
    assert set(silent) <= runners, silent


# -- real logins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["admin", "worker", "reader"])
def test_a_login_gets_42501_for_every_function_of_another_role(
    database: Database, conn: db.Connection, login: Login, role: str
) -> None:
    stranger = login(role)
    public = [(conn.names.api, function) for function in _functions(conn, conn.names.api)]
    private = [(conn.names.private, function) for function in _functions(conn, conn.names.private)]
    refused = 0
    for schema, function in public + private:
        if schema == conn.names.api and function["name"] in GRANTED[role]:
            continue
        arguments = conn.execute(
            "select string_agg('null::' || format_type(t.oid, null), ', ' order by t.place) as arguments "
            "from pg_proc as p, unnest(p.proargtypes) with ordinality as t (oid, place) where p.oid = %s",
            [function["oid"]],
        ).fetchone()
        assert arguments is not None
        call = sql.SQL("select {}({})").format(
            sql.Identifier(schema, function["name"]), sql.SQL(arguments["arguments"] or "")
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stranger.execute(call)
        refused += 1
    assert refused > 50


@pytest.mark.parametrize("role", ["admin", "worker", "reader"])
def test_a_login_can_touch_no_private_table(database: Database, conn: db.Connection, login: Login, role: str) -> None:
    stranger = login(role)
    for relation in _relations(conn, conn.names.private):
        for statement in ("select from {}", "delete from {}"):
            if relation["kind"] == "r":
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    stranger.execute(sql.SQL(statement).format(sql.Identifier(conn.names.private, relation["name"])))
    staging = sql.Identifier(conn.names.api, "stream_staging")
    for forbidden in ("select from {}", "delete from {}", "truncate {}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stranger.execute(sql.SQL(forbidden).format(staging))
