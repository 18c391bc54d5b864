"""Who may call, read and write what, tried by real logins. A new function or view is tried without a line here."""

import pytest
from psycopg import sql

from tests.lint.test_catalog import GRANTED
from tests.security.target import FUNCTIONS, ROLES, VIEWS, Target, code_of, may_call, may_read

DENIED = "42501"
# What a statement that does not fit its object is refused with, for every login.
DENIED_OR_UNFIT = {DENIED, "428C9", "42809", "55000", "0A000"}


def test_all_that_is_installed_is_tried_here(target: Target) -> None:
    """A function is granted to some role in the table of roles, a view has a file; there is nothing else."""
    assert [row["name"] for row in target.functions(target.names.api)] == FUNCTIONS == sorted(GRANTED["admin"])
    public = [row["name"] for row in target.relations if row["schema"] == target.names.api]
    assert public == sorted([*VIEWS, "stream_staging"])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_answers_its_roles_only(target: Target, function: str, role: str) -> None:
    nulls = sql.SQL(", ").join(
        sql.SQL("null::{}").format(sql.SQL(parameter.type)) for parameter in target.parameters.get(function, [])
    )
    before = target.snapshot()
    code = code_of(
        target.logins[role], sql.SQL("select {}({})").format(sql.Identifier(target.names.api, function), nulls)
    )
    assert (code != DENIED) == may_call(role, function)
    assert target.snapshot() == before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_read_by_its_roles_and_written_by_none(target: Target, view: str, role: str) -> None:
    conn, name = target.logins[role], sql.Identifier(target.names.api, view)
    [column] = [
        row["columns"][0] for row in target.relations if (row["schema"], row["name"]) == (target.names.api, view)
    ]

    def code(text: str) -> str:
        return code_of(conn, sql.SQL(text).format(name, sql.Identifier(column)))

    assert (code("select * from {} limit 1") != DENIED) == may_read(role)
    for write in (
        "insert into {} default values",
        "insert into {} ({}) select null",
        "update {} set {} = null",
        "delete from {}",
        "truncate {}",
        "select from {} for update",
        "lock table {} in row exclusive mode",
        "lock table {} in share mode",
        "create trigger planted instead of insert on {} for each row "
        "execute function suppress_redundant_updates_trigger()",
        "create rule planted as on insert to {} do instead nothing",
        "comment on view {} is 'planted'",
        "alter view {} set (security_invoker = true)",
        "alter view {} owner to current_user",
        "drop view {}",
    ):
        assert code(write) in DENIED_OR_UNFIT, write


@pytest.mark.parametrize("role", ROLES)
def test_only_an_administrator_may_stage_rows_and_do_nothing_else_with_them(target: Target, role: str) -> None:
    conn, name = target.logins[role], sql.Identifier(target.names.api, "stream_staging")

    def code(text: str) -> str:
        return code_of(conn, sql.SQL(text).format(name))

    assert (code("insert into {} (batch, line) values (gen_random_uuid(), 1)") == "00000") == (role == "admin")
    for other in (
        "select from {}",
        "select batch from {}",
        "insert into {} (batch, line) values (gen_random_uuid(), 1) returning batch",
        "copy {} to stdout",
        "update {} set line = 2",
        "delete from {}",
        "truncate {}",
        "lock table {} in share mode",
        "create trigger planted after insert on {} execute function suppress_redundant_updates_trigger()",
        "create rule planted as on insert to {} do nothing",
        "create index on {} (line)",
        "create statistics planted on batch, line from {}",
        "create policy planted on {}",
        "create table child () inherits ({})",
        "alter table {} add column planted text",
        "drop table {}",
    ):
        assert code(other) == DENIED, other


# -- what is private ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_nothing_private_can_be_read_written_locked_or_built_upon(target: Target, role: str) -> None:
    conn = target.logins[role]
    before = target.snapshot()
    tried = 0
    for relation in target.relations:
        if relation["schema"] != target.names.private:
            continue
        name, column = (
            sql.Identifier(relation["schema"], relation["name"]),
            sql.Identifier((relation["columns"] or ["x"])[0]),
        )
        for text in _PRIVATE_SEQUENCE if relation["kind"] == "S" else _PRIVATE_TABLE:
            statement = sql.SQL(text).format(name, column)
            assert code_of(conn, statement) == DENIED, statement.as_string()
            tried += 1
    assert tried > 500
    assert target.snapshot() == before


_PRIVATE_SEQUENCE = ("select from {}", "select nextval('{}')", "select setval('{}', 1)", "drop sequence {}")
_PRIVATE_TABLE = (
    "select from {}",
    "select {1} from {0}",
    "table {}",
    "copy {} to stdout",
    "insert into {} default values",
    "update {} set {} = null",
    "delete from {}",
    "truncate {}",
    "select from {} for key share",
    "lock table {} in access share mode",
    "lock table {} in access exclusive mode",
    "merge into {} as t using (select 1) as s on true when matched then delete",
    "create table referrer (x text references {})",
    "create table child () inherits ({})",
    "create table alike (like {})",
    "create view peephole as select * from {}",
    "create table typed (x {})",
    "select null::{}",
    "create trigger planted after insert on {} execute function suppress_redundant_updates_trigger()",
    "create rule planted as on insert to {} do nothing",
    "create index on {} ({})",
    "create policy planted on {}",
    "alter table {} disable trigger all",
    "comment on table {} is 'planted'",
    "drop table {}",
    "grant select on {} to current_user",
)


@pytest.mark.parametrize("role", ROLES)
def test_no_private_function_or_type_can_be_used(target: Target, role: str) -> None:
    conn, schema = target.logins[role], target.names.private
    functions = target.rows(
        "select p.proname as name, array_to_string(array("
        "select 'null::' || format_type(t.oid, null) "
        "from unnest(p.proargtypes::oid[]) with ordinality as t (oid, place) "
        "where t.oid not in (select oid from pg_type where typnamespace = p.pronamespace) order by t.place"
        "), ', ') as nulls from pg_proc as p where p.pronamespace = %s::regnamespace",
        schema,
    )
    assert len(functions) > 100
    for function in functions:
        call = sql.SQL("select {}({})").format(sql.Identifier(schema, function["name"]), sql.SQL(function["nulls"]))
        assert code_of(conn, call) == DENIED, function
        assert code_of(conn, sql.SQL("select '{}'::regproc").format(sql.Identifier(schema, function["name"]))) == DENIED
    for kind in target.rows("select typname as name from pg_type where typnamespace = %s::regnamespace", schema):
        name = sql.Identifier(schema, kind["name"])
        assert code_of(conn, sql.SQL("create table typed (x {})").format(name)) == DENIED, kind


# -- what no login may do anywhere near a fleet ------------------------------------------------------------------------

_TAKEN = (
    # to become another login
    "set role {owner}",
    "set session authorization {owner}",
    "set session_replication_role = replica",
    "grant {owner} to current_user",
    "grant {admin} to {worker}",
    "alter role {worker} login",
    "alter role {owner} login password 'known'",
    "alter role {admin} set search_path = pg_temp",
    "drop role {reader}",
    "reassign owned by {owner} to current_user",
    "drop owned by {owner}",
    # to change what is there
    "create table {api}.planted ()",
    "create view {api}.planted as select 1",
    "create function {api}.planted() returns void language sql as ''",
    "create function {private}.planted() returns void language sql as ''",
    "create or replace function {api}.is_current(p_stream_id bigint, p_epoch bigint) returns boolean "
    "language sql as 'select true'",
    "create type {private}.planted as (x integer)",
    "create operator {api}.= (leftarg = text, rightarg = text, function = texteq)",
    "alter function {api}.is_current(bigint, bigint) reset search_path",
    "alter function {api}.is_current(bigint, bigint) security invoker",
    "alter function {api}.is_current(bigint, bigint) owner to current_user",
    "alter function {api}.is_current(bigint, bigint) depends on extension plpgsql",
    "drop function {api}.is_current(bigint, bigint)",
    "comment on function {api}.is_current(bigint, bigint) is 'planted'",
    "alter schema {api} rename to planted",
    "alter schema {private} owner to current_user",
    "drop schema {api} cascade",
    "comment on schema {api} is 'planted'",
    "grant usage on schema {private} to current_user",
    "alter default privileges for role {owner} grant all on tables to public",
    "alter default privileges for role {owner} in schema {api} grant execute on functions to public",
    # to plant what the server would run
    "create function public.planted() returns void language sql as ''",
    "create schema planted",
    "create event trigger planted on ddl_command_end execute function pg_catalog.suppress_redundant_updates_trigger()",
    "create extension file_fdw",
    "create language planted handler plpgsql_call_handler",
    "create publication planted for all tables",
    "create subscription planted connection '' publication planted with (connect = false)",
    "create cast (text as jsonb) with inout as implicit",
    "create access method planted type index handler bthandler",
    "create role planted",
    # to reach the machine beneath
    "copy (select 1) to '/tmp/planted'",
    "copy (select 1) to program 'true'",
    "create temp table t (x text); copy t from '/etc/hostname'",
    "create temp table t (x text); copy t from program 'true'",
    "select pg_read_file('postgresql.conf')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/hostname')",
    "select lo_export(1, '/tmp/planted')",
    "load 'auto_explain'",
    "select pg_reload_conf()",
    "select pg_switch_wal()",
    "select * from pg_authid",
    "set log_statement = 'none'",
)


@pytest.mark.parametrize("role", ROLES)
def test_no_login_can_become_the_owner_or_change_or_plant_anything(target: Target, role: str) -> None:
    conn = target.logins[role]
    for text in _TAKEN:
        statement = sql.SQL(text).format(
            **{name: sql.Identifier(value) for name, value in target.names.as_dict().items()}
        )
        assert code_of(conn, statement) in {DENIED, "0A000"}, text


@pytest.mark.parametrize("role", ROLES)
def test_no_login_can_end_the_session_of_another(target: Target, role: str) -> None:
    """pg_signal_backend is the owner's, and reaches a login through the job watch_transactions only."""
    pid = target.logins["victim"].info.backend_pid
    for function in ("pg_terminate_backend", "pg_cancel_backend"):
        assert code_of(target.logins[role], f"select {function}({pid})") == DENIED
    for reader in ("pg_read_all_stats", "pg_read_all_data", "pg_signal_backend", "pg_monitor"):
        [row] = (
            target.logins[role]
            .execute("select pg_has_role(current_user, %s, 'member') as is_member", [reader])
            .fetchall()
        )
        assert row == {"is_member": False}


def test_no_function_trusts_a_setting_that_a_session_can_make_up(target: Target) -> None:
    """What a login sets with `set orchestrator.x = …` is read nowhere; what is read says nothing about rights."""
    known = {
        "synchronous_commit",  # a decision is committed at least locally, whatever it says
        "application_name",  # shown, never believed
        "max_connections",
        "max_prepared_transactions",
        f"{target.names.api}.event_id",  # which rows belong together, for the transaction that it names alone
        "reserved_connections",
        "server_version",
        "server_version_num",
        "session_replication_role",  # in one of its values no trigger counts, and no decision is made
        "superuser_reserved_connections",
        "transaction_isolation",
    }
    read = target.rows(
        "select distinct m[1] as name from pg_proc as p, "
        "regexp_matches(pg_get_functiondef(p.oid), 'current_setting\\(([^,)]*)', 'g') as m "
        "where p.pronamespace in (%s::regnamespace, %s::regnamespace)",
        target.names.api,
        target.names.private,
    )
    assert {row["name"].removesuffix("::text").strip("'") for row in read} <= known
