"""POSTGRES_* and DB_TABLE_NAME, which operators already use, and where passwords may be."""

import io
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from orchestrator.database import db
from orchestrator.errors import BadArgument
from orchestrator.lab.server import temporary_server
from orchestrator.sources.address import (
    TableSource,
    address_without_password,
    ensure_environment_source,
    source_from_environment,
)
from orchestrator.sources.sync import sync, sync_due
from orchestrator.sources.table import SourceUnreachable, read_table
from tests.source.conftest import External, Fleet


@pytest.fixture
def environment(external: External) -> dict[str, str]:
    parts = conninfo_to_dict(external.dsn)
    return {
        "POSTGRES_HOST": str(parts["host"]),
        "POSTGRES_PORT": str(parts["port"]),
        "POSTGRES_DB": str(parts["dbname"]),
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASSWORD": os.environ.get("PGPASSWORD", "hush-hush"),
        "DB_TABLE_NAME": "radios",
    }


def test_without_a_host_there_is_no_source() -> None:
    assert source_from_environment({"POSTGRES_PASSWORD": "x", "POSTGRES_HOST": " "}) is None


def test_the_environment_describes_a_source() -> None:
    described = source_from_environment(
        {
            "POSTGRES_HOST": "db.example",
            "POSTGRES_DB": "prod",
            "POSTGRES_USER": "reader",
            "POSTGRES_PASSWORD": "hush-hush",
        }
    )
    assert described == TableSource("environment", "host=db.example port=5432 dbname=prod user=reader", "streams")


def test_a_bad_port_is_named() -> None:
    with pytest.raises(BadArgument, match="POSTGRES_PORT"):
        source_from_environment({"POSTGRES_HOST": "h", "POSTGRES_PORT": "five"})


def test_a_driver_makes_the_source_of_its_environment(
    fleet: Fleet, external: External, environment: dict[str, str]
) -> None:
    external.execute("create table radios (id int, url text)")
    external.execute("insert into radios values (1, 'http://radio.example/1')")
    for _ in range(2):
        ensure_environment_source(fleet.conn, environment)
    row = fleet.source("environment")
    assert (row["table_name"], row["kind"]) == ("radios", "postgresql")
    assert environment["POSTGRES_PASSWORD"] not in str(row)
    (result,) = sync_due(fleet.conn, environment=environment)
    assert result.inserted == 1


def test_what_an_administrator_set_for_it_stays(fleet: Fleet, environment: dict[str, str]) -> None:
    described = ensure_environment_source(fleet.conn, environment)
    assert described is not None
    db.call(
        fleet.conn,
        "add_source",
        source="environment",
        conninfo=described.conninfo,
        table_name="radios",
        column_map={"name": "nome"},
        sync_interval="5 minutes",
        enabled=False,
    )
    ensure_environment_source(fleet.conn, {**environment, "DB_TABLE_NAME": "others"})
    row = fleet.source("environment")
    assert (row["table_name"], row["column_map"], row["enabled"]) == ("others", {"name": "nome"}, False)
    assert row["sync_interval"].total_seconds() == 300


def read(conninfo: str, environment: dict[str, str]) -> None:
    row: dict[str, Any] = {
        "source": "s",
        "conninfo": conninfo,
        "table_name": "t",
        "column_map": {},
        "network_timeout": None,
    }
    read_table(row, uuid.uuid4(), io.BytesIO(), environment=environment)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://reader:hush-hush@db.example/prod",
        "host=db.example password=hush-hush",
        "postgresql://db.example/prod?password=hush-hush",
        "postgresql://db.example/prod?passw%6Frd=hush-hush",
        "host=db.example sslpassword=hush-hush",
    ],
)
def test_a_dsn_with_a_password_is_refused_without_repeating_it(dsn: str) -> None:
    with pytest.raises(BadArgument) as refused:
        address_without_password(dsn)
    assert refused.value.hint and "PGPASSFILE" in refused.value.hint
    assert "hush" not in f"{refused.value} {refused.value.detail} {refused.value.hint}"


@pytest.mark.parametrize("dsn", ["postgresql://h:x/db", "nonsense", "host=", "password = 'hush"])
def test_a_dsn_that_cannot_be_read_is_refused_without_repeating_it(dsn: str) -> None:
    try:
        address_without_password(dsn)
    except BadArgument as refused:
        assert "hush" not in str(refused)


@pytest.fixture
def password_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server that asks for passwords."""
    with temporary_server(settings={"fsync": "off"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("create role reader login password 'hush-hush'")
            conn.execute("create table streams (id int, url text)")
            conn.execute("insert into streams values (1, 'http://radio.example/1')")
            conn.execute("grant select on streams to reader")
            hba = conn.execute("show hba_file").fetchone()
            assert hba is not None
            rules = Path(hba[0])
            rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
            conn.execute("select pg_reload_conf()")
        yield server.socket_directory


def test_a_password_is_taken_from_the_environment_or_a_password_file(
    fleet: Fleet, password_server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    environment = {"POSTGRES_HOST": str(password_server), "POSTGRES_USER": "reader", "POSTGRES_DB": "postgres"}
    ensure_environment_source(fleet.conn, environment)
    with pytest.raises(SourceUnreachable) as failed:
        sync(fleet.conn, "environment", environment=environment)
    assert "PGPASSFILE" in (failed.value.hint or "")
    with pytest.raises(SourceUnreachable) as failed:
        sync(fleet.conn, "environment", environment={**environment, "POSTGRES_PASSWORD": "wrong-one"})
    assert "wrong-one" not in str(fleet.source("environment"))
    with_password = {**environment, "POSTGRES_PASSWORD": "hush-hush"}
    assert sync(fleet.conn, "environment", environment=with_password).inserted == 1
    password_file = tmp_path / "pgpass"
    password_file.write_text("*:*:*:reader:hush-hush\n")
    password_file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(password_file))
    assert sync(fleet.conn, "environment", environment=environment).unchanged == 1
