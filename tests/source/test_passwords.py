"""Each password goes to the server that it was written down for, whatever address an administrator gives a source."""

import io
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from orchestrator.errors import BadArgument, OrchestratorError
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from orchestrator.sources.address import address_without_password, environment_for
from orchestrator.sources.sync import sync, sync_all
from orchestrator.sources.table import read_table
from orchestrator.sources.witnesses import read_witnesses
from tests.source.trap import ADDRESS, Trap, trap


@pytest.fixture
def caught() -> Iterator[Trap]:
    with trap() as caught:
        yield caught


@pytest.fixture
def machine(caught: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables and files of a driver: passwords of localhost, at the port of the trap, for the user reader."""
    for variable in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGPASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "pgpass").write_text(f"localhost:{caught.port}:*:reader:of-the-file\n")
    (tmp_path / "pgpass").chmod(0o600)
    (tmp_path / "services").write_text(
        f"[radio]\nhost=localhost\nport={caught.port}\nuser=reader\npassword=of-the-service\n"
        f"[redirected]\nhostaddr={ADDRESS}\n"
    )
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    return {
        "POSTGRES_HOST": "localhost",
        "POSTGRES_PORT": str(caught.port),
        "POSTGRES_USER": "reader",
        "POSTGRES_DB": "radio",
        "POSTGRES_PASSWORD": "of-the-environment",
    }


def read(conninfo: str, environment: dict[str, str]) -> None:
    row: dict[str, Any] = {
        "source": "s", "conninfo": conninfo, "table_name": "t", "column_map": {}, "network_timeout": None,
    }  # fmt: skip
    with pytest.raises(OrchestratorError):
        read_table(row, uuid.uuid4(), io.BytesIO(), environment=environment)


def test_the_server_of_the_environment_gets_its_password(caught: Trap, machine: dict[str, str]) -> None:
    """And so the trap works."""
    read(f"host={ADDRESS} port={caught.port} user=reader", {**machine, "POSTGRES_HOST": ADDRESS})
    assert caught.passwords == ["of-the-environment"]


REDIRECTED = {
    "an address beside the name": "host=localhost hostaddr={trap} port={port} user=reader dbname=radio",
    "in a URI": "postgresql://reader@localhost:{port}/radio?hostaddr={trap}",
    "escaped in a URI": "postgresql://reader@localhost:{port}/radio?host%61ddr={trap}",
    "one of two addresses": "host=localhost,localhost hostaddr=127.0.0.3,{trap} port={port} user=reader",
    "a second host": "host=localhost,{trap} port={port} user=reader",
    "another host": "host={trap} port={port} user=reader",
    "an address alone": "hostaddr={trap} port={port} user=reader",
    "a service that redirects": "service=redirected host=localhost port={port} user=reader",
    "the host of a service": "service=radio host={trap}",
    "the address of a service": "service=radio hostaddr={trap}",
}


@pytest.mark.parametrize("way", REDIRECTED)
def test_a_password_goes_to_no_other_server_under_the_same_name(
    caught: Trap, machine: dict[str, str], way: str
) -> None:
    address = REDIRECTED[way].format(trap=ADDRESS, port=caught.port)
    read(address, machine)
    assert set(caught.passwords) <= {""}


@pytest.mark.parametrize("way", ["PGHOSTADDR", "PGSERVICE"])
def test_variables_about_our_own_database_redirect_no_source(
    caught: Trap, machine: dict[str, str], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """libpq fills in from them what an address leaves out."""
    monkeypatch.setenv(way, {"PGHOSTADDR": ADDRESS, "PGSERVICE": "redirected"}[way])
    read(f"host=localhost port={caught.port} user=reader dbname=radio", machine)
    monkeypatch.setenv("PGSERVICE", "radio")
    monkeypatch.delenv("PGHOSTADDR", raising=False)
    read(f"host={ADDRESS} port={caught.port}", machine)
    assert set(caught.passwords) <= {""}


@pytest.mark.parametrize(
    "address",
    [
        "host=localhost hostaddr=192.0.2.1",
        "postgresql://localhost/radio?hostaddr=192.0.2.1",
        "service=radio host=elsewhere.example",
        "host=localhost sslkeylogfile=/tmp/keys",
        "host=localhost servicefile=/tmp/services",
    ],
)
def test_an_address_that_names_two_servers_is_refused_when_it_is_added(address: str) -> None:
    try:
        psycopg.conninfo.conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        pytest.skip("this libpq does not know it")
    with pytest.raises(BadArgument, match="may not have"):
        address_without_password(address)
    assert address_without_password("hostaddr=192.0.2.1 dbname=radio")


# -- PGPASSWORD, which is our own database's or the sources' -----------------------------------------------------------


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], db.Connection]]:
    """Connects as an administrator to a database of ours that has asked for the password in PGPASSWORD."""
    with temporary_server(settings={"fsync": "off"}) as server:
        migrate(server.dsn())
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("create role driver login password 'our-own' in role orchestrator_admin")
            [[rules]] = conn.execute("show hba_file").fetchall()
            Path(rules).write_text("local all postgres trust\nlocal all all scram-sha-256\n")
            conn.execute("select pg_reload_conf()")
        monkeypatch.setenv("PGPASSWORD", "our-own")
        with db.connect(make_conninfo(server.dsn(), user="driver"), application_name="test") as conn:
            assert conn.pgconn.used_password
            yield lambda: conn


def test_the_password_of_our_own_database_goes_to_no_source(
    caught: Trap, machine: dict[str, str], own: Callable[[], db.Connection]
) -> None:
    """An administrator may add any source, and has no account on the machine of a driver."""
    conn = own()
    environment = {**machine, "PGPASSWORD": "our-own"}
    address = f"host={ADDRESS} port={caught.port} user=driver"
    db.call(conn, "add_source", source="theirs", conninfo=address, table_name="t", heartbeats="h", music_log="m")
    with pytest.raises(OrchestratorError):
        sync(conn, "theirs", environment=environment)
    assert [result.source for result in sync_all(conn, environment=environment)] == ["theirs"]
    assert read_witnesses(conn, environment=environment)
    assert len(caught.passwords) >= 3
    assert set(caught.passwords) == {""}
    read(address, {"PGPASSWORD": "of-the-sources"})
    assert caught.passwords[-1] == "of-the-sources"


def test_a_source_in_our_own_database_is_read_with_its_password(own: Callable[[], db.Connection]) -> None:
    conn = own()
    address = make_conninfo(host=conn.info.host, port=conn.info.port, user="driver", dbname=conn.info.dbname)
    assert environment_for(address, {"PGPASSWORD": "our-own"}, conn) == {"PGPASSWORD": "our-own"}
    elsewhere = make_conninfo(address, host="elsewhere.example")
    assert environment_for(elsewhere, {"PGPASSWORD": "our-own", "A": "b"}, conn) == {"A": "b"}
    assert environment_for(elsewhere, {"PGPASSWORD": "of-the-sources"}, conn) == {"PGPASSWORD": "of-the-sources"}
