"""Part F: columns are found by their names or by a map, and no name can do more than be a name."""

import os
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.errors import UnusableSource
from orchestrator.sources import table
from orchestrator.sources.table import SourceUnreachable
from tests import hostile
from tests.source.conftest import OLDER, External, Fleet


def test_the_older_table_is_read_without_a_map(fleet: Fleet, external: External) -> None:
    external.create(OLDER)
    external.execute(
        "insert into streams values "
        "('http://radio.example/7', 'Rádio Sé', 'Aba 1', 'Recife', 'PE', 'Nordeste', 'pop', 7)"
    )
    fleet.add_source(external)
    fleet.sync()
    stream = fleet.streams()["7"]
    assert (stream["name"], stream["region"], stream["active"]) == ("Rádio Sé", "Nordeste", True)
    assert stream["metadata"] == {"sheet": "Aba 1", "cidade": "Recife", "estado": "PE", "segmento": "pop"}


def test_what_changes_by_itself_is_not_metadata(fleet: Fleet, external: External) -> None:
    external.create()
    external.add(1, 1)
    external.execute(
        """update streams set metadata = '{"genre": "news"}', last_check = now(), assigned_to = 'someone'"""
    )
    fleet.add_source(external)
    fleet.sync()
    assert fleet.streams()["1"]["metadata"] == {"genre": "news"}
    external.execute(
        "update streams set last_check = now(), updated_at = now(), assigned_to = 'another', status = 'ok'"
    )
    assert fleet.sync().unchanged == 1


@pytest.mark.parametrize("dialect", ["'nan'::float8", "'{1,null}'::int[]", "'2020-01-01'::date", "'\\x00ff'::bytea"])
def test_columns_of_any_type_can_be_metadata(fleet: Fleet, external: External, dialect: str) -> None:
    external.create()
    external.add(1, 1)
    external.execute("create view v as select *, " + dialect + " as value from streams")
    fleet.add_source(external, "v", column_map={"metadata": ["value"]})
    fleet.sync()
    assert set(fleet.streams()["1"]["metadata"]) == {"value"}
    assert fleet.sync().unchanged == 1


def test_columns_are_mapped_by_name(fleet: Fleet, external: External) -> None:
    external.execute(
        """create table stations (chave uuid, titulo varchar(99), endereco text, ligada smallint, zona text,
        requer text[], gênero text, segredo text)"""
    )
    external.execute(
        """insert into stations values
        ('9c0f0f4e-0d3a-4b44-8f8e-000000000001', 'Um', 'http://radio.example/1', 1, 'Sul', '{hd}', 'mpb', 's3cret'),
        ('9c0f0f4e-0d3a-4b44-8f8e-000000000002', 'Dois', 'http://radio.example/2', 0, null, null, null, null)"""
    )
    column_map = {
        "external_id": "chave",
        "name": "titulo",
        "url": "endereco",
        "active": "ligada",
        "region": "zona",
        "required_capabilities": "requer",
        "metadata": ["gênero"],
    }
    fleet.add_source(external, "stations", column_map=column_map)
    assert fleet.sync().inserted == 2
    one, two = (fleet.streams()[f"9c0f0f4e-0d3a-4b44-8f8e-00000000000{n}"] for n in (1, 2))
    assert (one["name"], one["active"], one["region"], one["capabilities"]) == ("Um", True, "Sul", ["hd"])
    assert one["metadata"] == {"gênero": "mpb"}
    assert (two["active"], two["metadata"], two["region"]) == (False, {}, None)


@pytest.mark.parametrize(
    ("kind", "yes", "no"), [("boolean", "true", "false"), ("integer", "1", "0"), ("text", "'Sim'", "' nao '")]
)
def test_a_column_says_which_streams_have_a_standby(
    fleet: Fleet, external: External, kind: str, yes: str, no: str
) -> None:
    external.execute(f"create table streams (id integer, name text, url text, dupla {kind})")
    external.execute(
        f"""insert into streams values (1, 'one', 'http://radio.example/1', {yes}),
        (2, 'two', 'http://radio.example/2', {no}), (3, 'three', 'http://radio.example/3', null)"""
    )
    fleet.add_source(external, column_map={"standby": "dupla"})
    fleet.sync()
    said = "select external_id, standby from {p}.stream order by external_id"
    assert [row["standby"] for row in fleet.query(said)] == [True, False, None]
    assert [row["metadata"] for row in fleet.query("select metadata from {p}.stream")] == [{}, {}, {}]
    # where the column is empty the word of an administrator stays
    fleet.query("update {p}.stream set standby = not coalesce(standby, false) returning stream_id")
    assert fleet.sync().updated == 2
    assert [row["standby"] for row in fleet.query(said)] == [True, False, True]
    assert fleet.sync().updated == 0


def test_a_column_that_happens_to_be_called_standby_says_nothing_of_it(fleet: Fleet, external: External) -> None:
    external.execute("create table streams (id integer, name text, url text, standby boolean)")
    external.execute("insert into streams values (1, 'one', 'http://radio.example/1', true)")
    fleet.add_source(external)
    fleet.sync()
    [row] = fleet.query("select standby, metadata from {p}.stream")
    assert (row["standby"], row["metadata"]) == (None, {"standby": True})


@pytest.mark.parametrize(
    ("column", "value", "active"),
    [
        ("status text", "'active'", True),
        ("status text", "'Inactive '", False),
        ("status text", "'error'", True),
        ("status text", "null", True),
        ("ativo text", "'nao'", False),
        ("ativo text", "'sim'", True),
        ("ativo integer", "0", False),
        ("active boolean", "null", True),
        ("active boolean", "false", False),
        ("status boolean", "false", False),
        ("status varchar(10)", "'DISABLED'", False),
    ],
)
def test_a_stream_is_inactive_when_a_column_clearly_says_so(
    fleet: Fleet, external: External, column: str, value: str, active: bool
) -> None:
    external.execute("create table streams (id int, url text, " + column + ")")
    external.execute("insert into streams values (1, 'http://radio.example/1', " + value + ")")
    fleet.add_source(external)
    fleet.sync()
    assert fleet.streams()["1"]["active"] is active


def test_odd_names_are_quoted(fleet: Fleet, external: External) -> None:
    schema, table, column = 'Se"cret.s', "rá'dio; drop table streams --", "u\"r'l %s {x}"
    external.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))  # type: ignore[arg-type]  # a name that is no literal: odd names are the point
    external.execute(
        sql.SQL('create table {} (id int, {} text, "meta ""data" text)').format(  # type: ignore[arg-type]  # a name that is no literal: odd names are the point
            sql.Identifier(schema, table), sql.Identifier(column)
        )
    )
    external.execute(
        sql.SQL("insert into {} values (1, 'http://radio.example/1', E'tab\\there\\\\n')").format(  # type: ignore[arg-type]  # a name that is no literal: odd names are the point
            sql.Identifier(schema, table)
        )
    )
    fleet.add_source(external, f"{schema}.{table}", column_map={"url": column})
    fleet.sync()
    assert fleet.streams()["1"]["metadata"] == {'meta "data': "tab\there\\n"}


INJECTION = "streams; drop table streams; --"


@pytest.mark.parametrize(
    "table", [INJECTION, 'streams" where false --', "public.streams union select 1", "streams where 1=1"]
)
def test_a_table_name_can_only_be_a_name(fleet: Fleet, external: External, table: str) -> None:
    external.create()
    external.add(1, 1)
    fleet.add_source(external, table)
    with pytest.raises(UnusableSource, match="no such table") as refused:
        fleet.sync()
    assert "public.streams" in (refused.value.detail or {})["tables"]
    assert external.conn.execute("select count(*) as n from streams").fetchone() == {"n": 1}


def test_a_mapped_column_can_only_be_a_name(fleet: Fleet, external: External) -> None:
    external.create()
    external.add(1, 1)
    fleet.add_source(external, column_map={"url": "url || (select 'x')"})
    with pytest.raises(UnusableSource) as refused:
        fleet.sync()
    assert (refused.value.detail or {})["missing"] == ["url || (select 'x')"]


def test_missing_columns_are_named_with_those_that_exist(fleet: Fleet, external: External) -> None:
    external.execute("create table streams (codigo int, link text)")
    fleet.add_source(external)
    with pytest.raises(UnusableSource) as refused:
        fleet.sync()
    detail = refused.value.detail or {}
    assert detail["missing"] == {"external_id": "index or id", "url": "url"}
    assert detail["columns"] == ["codigo", "link"]
    assert "--column external_id=COLUMN --column url=COLUMN" in (refused.value.hint or "")


@pytest.mark.parametrize("column_map", [{"title": "name"}, {"url": ["url", 7]}, {"url": {"a": 1}}])
def test_a_column_map_that_makes_no_sense_is_refused(
    fleet: Fleet, external: External, column_map: dict[str, object]
) -> None:
    external.create()
    db.call(
        fleet.conn,
        "add_source",
        source="field",
        conninfo=external.dsn,
        table_name="streams",
        column_map=Jsonb(column_map),
    )
    with pytest.raises(UnusableSource):
        fleet.sync()


def test_a_login_that_may_not_read_is_told_so(fleet: Fleet, external: External) -> None:
    external.create()
    role = sql.Identifier(f"{conninfo_to_dict(external.dsn)['dbname']}_reader")
    password = sql.Literal(os.environ.get("PGPASSWORD"))
    external.conn.execute(sql.SQL("create role {} login password {}").format(role, password))
    try:
        dsn = make_conninfo(external.dsn, user=role.as_string().strip('"'))
        db.call(fleet.conn, "add_source", source="field", conninfo=dsn, table_name="streams")
        with pytest.raises(UnusableSource, match="may not read") as refused:
            fleet.sync()
        assert "grant select" in (refused.value.hint or "")
    finally:
        external.conn.execute(sql.SQL("drop role {}").format(role))


def test_the_source_is_read_in_a_transaction_that_cannot_write(fleet: Fleet, external: External) -> None:
    external.create()
    external.execute(
        """create function intrude() returns text language plpgsql as
        $$ begin delete from streams; return 'http://radio.example/1'; end $$;
        create view v as select 1 as id, intrude() as url"""
    )
    fleet.add_source(external, "v")
    with pytest.raises(UnusableSource) as refused:
        fleet.sync()
    assert (refused.value.detail or {})["sqlstate"] == "25006"


def test_a_source_that_hangs_is_given_up(fleet: Fleet, external: External) -> None:
    """R5.3"""
    external.execute(
        "create view v as select 1 as id, 'http://radio.example/1' || coalesce(pg_sleep(60)::text, '') as url"
    )
    fleet.add_source(external, "v")
    fleet.query("update {p}.setting set value = '00:00:01' where name = 'network_timeout' returning name")
    with pytest.raises(SourceUnreachable, match="did not answer in time"):
        fleet.sync()


def test_a_table_that_is_locked_is_given_up(fleet: Fleet, external: External) -> None:
    """R2.1"""
    external.create()
    external.add(1, 1)
    fleet.add_source(external)
    fleet.query("update {p}.setting set value = '00:00:01' where name = 'network_timeout' returning name")
    with external.conn.transaction():
        external.execute("lock table streams in access exclusive mode")
        with pytest.raises((SourceUnreachable, UnusableSource)):
            fleet.sync()


def test_text_that_is_not_utf8_is_refused(fleet: Fleet, external: External, superuser: psycopg.Connection[Any]) -> None:
    dbname = sql.Identifier(f"{conninfo_to_dict(external.dsn)['dbname']}_ascii")
    superuser.execute(sql.SQL("create database {} encoding 'SQL_ASCII' template template0").format(dbname))
    try:
        dsn = make_conninfo(external.dsn, dbname=dbname.as_string().strip('"'))
        with psycopg.connect(dsn, autocommit=True, client_encoding="SQL_ASCII") as conn:
            conn.execute("create table streams (id int, name text, url text)")
            conn.execute("insert into streams values (1, 'fine', 'http://radio.example/1')")
            conn.execute("insert into streams values (2, E'R\\341dio', 'http://radio.example/2')")
        db.call(fleet.conn, "add_source", source="field", conninfo=dsn, table_name="streams")
        with pytest.raises(UnusableSource, match="UTF-8") as refused:
            fleet.sync()
        assert "0xe1" in (refused.value.detail or {})["error"]
    finally:
        superuser.execute(sql.SQL("drop database {}").format(dbname))


@pytest.mark.parametrize("forms", [hostile.FORMS, hostile.OTHER_FORMS], ids=["forms", "other forms"])
def test_a_source_with_defaults_of_its_own_says_the_same(
    fleet: Fleet, external: External, forms: Mapping[str, str]
) -> None:
    """Metadata that looked otherwise would be a change of the stream, and a station would be another."""
    external.execute("create table streams (id int, name text, url text, gain real, delay interval, seen text[])")
    external.execute(
        "insert into streams values "
        "(1, 'Rádio São João', 'http://radio.example/1', 12.345678, '1 day 90 s', '{a,NULL}')"
    )
    fleet.add_source(external)
    fleet.sync()
    before = fleet.streams()
    database = sql.SQL("database {}").format(sql.Identifier(str(conninfo_to_dict(external.dsn)["dbname"])))
    every = {**forms, **hostile.EFFORT, **hostile.SERIALIZABLE, "search_path": "public"}
    for statement in hostile.set_for(database, every):
        external.conn.execute(statement)
    again = fleet.sync()
    assert (again.updated, again.unchanged) == (0, 1)
    assert fleet.streams() == before


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
def test_a_source_in_another_encoding_is_read(
    fleet: Fleet, external: External, superuser: psycopg.Connection[Any], encoding: str
) -> None:
    dbname = f"{conninfo_to_dict(external.dsn)['dbname']}_encoded"
    superuser.execute(
        sql.SQL("create database {} encoding {} lc_collate 'C' lc_ctype 'C' template template0").format(
            sql.Identifier(dbname), sql.Literal(encoding)
        )
    )
    try:
        dsn = make_conninfo(external.dsn, dbname=dbname)
        with psycopg.connect(dsn, autocommit=True, client_encoding="UTF8") as conn:
            conn.execute("create table streams (id int, name text, url text)")
            conn.execute("insert into streams values (1, 'Rádio São João', 'http://radio.example/1')")
        db.call(fleet.conn, "add_source", source="field", conninfo=dsn, table_name="streams")
        fleet.sync()
        assert fleet.streams()["1"]["name"] == "Rádio São João"
    finally:
        superuser.execute(sql.SQL("drop database {}").format(sql.Identifier(dbname)))


def test_a_server_that_is_too_old_is_refused(fleet: Fleet, external: External, monkeypatch: pytest.MonkeyPatch) -> None:
    external.create()
    fleet.add_source(external)
    monkeypatch.setattr(table, "OLDEST_SERVER", 990000)  # no server that old can be had
    with pytest.raises(UnusableSource, match="too old"):
        fleet.sync()


def test_wide_tables_are_read(fleet: Fleet, external: External) -> None:
    columns = ", ".join(f"c{n} int default {n}" for n in range(150))
    external.execute(f"create table streams (id int, url text, {columns})")
    external.execute("insert into streams (id, url) values (1, 'http://radio.example/1')")
    fleet.add_source(external)
    fleet.sync()
    assert fleet.streams()["1"]["metadata"] == {f"c{n}": n for n in range(150)}
