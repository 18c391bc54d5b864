"""A password is in no address that is stored: not where libpq finds one, and not where a typing error puts it."""

from urllib.parse import quote

import psycopg
import pytest

from orchestrator.cli.source import source as source_command
from orchestrator.database import db
from orchestrator.errors import BadArgument
from orchestrator.sources.address import address_without_password
from tests.security.planted_secrets import PASSWORDS, SECRET
from tests.source.conftest import Fleet, Run

GOOD = (
    "host=db.example.org dbname=radio user=reader",
    "host=db.example.org,db2.example.org port=5432,5433 dbname=radio",
    "host='/var/run/postgresql' dbname = 'the \\'radio\\' database'",
    "host=@socket",
    "user=reader@server host=db.example.org",
    "passfile=/etc/radio/pgpass host=db.example.org sslmode=verify-full sslrootcert=/etc/ca.pem",
    "options='-c statement_timeout=5s' host=db.example.org",
    "service=field",
    "postgresql://reader@db.example.org:5432/radio?sslmode=require&connect_timeout=5",
    "postgres://db.example.org/radio",
    "postgresql://reader@[2001:db8::1]:5432/radio",
    "postgresql://h1:5432,h2:5433/radio?target_session_attrs=any",
    "postgresql:///radio?host=/var/run/postgresql",
    "POSTGRESQL://reader%40server@db.example.org/radio",
)
BAD = (
    *(f"postgresql://reader:{password}@db.example.org/radio" for password in PASSWORDS),
    *(f"postgresql://reader:{quote(password, safe='')}@db.example.org/radio" for password in PASSWORDS),
    *(f"host=db.example.org password='{quote(password)}'" for password in PASSWORDS),
    *(f"dbname='postgresql://reader:{quote(password)}@db.example.org/radio'" for password in PASSWORDS),
    f"postgresql://reader:a {SECRET}@db.example.org/radio",
    f"postgresql://:{SECRET}@db.example.org/radio",
    f"postgresql://db.example.org/radio?password={SECRET}",
    f"postgresql://db.example.org/radio?%70assword={SECRET}",
    f"postgresql://db.example.org/radio?sslmode=require&pass%77ord={SECRET}",
    f"host=db.example.org sslpassword={SECRET}",
    f"host=db.example.org PASSWORD = {SECRET}",
    f"host=db.example.org oauth_client_secret={SECRET}",
    f"host=db.example.org scram_client_key={SECRET}",
    f"host=reader:{SECRET}@db.example.org",
    f"user=reader:{SECRET}@db.example.org",
    f"reader:{SECRET}@db.example.org/radio",
    f"PGPASSWORD={SECRET} host=db.example.org",
    f"host=db.example.org {SECRET}",
    f"host=db.example.org user='reader {SECRET}",
)


def test_an_address_without_a_password_is_stored_as_it_is(fleet: Fleet) -> None:
    for address in GOOD:
        db.call(fleet.conn, "add_source", source="field", conninfo=address, table_name="streams")
        assert fleet.source("field")["conninfo"] == address


def test_one_that_may_hold_a_password_is_not_stored_and_not_said_again(fleet: Fleet) -> None:
    for address in BAD:
        with pytest.raises(BadArgument) as refused:
            db.call(fleet.conn, "add_source", source="field", conninfo=address, table_name="streams")
        said = f"{refused.value.message} {refused.value.detail} {refused.value.hint}"
        assert (SECRET in said, (refused.value.detail or {})["argument"]) == (False, "p_conninfo"), address
    assert [row["source"] for row in db.view(fleet.conn, "sources")] == ["manual"]


def test_nor_by_the_command_line(fleet: Fleet, run: Run) -> None:
    for address in BAD:
        with pytest.raises(BadArgument) as refused:
            address_without_password(address)
        assert SECRET not in f"{refused.value.message} {refused.value.detail} {refused.value.hint}", address
    for address in BAD[::25]:
        result = run(source_command, "add", "field", "--from", address, "--table", "streams")
        assert (result.exit_code, SECRET in result.output) == (1, False), address
    assert [row["source"] for row in db.view(fleet.conn, "sources")] == ["manual"]


def test_one_that_was_stored_before_is_not_shown(fleet: Fleet) -> None:
    db.call(fleet.conn, "add_source", source="field", conninfo="host=h", table_name="streams")
    for address in (f"postgresql://reader:12/{SECRET}@db.example.org/radio", f"dbname={SECRET}@db.example.org/radio"):
        with psycopg.connect(fleet.database.dsn, autocommit=True) as superuser:
            superuser.execute(
                f"update {fleet.conn.names.private}.source set conninfo = %s where source = 'field'".encode(), [address]
            )
        assert SECRET not in str(db.view(fleet.conn, "sources"))
