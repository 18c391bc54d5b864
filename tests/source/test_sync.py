"""Part F: streams follow the table where they really are."""

import threading
import time
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb
from structlog.testing import capture_logs

from orchestrator.database import db
from orchestrator.errors import BadArgument, DatabaseUnavailable, TooManyRemovals, UnknownName, UnusableSource
from orchestrator.sources.merge import SyncResult
from orchestrator.sources.sync import sync, sync_all, sync_due
from orchestrator.sources.table import SourceUnreachable
from tests.source.conftest import OLDER, External, Fleet
from tests.support import Database


@pytest.fixture
def field(fleet: Fleet, external: External) -> External:
    """Ten stations of the modern shape, already synchronised."""
    external.create()
    external.add(1, 10)
    fleet.add_source(external)
    assert fleet.sync().inserted == 10
    return external


def settle(fleet: Fleet) -> None:
    db.call(fleet.conn, "rebalance", reason="test")


def test_new_rows_become_waiting_streams(fleet: Fleet, field: External) -> None:
    field.add(11, 12)
    result = fleet.sync()
    assert (result.inserted, result.unchanged) == (2, 10)
    stream = fleet.streams()["11"]
    assert (stream["name"], stream["url"], stream["state"]) == ("Station 11", "http://radio.example/11", "waiting")
    assert fleet.query("select count(*) as n from {p}.settle_request where reason = 'source changed'")[0]["n"] == 2


def test_inactive_rows_become_idle_streams(fleet: Fleet, field: External) -> None:
    field.execute("insert into streams (id, url, active) values (11, 'http://radio.example/11', false)")
    assert fleet.sync().inserted == 1
    assert fleet.streams()["11"]["state"] == "idle"


def test_a_second_sync_changes_nothing(fleet: Fleet, field: External) -> None:
    before = fleet.streams()
    result = fleet.sync()
    assert (result.unchanged, result.inserted, result.updated, result.removed) == (10, 0, 0, 0)
    assert fleet.streams() == before


def test_a_new_name_or_metadata_restarts_nothing(fleet: Fleet, field: External) -> None:
    fleet.register("one", 50)
    settle(fleet)
    fleet.start_all("one")
    before = fleet.assigned("one")
    field.execute("""update streams set name = 'Renamed', metadata = '{"genre": "jazz"}' where id = 3""")
    result = fleet.sync()
    assert (result.updated, result.reconnected) == (1, 0)
    stream = fleet.streams()["3"]
    assert (stream["name"], stream["metadata"], stream["state"]) == ("Renamed", {"genre": "jazz"}, "running")
    after = fleet.assigned("one")
    assert {key: row["epoch"] for key, row in after.items()} == {key: row["epoch"] for key, row in before.items()}


def test_a_changed_url_makes_the_same_owner_connect_again(fleet: Fleet, field: External) -> None:
    fleet.register("one", 50)
    settle(fleet)
    fleet.start_all("one")
    before = fleet.streams()
    digest = fleet.query("select digest from {p}.instance_load")[0]["digest"]
    field.execute("update streams set url = 'https://moved.example/4' where id = 4")
    result = fleet.sync()
    assert (result.updated, result.reconnected) == (1, 1)
    after = fleet.streams()
    assert after["4"]["instance_id"] == "one"
    assert after["4"]["state"] == "assigned"
    assert after["4"]["epoch"] == before["4"]["epoch"] + 1
    assert [key for key in after if after[key]["epoch"] != before[key]["epoch"]] == ["4"]
    assert fleet.assigned("one")[after["4"]["stream_id"]]["url"] == "https://moved.example/4"
    # The digest differs, so even a worker that missed the notification finds out at its next beat.
    assert fleet.query("select digest from {p}.instance_load")[0]["digest"] != digest
    (decision,) = fleet.query("select * from {p}.decision where rule = 'url_changed'")
    assert decision["moves"] == 0
    assert fleet.query("select * from {p}.movement where decision_id = %s", decision["decision_id"]) == []


def test_the_owner_of_a_changed_url_is_notified(fleet: Fleet, field: External, database: Database) -> None:
    fleet.register("one", 50)
    settle(fleet)
    listener = database.connect()
    listener.execute(sql.SQL("listen {}").format(sql.Identifier(f"{database.names.api}.one")))
    field.execute("update streams set url = 'https://moved.example/4' where id = 4")
    fleet.sync()
    assert [n.channel for n in listener.notifies(timeout=5, stop_after=1)] == [f"{database.names.api}.one"]


def test_every_owner_of_a_changed_url_is_notified(fleet: Fleet, field: External, database: Database) -> None:
    fleet.register("one", 5)
    fleet.register("two", 5)
    settle(fleet)
    listener = database.connect()
    for name in ("one", "two"):
        listener.execute(sql.SQL("listen {}").format(sql.Identifier(f"{database.names.api}.{name}")))
    field.execute("update streams set url = url || '/moved'")
    assert fleet.sync().reconnected == 10
    told = {note.channel for note in listener.notifies(timeout=5, stop_after=2)}
    assert told == {f"{database.names.api}.one", f"{database.names.api}.two"}


def test_a_deactivated_stream_is_taken_from_its_owner(fleet: Fleet, field: External) -> None:
    fleet.register("one", 50)
    settle(fleet)
    fleet.start_all("one")
    field.execute("update streams set active = false where id = 1")
    field.execute("update streams set status = 'inactive' where id = 2")
    result = fleet.sync()
    assert result.deactivated == 2
    streams = fleet.streams()
    assert [(streams[key]["state"], streams[key]["active"]) for key in ("1", "2")] == [("idle", False)] * 2
    assert len(fleet.assigned("one")) == 8
    (decision,) = fleet.query("select * from {p}.decision where rule = 'source_changed'")
    assert decision["moves"] == 2
    assert len(fleet.query("select * from {p}.withdrawal")) == 2


def test_a_deactivated_stream_without_owner_no_longer_waits(fleet: Fleet, field: External) -> None:
    field.execute("update streams set active = false where id = 1")
    fleet.sync()
    assert fleet.streams()["1"]["state"] == "idle"


def test_a_stream_that_is_active_again_waits_for_an_instance(fleet: Fleet, field: External) -> None:
    field.execute("update streams set active = false where id = 1")
    fleet.sync()
    field.execute("update streams set active = true where id = 1")
    assert fleet.sync().activated == 1
    assert fleet.streams()["1"]["state"] == "waiting"


def test_vanished_rows_remove_their_streams(fleet: Fleet, field: External) -> None:
    fleet.register("one", 50)
    settle(fleet)
    fleet.start_all("one")
    gone = fleet.streams()["5"]["stream_id"]
    field.execute("delete from streams where id in (5, 6)")
    assert fleet.sync().removed == 2
    assert set(fleet.streams()) == {"1", "2", "3", "4", "7", "8", "9", "10"}
    assert len(fleet.assigned("one")) == 8
    (movement,) = fleet.query("select * from {p}.movement where stream_id = %s and to_instance_id is null", gone)
    assert movement["from_instance_id"] == "one"


def test_other_sources_keep_their_streams(fleet: Fleet, field: External) -> None:
    db.call(fleet.conn, "add_stream", url="http://manual.example/1")
    field.execute("delete from streams where id = 5")
    fleet.sync()
    assert len(fleet.streams("manual")) == 1


def test_a_source_changes_no_stream_of_another_with_the_same_ids(fleet: Fleet, field: External) -> None:
    db.call(fleet.conn, "add_source", source="other", conninfo=field.dsn, table_name="streams")
    sync(fleet.conn, "other")
    before = fleet.streams("other")
    assert len(before) == 10
    field.execute("update streams set name = 'new', url = url || '/new', active = id > 2")
    fleet.sync(force=True)
    assert fleet.streams("other") == before
    assert {row["name"] for row in fleet.streams().values()} == {"new"}


def test_an_empty_source_removes_nothing_even_with_force(fleet: Fleet, field: External) -> None:
    field.execute("truncate streams")
    for force in (False, True):
        with pytest.raises(TooManyRemovals) as refused:
            fleet.sync(force=force)
        assert refused.value.code == "OR406"
    assert len(fleet.streams()) == 10
    assert fleet.source()["consecutive_failures"] == 2
    assert fleet.source()["last_error"]["code"] == "OR406"


def test_a_source_that_never_had_rows_may_be_empty(fleet: Fleet, external: External) -> None:
    external.create()
    fleet.add_source(external)
    assert fleet.sync() == SyncResult(source="field", skipped_rows=[])


@pytest.mark.parametrize(
    "change", ["delete from streams where id <= 3", "update streams set active = false where id <= 3"]
)
def test_a_sync_that_would_lose_too_many_streams_is_refused(fleet: Fleet, field: External, change: str) -> None:
    field.execute(change)
    before = fleet.streams()
    with pytest.raises(TooManyRemovals) as refused:
        fleet.sync()
    detail = refused.value.detail or {}
    assert (detail["streams"], detail["part"], detail["max_removed_part"]) == (10, 0.3, 0.2)
    assert detail["would_remove"] + detail["would_deactivate"] == 3
    assert refused.value.hint
    assert fleet.streams() == before
    assert fleet.staged_rows() == 0
    result = fleet.sync(force=True)
    assert result.removed + result.deactivated == 3


def test_streams_that_are_heard_count_more_than_those_that_are_off(fleet: Fleet, field: External) -> None:
    field.add(11, 100)
    fleet.sync()
    field.execute("update streams set active = false where id > 10")
    fleet.sync(force=True)
    field.execute("delete from streams where id <= 5")  # 5 % of all, but half of those that are heard
    with pytest.raises(TooManyRemovals):
        fleet.sync()


def test_the_part_that_may_go_can_be_set(fleet: Fleet, field: External) -> None:
    fleet.add_source(field, max_removed_part=Decimal("0.3"))
    field.execute("delete from streams where id <= 3")
    assert fleet.sync().removed == 3


def test_an_unreachable_source_changes_nothing_and_is_recorded(fleet: Fleet, field: External) -> None:
    db.call(
        fleet.conn,
        "add_source",
        source="field",
        conninfo="host=127.0.0.1 port=1 user=reader dbname=none",
        table_name="streams",
    )
    with pytest.raises(SourceUnreachable) as failed:
        fleet.sync(environment={"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1", "POSTGRES_PASSWORD": "hush-hush"})
    assert failed.value.exit_code == 75
    assert len(fleet.streams()) == 10
    row = fleet.source()
    assert row["consecutive_failures"] == 1
    assert row["last_error"]["message"] == "the source cannot be reached"
    assert "\n" not in row["last_error"]["detail"]["error"]
    assert "hush" not in str(row)
    fleet.add_source(field)
    fleet.sync()
    assert (fleet.source()["consecutive_failures"], fleet.source()["last_error"]) == (0, None)


def test_one_source_that_fails_does_not_keep_the_others_from_theirs(fleet: Fleet, external: External) -> None:
    external.create()
    external.add(1, 3)
    db.call(fleet.conn, "add_source", source="a-broken", conninfo=external.dsn, table_name="nowhere")
    fleet.add_source(external)
    results = {result.source: result for result in sync_due(fleet.conn)}
    assert results["field"].inserted == 3
    assert (results["a-broken"].error or {})["code"] == "OR109"
    assert sync_due(fleet.conn) == []


def test_a_source_without_a_free_connection_is_read_as_soon_as_it_has_one(
    fleet: Fleet, field: External, clock: Any
) -> None:
    """R5.4"""
    clock.set(fleet.source()["last_attempt_at"])
    reader = conninfo_to_dict(fleet.database.create_login())["user"]
    field.execute(f"grant select on streams to {reader}; alter role {reader} connection limit 0")
    conninfo = make_conninfo(field.dsn, user=reader)
    db.call(fleet.conn, "add_source", source="field", conninfo=conninfo, table_name="streams")
    field.add(11, 12)
    clock.advance("1 minute")

    [failed] = sync_due(fleet.conn)

    assert failed.error is not None
    assert "too many connections" in failed.error["detail"]["error"]
    assert (failed.error["message"], len(fleet.streams())) == ("the source cannot be reached", 10)
    field.execute(f"alter role {reader} connection limit 1")
    clock.advance(fleet.source()["next_sync_at"] - clock.now)
    assert [result.inserted for result in sync_due(fleet.conn)] == [2]
    field.execute(f"drop owned by {reader}")


@pytest.mark.parametrize("state", ["53300", "53200", "57P01", "08006"])
def test_a_source_that_lacks_something_is_left_alone_and_not_asked_again_at_once(
    fleet: Fleet, field: External, state: str
) -> None:
    """R5.4: others need what it lacks; its breaker says when it is asked again."""
    field.execute(
        f"""
        alter table streams rename to stations;
        create function out_of_it() returns boolean language plpgsql as $$
        begin raise exception using errcode = '{state}', message = 'out of it'; end $$;
        create view streams as select * from stations where out_of_it();
        """
    )
    with capture_logs() as logs, pytest.raises(SourceUnreachable) as failed:
        fleet.sync()
    assert (failed.value.code, failed.value.exit_code) == (state, 75)
    assert [entry["event"] for entry in logs] == ["breaker"]
    assert (len(fleet.streams()), fleet.source()["consecutive_failures"]) == (10, 1)


@pytest.mark.parametrize("times", [1, 9])
def test_a_failure_that_cannot_be_recorded_at_once_keeps_its_own_error_and_no_other_source_from_its_own(
    fleet: Fleet, external: External, times: int
) -> None:
    """R2.3: recorded with the next try, or else in the log."""
    external.create()
    external.add(1, 3)
    for source in ("broken-1", "broken-2"):
        db.call(fleet.conn, "add_source", source=source, conninfo=external.dsn, table_name="nowhere")
    fleet.add_source(external)
    fleet.query("create sequence {p}.tries; grant usage on {p}.tries to public")
    fleet.query(
        f"""
        create function {{p}}.busy() returns trigger language plpgsql as $$
        begin
            if nextval('{{p}}.tries') <= {times} then
                raise exception using errcode = '55P03', message = 'canceling statement due to lock timeout';
            end if;
            return new;
        end $$
        """
    )
    fleet.query(
        "create trigger busy before update on {p}.source for each row "
        "when (new.source <> 'field') execute function {p}.busy()"
    )

    results = {result.source: result for result in sync_due(fleet.conn)}

    assert results["field"].inserted == 3
    assert [(results[f"broken-{number}"].error or {})["code"] for number in (1, 2)] == ["OR109", "OR109"]
    recorded = [fleet.source(f"broken-{number}")["consecutive_failures"] for number in (1, 2)]
    assert recorded == ([1, 1] if times == 1 else [0, 0])


def test_when_the_own_database_is_lost_no_source_is_blamed(fleet: Fleet, field: External, clock: Any) -> None:
    """R5.1: its job is told to have failed, over another connection."""
    clock.set(fleet.source()["last_attempt_at"])
    db.call(fleet.conn, "add_source", source="another", conninfo=field.dsn, table_name="streams")
    field.execute(
        f"""
        alter table streams rename to stations;
        create view streams as
        select s.* from stations as s
        where (select pg_terminate_backend({fleet.conn.info.backend_pid}, 10000)) is not null;
        """
    )
    clock.advance("1 minute")
    with capture_logs() as logs, pytest.raises(DatabaseUnavailable):
        sync_due(fleet.conn)
    assert not [entry for entry in logs if entry.get("function") == "record_sync_failure"]
    rows = fleet.query("select consecutive_failures from {p}.source where kind = 'postgresql'")
    assert [row["consecutive_failures"] for row in rows] == [0, 0]


def test_a_source_is_due_when_its_interval_has_passed(fleet: Fleet, field: External, clock: Any) -> None:
    clock.set(fleet.source()["last_attempt_at"])
    assert sync_due(fleet.conn) == []
    clock.advance("59 seconds")
    assert sync_due(fleet.conn) == []
    clock.advance("2 seconds")
    assert [result.source for result in sync_due(fleet.conn)] == ["field"]


def test_a_disabled_source_is_read_only_when_asked(fleet: Fleet, external: External) -> None:
    external.create()
    external.add(1, 1)
    fleet.add_source(external, enabled=False)
    assert sync_due(fleet.conn) == []
    assert sync_all(fleet.conn) == []
    assert fleet.sync().inserted == 1


def test_rows_without_a_usable_url_are_skipped_and_their_streams_stay(fleet: Fleet, field: External) -> None:
    field.execute("update streams set url = 'ftp://radio.example/1' where id = 1")
    field.execute("update streams set url = null where id = 2")
    field.execute("insert into streams (id, url) values (11, 'not a url')")
    result = fleet.sync()
    assert (result.skipped, result.removed, result.deactivated, result.inserted) == (3, 0, 0, 0)
    assert [(row["external_id"], row["problem"]) for row in result.skipped_rows] == [
        ("1", "the url is not http or https"),
        ("2", "no url"),
        ("11", "the url is not http or https"),
    ]
    assert fleet.streams()["1"]["url"] == "http://radio.example/1"
    assert fleet.source()["last_result"]["skipped"] == 3


def test_a_table_in_which_no_row_can_be_used_is_refused(fleet: Fleet, field: External) -> None:
    field.execute("update streams set url = name")
    with pytest.raises(UnusableSource, match="no row of the source can be used"):
        fleet.sync(force=True)
    assert len(fleet.streams()) == 10


def test_a_row_without_a_name_is_called_by_its_url(fleet: Fleet, field: External) -> None:
    field.execute("update streams set name = '  ' where id = 1")
    fleet.sync()
    assert fleet.streams()["1"]["name"] == "http://radio.example/1"


def test_missing_and_doubled_ids_refuse_the_whole_sync(fleet: Fleet, field: External) -> None:
    field.execute(
        "insert into streams (id, url) values (null, 'http://radio.example/x'), (7, 'http://radio.example/y')"
    )
    field.execute("update streams set name = 'Changed' where id = 1")
    with pytest.raises(UnusableSource) as refused:
        fleet.sync(force=True)
    detail = refused.value.detail or {}
    assert refused.value.code == "OR109"
    assert detail["lines_without_id"] == [12]
    assert detail["duplicates"] == [{"external_id": "7", "lines": [7, 8]}]
    assert fleet.streams()["1"]["name"] == "Station 1"
    assert fleet.staged_rows() == 0


def test_required_capabilities_come_from_the_metadata(fleet: Fleet, field: External) -> None:
    field.execute("""update streams set metadata = '{"required_capabilities": ["hd", "aac"], "k": 1}' where id = 1""")
    fleet.sync()
    stream = fleet.streams()["1"]
    assert (stream["capabilities"], stream["metadata"]) == (["aac", "hd"], {"k": 1})


def test_an_owner_that_lacks_a_new_requirement_loses_the_stream(fleet: Fleet, field: External) -> None:
    fleet.register("plain", 50)
    settle(fleet)
    fleet.start_all("plain")
    field.execute("""update streams set metadata = '{"required_capabilities": "hd"}' where id = 1""")
    assert fleet.sync().updated == 1
    assert (fleet.streams()["1"]["state"], fleet.streams()["1"]["instance_id"]) == ("waiting", None)
    fleet.register("hd", 50, ["hd"])
    settle(fleet)
    assert fleet.streams()["1"]["instance_id"] == "hd"


def test_an_owner_that_meets_a_new_requirement_keeps_the_stream(fleet: Fleet, field: External) -> None:
    fleet.register("able", 50, ["hd"])
    settle(fleet)
    fleet.start_all("able")
    field.execute("""update streams set metadata = '{"required_capabilities": "hd"}' where id = 1""")
    fleet.sync()
    assert (fleet.streams()["1"]["state"], fleet.streams()["1"]["instance_id"]) == ("running", "able")


def test_a_hand_over_in_progress_ends_with_the_new_url(fleet: Fleet, field: External) -> None:
    fleet.register("one", 50)
    settle(fleet)
    fleet.start_all("one")
    fleet.register("two", 50)
    settle(fleet)
    leaving = fleet.query("select stream_id from {p}.assignment where state = 'releasing'")
    assert leaving
    field.execute("update streams set url = url || '/new'")
    fleet.sync()
    moving = [row["stream_id"] for row in leaving]
    db.call(fleet.owner, "acknowledge", instance_id="one", incarnation=fleet.incarnations["one"], stopped=moving)
    assert {row["url"].endswith("/new") for row in fleet.assigned("two").values()} == {True}
    assert set(fleet.assigned("two")) == set(moving)


def test_of_two_readings_the_newer_one_counts(fleet: Fleet, field: External) -> None:
    (older,) = db.call(fleet.conn, "sources_due", source="field")
    field.execute("update streams set name = 'Newer' where id = 1")
    fleet.sync()
    batch = str(uuid.uuid4())
    fleet.stage(
        batch, [{"external_id": str(i), "name": "Older", "url": f"http://radio.example/{i}"} for i in range(1, 11)]
    )
    (result,) = db.call(fleet.conn, "sync_streams", source="field", batch=uuid.UUID(batch), read_at=older["read_at"])
    assert result["superseded"] is True
    assert fleet.streams()["1"]["name"] == "Newer"
    assert fleet.staged_rows() == 0


def test_concurrent_syncs_of_one_source_end_in_the_same_streams(
    fleet: Fleet, external: External, database: Database
) -> None:
    external.create()
    external.add(1, 500)
    fleet.add_source(external)
    failures: list[Exception] = []

    def synchronise(conn: db.Connection) -> None:
        try:
            for _ in range(3):
                sync(conn, "field")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=synchronise, args=[database.connect("admin")]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        external.execute("update streams set name = %s where id = 1", [f"Name {number}"])
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert failures == []
    fleet.sync()
    assert len(fleet.streams()) == 500
    assert fleet.streams()["1"]["name"] == "Name 9"


def test_twenty_thousand_rows_are_merged(fleet: Fleet, external: External) -> None:
    external.create(OLDER)
    external.execute(
        """insert into streams (url, name, regiao, "index")
        select 'http://radio.example/' || i, 'Rádio ' || i, 'Região ' || i % 5, i from generate_series(1, 20000) as i"""
    )
    fleet.add_source(external)
    assert fleet.sync().inserted == 20000
    external.execute("""update streams set name = name || ' FM' where "index" % 10 = 0""")
    external.execute("""delete from streams where "index" % 10 = 1""")
    external.execute(
        """insert into streams (url, "index")
        select 'http://new.example/' || i, 20000 + i from generate_series(1, 100) as i"""
    )
    result = fleet.sync()
    assert (result.inserted, result.updated, result.removed, result.unchanged) == (100, 2000, 2000, 16000)
    expected = external.conn.execute(
        """select "index"::text as id, coalesce(name, url) as name, url, regiao from streams order by 1"""
    ).fetchall()
    found = fleet.query("select external_id as id, name, url, region as regiao from {p}.stream order by 1")
    assert found == expected


def test_batches_staged_by_hand_are_merged_and_old_ones_go(fleet: Fleet) -> None:
    db.call(fleet.conn, "add_source", source="byhand")
    batch, forgotten = uuid.uuid4(), uuid.uuid4()
    fleet.stage(str(forgotten), [{"external_id": "x", "url": "http://radio.example/x"}])
    fleet.query("update {a}.stream_staging set staged_at = staged_at - interval '2 hours' returning line")
    fleet.stage(str(batch), [{"external_id": "1", "url": "http://radio.example/1"}])
    (result,) = db.call(fleet.conn, "sync_streams", source="byhand", batch=batch)
    assert result["inserted"] == 1
    assert fleet.staged_rows() == 0


def test_a_refused_batch_staged_by_hand_can_be_merged_with_force(fleet: Fleet, field: External) -> None:
    batch = uuid.uuid4()
    fleet.stage(str(batch), [{"external_id": "1", "url": "http://radio.example/1"}])
    with pytest.raises(TooManyRemovals):
        db.call(fleet.conn, "sync_streams", source="field", batch=batch)
    (result,) = db.call(fleet.conn, "sync_streams", source="field", batch=batch, force=True)
    assert result["removed"] == 9


def test_unknown_and_unfit_sources_are_refused(fleet: Fleet, external: External) -> None:
    with pytest.raises(UnknownName) as unknown:
        sync(fleet.conn, "unknown")
    assert unknown.value.hint
    with pytest.raises(BadArgument):
        sync(fleet.conn, "manual")
    db.call(fleet.conn, "add_source", source="list")
    with pytest.raises(BadArgument):
        sync(fleet.conn, "list")
    with pytest.raises(BadArgument):
        db.call(fleet.conn, "sync_streams", source="list", batch=None)


@pytest.mark.parametrize(
    "arguments",
    [
        {"source": "with space"},
        {"source": None},
        {"source": ""},
        {"conninfo": "host=h password=x"},
        {"conninfo": "postgresql://u:x@h/db"},
        {"conninfo": None},
        {"table_name": " "},
        {"table_name": None},
        {"column_map": Jsonb([1])},
        {"sync_interval": "0 seconds"},
        {"max_removed_part": Decimal("1.5")},
        {"source": "manual"},
    ],
    ids=str,
)
def test_what_cannot_be_a_source_is_refused(fleet: Fleet, arguments: dict[str, Any]) -> None:
    good = {"source": "s", "conninfo": "host=h", "table_name": "t"}
    before = db.view(fleet.conn, "sources")
    with pytest.raises(BadArgument) as refused:
        db.call(fleet.conn, "add_source", **{**good, **arguments})
    assert refused.value.hint
    assert "=x" not in str(refused.value.detail) and ":x@" not in str(refused.value.detail)
    assert db.view(fleet.conn, "sources") == before


def test_a_source_with_streams_is_removed_only_with_them(fleet: Fleet, field: External) -> None:
    fleet.register("one", 50)
    settle(fleet)
    with pytest.raises(TooManyRemovals):
        db.call(fleet.conn, "remove_source", source="field")
    assert db.call(fleet.conn, "remove_source", source="field", remove_streams=True) == [{"removed_streams": 10}]
    assert fleet.assigned("one") == {}
    assert [row["source"] for row in db.view(fleet.conn, "sources")] == ["manual"]


def test_the_merge_takes_its_locks_in_the_common_order(fleet: Fleet, field: External, database: Database) -> None:
    """R2.1: the holder of the decision lock is waited for before anything else is locked."""
    fleet.register("one", 50)
    settle(fleet)
    holder = database.connect(autocommit=False)
    holder.execute(sql.SQL("select {}.lock_decisions()").format(sql.Identifier(database.names.private)))
    field.execute("update streams set name = 'Changed' where id = 1")
    done: list[SyncResult] = []
    waiter_conn = database.connect("admin")
    waiter = threading.Thread(target=lambda: done.append(sync(waiter_conn, "field")))
    waiter.start()
    pid = waiter_conn.info.backend_pid
    for _ in range(200):
        waiting = fleet.query("select wait_event from pg_stat_activity where pid = %s and wait_event = 'relation'", pid)
        if waiting:
            break
        time.sleep(0.02)
    assert waiting
    # No session that changes a stream, an instance or the source is held up by the sync that waits.
    for table in ("instance", "stream", "assignment", "source"):
        fleet.query(f"select from {{p}}.{table} for update nowait")
    holder.rollback()
    waiter.join()
    assert done[0].updated == 1


def test_a_sync_that_changes_nothing_waits_for_no_decision(fleet: Fleet, field: External, database: Database) -> None:
    holder = database.connect(autocommit=False)
    holder.execute(sql.SQL("select {}.lock_decisions()").format(sql.Identifier(database.names.private)))
    assert fleet.sync().unchanged == 10
    assert fleet.source()["last_result"]["unchanged"] == 10
    holder.rollback()


def test_a_source_that_fails_is_left_alone_for_longer_each_time_and_then_tried_once(
    fleet: Fleet, field: External, clock: Any
) -> None:
    """R5.4"""
    clock.set(fleet.source()["last_attempt_at"])
    clock.advance("1 minute")
    field.execute("alter table streams rename to away")
    pauses = []
    changes: list[Any] = []
    for _ in range(6):
        with capture_logs() as logs:
            [failed] = sync_due(fleet.conn)
        changes += [(entry["dependency"], entry["state"]) for entry in logs if entry["event"] == "breaker"]
        assert failed.error is not None
        assert sync_due(fleet.conn) == []
        pause = fleet.source()["next_sync_at"] - clock.now
        clock.advance(pause - timedelta(seconds=1))
        assert sync_due(fleet.conn) == []
        clock.advance("1 second")
        pauses.append(int(pause.total_seconds()))
    assert pauses == [120, 240, 480, 600, 600, 600]

    assert changes == [("source field", "open")]

    field.execute("alter table away rename to streams")
    with capture_logs() as logs:
        assert [result.error for result in sync_due(fleet.conn)] == [None]
    assert [entry["state"] for entry in logs if entry["event"] == "breaker"] == ["closed"]
    assert fleet.source()["next_sync_at"] - clock.now == timedelta(seconds=60)
