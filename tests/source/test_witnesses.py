"""What clients write beside HTTP is read where it is, in another PostgreSQL; and nothing follows when it cannot be."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from structlog.testing import capture_logs

from orchestrator.database import db
from orchestrator.sources.witnesses import MOST_ROWS, read_witnesses
from tests import hostile
from tests.field.production import TABLE, write_heartbeat
from tests.source.conftest import External, Fleet

MUSIC = """
    create table music_log (
        id bigserial primary key, name text, artist text, song_title text, date date, time time, identified_by text,
        unique (name, artist, song_title, date, time)
    )
"""


@pytest.fixture
def witnesses(fleet: Fleet, external: External) -> Iterator[Fleet]:
    """A table of ten stations with both witnesses beside it, and the client a, which is known."""
    external.create()
    external.add(1, 10)
    external.execute(TABLE)
    external.execute(MUSIC)
    fleet.add_source(external, heartbeats="server_heartbeats", music_log="music_log")
    fleet.sync()
    db.call(fleet.owner, "register_instance", instance_id="a", max_streams=10)
    fleet.query("update {p}.instance set placement = 'pull' returning 1")
    fleet.query(
        "insert into {p}.pull_client (instance_id, name, dialect, capacity, registered_at) "
        "values ('a', 'a', 'worker', 10, {p}.now() - interval '1 minute') returning 1"
    )
    yield fleet


def _due(fleet: Fleet) -> None:
    fleet.query("update {p}.witness set last_attempt_at = null returning 1")


def _read(fleet: Fleet) -> dict[str, Any] | None:
    _due(fleet)
    return read_witnesses(fleet.conn)


def _known(fleet: Fleet) -> db.Row:
    [row] = fleet.query("select * from {p}.witnessed_client")
    return row


def _write(external: External, **more: Any) -> None:
    write_heartbeat(external.dsn, "a", "10.0.0.7", **{"running": 8, "first_answer": 10, "factor": 1.0, **more})


def _sing(external: External, *written: tuple[str, str]) -> None:
    for name, by in written:
        external.execute("insert into music_log (name, identified_by) values (%s, %s)", [name, by])


@pytest.mark.parametrize("forms", [hostile.FORMS, hostile.OTHER_FORMS], ids=["forms", "other forms"])
def test_witnesses_with_defaults_of_their_own_say_the_same(
    witnesses: Fleet, external: External, forms: Mapping[str, str]
) -> None:
    database = sql.SQL("database {}").format(sql.Identifier(str(conninfo_to_dict(external.dsn)["dbname"])))
    for statement in hostile.set_for(database, {**forms, **hostile.SERIALIZABLE, "search_path": "public"}):
        external.conn.execute(statement)
    _write(external)
    assert _read(witnesses) is None
    known = _known(witnesses)
    assert abs((known["last_heartbeat"] - _now(witnesses)).total_seconds()) < 60
    assert known["processing"] == 8


def _now(fleet: Fleet) -> Any:
    return fleet.query("select {p}.now() as now")[0]["now"]


def test_rows_are_read_with_their_age_and_counts(witnesses: Fleet, external: External) -> None:
    _write(external)
    assert _read(witnesses) is None
    assert _known(witnesses)["signed_at"] is None
    time.sleep(0.01)
    _write(external)
    assert _read(witnesses) is None
    row = _known(witnesses)
    assert (row["processing"], row["first_answer"], row["ip_address"], row["differing_rows"]) == (8, 10, "10.0.0.7", 1)
    [age] = witnesses.query("select extract(epoch from {p}.now() - signed_at) as s from {p}.witnessed_client")
    assert 0 <= age["s"] < 30


def test_rows_that_other_hosts_never_write_tell_nothing_and_hide_no_other(witnesses: Fleet, external: External) -> None:
    external.execute(
        """
        insert into server_heartbeats (server_id, last_heartbeat, status, info) values
            ('forever', 'infinity', 'ONLINE', null), ('never', null, null, '[1]'),
            ('old', '2020-01-01', 'OFFLINE', '{}'),
            ('text', now(), 'ONLINE', '"text"'), ('odd', now(), 'ONLINE', '{"processing_streams": {"a": 1}}')
        """
    )
    _write(external)
    external.execute(
        """update server_heartbeats set info = info || '{"processing_streams": "８", "total_streams": -1}'"""
    )
    assert _read(witnesses) is None
    assert (_known(witnesses)["processing"], _known(witnesses)["first_answer"]) == (None, None)


def test_music_is_read_once_and_by_its_ids(witnesses: Fleet, external: External) -> None:
    _sing(external, ("Station 1", "a"))
    _read(witnesses)
    assert witnesses.query("select * from {p}.witnessed_station") == [], "what was there before is of any time"
    _sing(external, ("Station 1", "a"), ("Station 1", "a"), (" Station 2 ", "b"))
    external.execute("insert into music_log (name, identified_by) values (null, 'a'), ('Station 3', null), ('', 'a')")
    _read(witnesses)
    rows = witnesses.query("select name, written_by from {p}.witnessed_station order by name")
    assert [(row["name"], row["written_by"]) for row in rows] == [("Station 1", "a"), ("Station 2", "b")]
    [before] = witnesses.query("select max(written_at) as at from {p}.witnessed_station")
    _read(witnesses)
    assert witnesses.query("select max(written_at) as at from {p}.witnessed_station") == [before]


def test_a_reading_of_music_takes_only_so_many_rows_and_goes_along_the_key(
    witnesses: Fleet, external: External
) -> None:
    sung = "insert into music_log (name, identified_by) select 'Station ' || n, 'a' from generate_series(1, %s) as n"
    external.execute(sung, [50_000])
    external.execute("analyze music_log")
    before = _sequential_scans(external)
    _read(witnesses)
    external.execute(sung, [MOST_ROWS + 100])
    _read(witnesses)
    assert witnesses.query("select count(*) as n from {p}.witnessed_station") == [{"n": MOST_ROWS}]
    assert _sequential_scans(external) == before


def _sequential_scans(external: External) -> int:
    external.execute("select pg_stat_force_next_flush()")  # a session that is idle tells later what it has read
    with psycopg.connect(external.dsn) as conn:
        row = conn.execute("select seq_scan from pg_stat_user_tables where relname = 'music_log'").fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("how", ["no server", "no table", "no column", "locked"])
def test_a_witness_that_cannot_be_read_is_on_record_and_in_the_log_once(
    witnesses: Fleet, external: External, how: str
) -> None:
    before = witnesses.query("select instance_id, status from {p}.instance")
    _sing(external, ("Station 1", "a"))
    blocker = psycopg.connect(external.dsn)
    match how:
        case "no server":
            witnesses.query("update {p}.source set conninfo = 'host=127.0.0.1 port=1 user=me' returning 1")
        case "no table":
            external.execute("drop table server_heartbeats, music_log")
        case "no column":
            external.execute("alter table server_heartbeats drop column info")
            external.execute("alter table music_log drop column identified_by")
        case _:
            # no setting may be shorter than a second, and the witnesses wait for five at most
            db.call(witnesses.conn, "set_setting", name="network_timeout", value="1 second")
            blocker.execute("lock table server_heartbeats, music_log")
    began = time.monotonic()
    with capture_logs() as logs:
        for _ in range(3):
            # music_log is read from its second reading on
            witnesses.query("update {p}.witness set last_success_at = {p}.now(), last_row_id = 0 returning 1")
            told = _read(witnesses)
    blocker.close()
    assert time.monotonic() - began < 20
    assert told is not None
    assert sorted(told["unreadable"]) == ["field, heartbeats", "field, music_log"]
    assert len([line for line in logs if line["event"] == "witness cannot be read"]) == 2
    assert [line["state"] for line in logs if line["event"] == "breaker"] == ["open", "open"]
    found = witnesses.source()["witnesses"]
    assert {each["consecutive_failures"] for each in found.values()} == {3}
    assert all(each["last_error"]["message"] and each["last_error"]["hint"] for each in found.values())
    # and that is all
    assert witnesses.source()["consecutive_failures"] == 0
    assert witnesses.query("select instance_id, status from {p}.instance") == before
    witnesses.query("select {p}.evaluate_alerts()")
    assert db.view(witnesses.conn, "alerts", where={"resolved_at": None}) == []


@pytest.mark.parametrize("refused", ["heartbeats", "music_log"])
def test_a_witness_whose_word_cannot_be_recorded_keeps_no_other_from_its_own(
    witnesses: Fleet, external: External, refused: str
) -> None:
    _read(witnesses)
    time.sleep(0.01)
    table = {"heartbeats": "witnessed_client", "music_log": "witnessed_station"}[refused]
    witnesses.query("alter table {p}." + table + " add constraint refused check (false) not valid")
    _write(external)
    _sing(external, ("Station 1", "a"))

    assert _read(witnesses) == {"unreadable": [f"field, {refused}"]}

    found = witnesses.source()["witnesses"]
    other = "music_log" if refused == "heartbeats" else "heartbeats"
    assert (found[refused]["consecutive_failures"], found[other]["consecutive_failures"]) == (1, 0)
    assert "refused" in found[refused]["last_error"]["message"]
    heard = [len(witnesses.query("select * from {p}." + name)) for name in ("witnessed_client", "witnessed_station")]
    assert sorted(heard) == [0, 1]


def test_one_that_can_be_read_again_says_so(witnesses: Fleet, external: External) -> None:
    external.execute("alter table music_log rename to elsewhere")
    assert _read(witnesses) == {"unreadable": ["field, music_log"]}
    external.execute("alter table elsewhere rename to music_log")
    with capture_logs() as logs:
        assert _read(witnesses) is None
    assert [line["state"] for line in logs if line["event"] == "breaker"] == ["closed"]
    assert witnesses.source()["witnesses"]["music_log"]["last_error"] is None


def test_nothing_is_written_there_and_nothing_is_read_that_was_not_asked_for(
    witnesses: Fleet, external: External
) -> None:
    _write(external)
    before = external.conn.execute("select * from server_heartbeats").fetchall()
    fleet_dsn = external.dsn
    db.call(witnesses.conn, "add_source", source="field", conninfo=fleet_dsn, table_name="streams", music_log="")
    external.execute("drop table music_log")
    assert _read(witnesses) is None
    assert external.conn.execute("select * from server_heartbeats").fetchall() == before


def test_without_a_witness_no_database_is_asked(fleet: Fleet) -> None:
    db.call(fleet.conn, "add_source", source="gone", conninfo="host=/nowhere dbname=x", table_name="streams")
    assert read_witnesses(fleet.conn) is None
