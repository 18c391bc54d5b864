"""Signs of life beside HTTP: rows that clients write of themselves elsewhere, and what older dashboards are told."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet, Row, refused
from tests.sql.pull import PullClient, add_numbered


@pytest.fixture
def stations(fleet: Fleet) -> Fleet:
    """Ten stations, a source whose witness is read, and a client that takes five of them and asks all the time."""
    fleet.query("select setval(pg_get_serial_sequence('{p}.stream', 'stream_id'), 1000)")
    add_numbered(fleet, *range(10))
    fleet.admin(
        "add_source",
        source="field",
        conninfo="host=db.example.org",
        table_name="streams",
        heartbeats="server_heartbeats",
    )
    return fleet


@pytest.fixture
def client(stations: Fleet) -> PullClient:
    """Beside another one, as most fall silent together else."""
    a = PullClient(stations, "a", capacity=5, peer="192.0.2.1")
    for each in (a, PullClient(stations, "b", capacity=5, peer="192.0.2.2")):
        each.start()
        each.live(6)
    a.live(6)
    return a


class Table:
    """The table in the production database, with a clock of its own, and the job that reads it."""

    def __init__(self, fleet: Fleet, ahead: str = "0 seconds") -> None:
        self.fleet = fleet
        self.ahead = fleet.value("select %s::interval as i", ahead)
        self.rows: dict[str, Row] = {}

    @property
    def now(self) -> Any:
        return self.fleet.clock.now + self.ahead

    def write(self, name: str = "a", processing: Any = 5, by_clock: str = "0 seconds", **more: Any) -> None:
        """A row, by a clock that may differ from the table's."""
        at = self.fleet.value("select %s::timestamptz + %s::interval as at", self.now, by_clock)
        row = {"server_id": name, "at": at, "status": "ONLINE", "ip_address": "10.0.0.7", "processing": processing}
        self.rows[name] = row | {"first_answer": 5} | more

    def read(self) -> Row:
        rows = [
            {**row, "at": None, "last_heartbeat": row["at"].isoformat(), "age": (self.now - row["at"]).total_seconds()}
            for row in self.rows.values()
        ]
        return self.fleet.one("record_heartbeats", source="field", rows=Jsonb(rows), read_at=self.fleet.clock.now)


def _status(fleet: Fleet) -> str:
    return str(fleet.instance("a")["status"])


def _live_by_rows(fleet: Fleet, table: Table, seconds: int, every: int = 60, **row: Any) -> None:
    """Silent over HTTP, the client writes rows; they are read every ten seconds; the other client goes on."""
    for second in range(0, seconds, 5):
        fleet.clock.advance("5 seconds")
        if every and second % every == 20:
            table.write(**row)
        if second % 10 == 0:
            table.read()
        _other_lives(fleet)
        fleet.run("watch_instances")


def _other_lives(fleet: Fleet) -> None:
    other = PullClient(fleet, "b", capacity=5, peer="192.0.2.2", own=[*range(5)])
    other.beat()


def _begin(fleet: Fleet, ahead: str = "0 seconds", **row: Any) -> Table:
    """The client's row is known: it has been read twice."""
    table = Table(fleet, ahead)
    for _ in range(2):
        table.write(**row)
        fleet.clock.advance("1 second")
        table.read()
    return table


class TestRows:
    def test_one_that_writes_rows_is_not_lost_for_its_silence(self, stations: Fleet, client: PullClient) -> None:
        table = _begin(stations)
        _live_by_rows(stations, table, 600)
        assert len(client.booked) == 5
        assert _status(stations) != "inactive"

    def test_and_is_when_it_writes_no_more(self, stations: Fleet, client: PullClient) -> None:
        table = _begin(stations)
        _live_by_rows(stations, table, 60)
        signed = stations.value("select max(signed_at) as at from {p}.witnessed_client where instance_id = 'a'")
        while _status(stations) != "inactive":
            stations.clock.advance("5 seconds")
            table.read()
            _other_lives(stations)
            stations.run("watch_instances")
            assert stations.clock.now - signed < timedelta(seconds=100)
        assert stations.clock.now - signed >= timedelta(seconds=90)
        assert client.booked == set()

    def test_without_any_row_it_is_lost_as_ever(self, stations: Fleet, client: PullClient) -> None:
        table = Table(stations)
        _live_by_rows(stations, table, 45, every=0)
        assert _status(stations) == "inactive"

    def test_a_row_from_before_the_silence_keeps_nobody(self, stations: Fleet, client: PullClient) -> None:
        """One that is killed has often written a moment ago; its streams are free as soon as without the table."""
        table = _begin(stations)
        client.ask()
        stations.clock.advance("9 seconds")
        table.write()
        assert table.read()["signs"] == 1
        for _ in range(8):
            stations.clock.advance("5 seconds")
            table.read()
            _other_lives(stations)
            stations.run("watch_instances")
        assert _status(stations) == "inactive"

    def test_the_two_databases_need_not_agree_about_the_time(self, stations: Fleet, client: PullClient) -> None:
        for ahead in ("-3 years", "7 hours"):
            table = _begin(stations, ahead=ahead)
            _live_by_rows(stations, table, 200)
            assert _status(stations) != "inactive", ahead

    def test_a_row_of_the_future_keeps_nobody(self, stations: Fleet, client: PullClient) -> None:
        """Not now, nor when that time has come and the client is dead."""
        table = _begin(stations)
        table.write(by_clock="40 seconds")
        assert table.read()["signs"] == 0
        for second in range(0, 60, 5):
            stations.clock.advance("5 seconds")
            assert table.read()["signs"] == 0
            _other_lives(stations)
            stations.run("watch_instances")
            assert (_status(stations) == "inactive") == (second >= 40), second

    def test_a_row_that_does_not_advance_keeps_nobody(self, stations: Fleet, client: PullClient) -> None:
        """Its age may say what it likes: a clock there was set back again and again."""
        table = _begin(stations)
        table.write()
        row = table.rows["a"]
        said = {**row, "at": None, "last_heartbeat": row["at"].isoformat(), "age": 1}
        for _ in range(10):
            stations.clock.advance("5 seconds")
            stations.one("record_heartbeats", source="field", rows=Jsonb([said]), read_at=stations.clock.now)
            _other_lives(stations)
            stations.run("watch_instances")
        assert _status(stations) == "inactive"

    def test_the_first_row_that_is_read_is_none(self, stations: Fleet, client: PullClient) -> None:
        """It may have stood there for long."""
        table = Table(stations)
        stations.clock.advance("20 seconds")
        table.write()
        assert table.read() == {"clients": 1, "signs": 0}

    @pytest.mark.parametrize(
        "row",
        [
            {"status": "OFFLINE"},
            {"ip_address": "10.0.0.8"},
            {"processing": 0},
            {"by_clock": "-2 minutes"},
        ],
        ids=["offline", "elsewhere", "hears nothing", "old"],
    )
    def test_rows_that_are_no_sign_of_this_process(self, stations: Fleet, client: PullClient, row: Row) -> None:
        table = _begin(stations)
        _live_by_rows(stations, table, 45, **row)
        assert _status(stations) == "inactive"

    def test_a_row_is_as_old_as_it_says(self, stations: Fleet, client: PullClient) -> None:
        """The clock that writes it may be behind."""
        table = _begin(stations, by_clock="-1 minute")
        _live_by_rows(stations, table, 45, by_clock="-1 minute")
        assert _status(stations) == "inactive"

    def test_a_new_life_may_write_from_elsewhere(self, stations: Fleet, client: PullClient) -> None:
        table = _begin(stations)
        stations.clock.advance("11 seconds")
        anew = PullClient(stations, "a", capacity=5, peer="192.0.2.9")
        assert anew.try_to_register() == 200
        anew.ask()
        anew.live(6)
        stations.clock.advance("1 second")
        table.write(ip_address="10.0.0.9")
        table.read()
        _live_by_rows(stations, table, 200, ip_address="10.0.0.9")
        assert _status(stations) != "inactive"

    def test_a_row_brings_nothing_back_and_registers_nobody(self, stations: Fleet, client: PullClient) -> None:
        table = _begin(stations)
        _live_by_rows(stations, table, 50, every=0)
        assert _status(stations) == "inactive"
        for _ in range(5):
            table.write()
            table.write("stranger")
            stations.clock.advance("10 seconds")
            assert table.read()["clients"] == 1
            stations.run_due_jobs()
        assert _status(stations) == "inactive"
        assert client.booked == set()
        assert {row["instance_id"] for row in stations.view("instances")} == {"a", "b"}

    def test_one_that_was_given_streams_and_writes_rows_is_no_ghost(self, stations: Fleet) -> None:
        client = PullClient(stations, "a", capacity=5)
        client.start()
        table = _begin(stations)
        for _ in range(12):
            stations.clock.advance("10 seconds")
            table.write()
            table.read()
            stations.run("watch_instances")
        assert len(client.booked) == 5

    @pytest.mark.parametrize("name", ["x" * 60, "rádio 7", "a/b"])
    def test_a_client_is_known_by_its_name_as_it_sends_it(self, stations: Fleet, name: str) -> None:
        PullClient(stations, name, capacity=5).start()
        table = Table(stations)
        table.write(name)
        table.write(stations.value("select instance_id from {p}.pull_client"))
        assert table.read()["clients"] == 1

    def test_an_older_reading_and_one_of_a_witness_that_is_gone_change_nothing(
        self, stations: Fleet, client: PullClient
    ) -> None:
        table = _begin(stations)
        now = stations.clock.now
        table.write(processing=3)
        rows = Jsonb([{"server_id": "a", "last_heartbeat": now.isoformat(), "age": 0, "status": "ONLINE"}])
        late = stations.one("record_heartbeats", source="field", rows=rows, read_at=now - timedelta(seconds=30))
        assert late == {"clients": 0, "signs": 0}
        stations.admin(
            "add_source", source="field", conninfo="host=db.example.org", table_name="streams", heartbeats=""
        )
        assert stations.query("select * from {p}.witnessed_client") == []
        stations.clock.advance("1 second")
        assert table.read() == {"clients": 0, "signs": 0}
        assert stations.admin("witnesses_due") == []

    @pytest.mark.parametrize("rows", ["{}", "1", '"a"', "null"])
    def test_rows_that_are_no_list_are_refused(self, stations: Fleet, rows: str) -> None:
        with refused("OR101"):
            stations.admin("record_heartbeats", source="field", rows=rows, read_at=None)
        with refused("OR101"):
            stations.admin("record_music", source="field", rows=rows, last_id=1, read_at=None)


class TestWitnesses:
    def test_each_is_due_at_its_rhythm_and_later_after_failures(self, stations: Fleet) -> None:
        stations.admin(
            "add_source", source="field", conninfo="host=db.example.org", table_name="streams", music_log="music_log"
        )

        def due() -> list[str]:
            return sorted(row["witness"] for row in stations.admin("witnesses_due"))

        assert due() == ["heartbeats", "music_log"]
        stations.one("record_heartbeats", source="field", rows="[]", read_at=stations.clock.now)
        stations.one("record_music", source="field", rows="[]", last_id=7, read_at=stations.clock.now)
        assert due() == []
        stations.clock.advance("10 seconds")
        assert due() == ["heartbeats"]
        error = Jsonb({"code": "08001", "message": "away, password=hush"})
        for failures in range(1, 8):
            failed = stations.one("record_witness_failure", source="field", witness="heartbeats", error=error)
            assert failed == {"consecutive_failures": failures}
        stations.clock.advance("9 minutes")
        assert due() == ["music_log"]
        stations.clock.advance("1 minute")
        assert due() == ["heartbeats", "music_log"]
        [source] = stations.view("sources", source="field")
        told = source["witnesses"]["heartbeats"]
        assert (told["table_name"], told["consecutive_failures"]) == ("server_heartbeats", 7)
        assert "hush" not in str(source)
        assert stations.query("select * from {p}.failure_count where failures > 0") == []

    def test_music_is_read_from_where_the_last_reading_ended_unless_that_is_long_ago(self, stations: Fleet) -> None:
        stations.admin(
            "add_source", source="field", conninfo="host=db.example.org", table_name="streams", music_log="music_log"
        )

        def after() -> int | None:
            [row] = [row for row in stations.admin("witnesses_due") if row["witness"] == "music_log"]
            assert row["network_timeout"] == timedelta(seconds=5)
            value: int | None = row["after_id"]
            return value

        assert after() is None
        stations.one("record_music", source="field", rows="[]", last_id=7, read_at=stations.clock.now)
        stations.clock.advance("1 minute")
        assert after() == 7
        stations.clock.advance("4 minutes")
        assert after() is None

    def test_a_list_has_none(self, stations: Fleet) -> None:
        with refused("OR101"):
            stations.admin("add_source", source="list", music_log="music_log")

    def test_a_source_that_is_switched_off_is_asked_nothing(self, stations: Fleet) -> None:
        stations.admin(
            "add_source", source="field", conninfo="host=db.example.org", table_name="streams", enabled=False
        )
        assert stations.admin("witnesses_due") == []


class TestDashboards:
    def test_each_living_instance_is_told_by_its_own_name_with_what_it_hears(self, stations: Fleet) -> None:
        client = PullClient(stations, "rádio 7", capacity=4, peer="192.0.2.1", address="10.0.0.7:8000")
        client.start()
        client.beat()
        worker = stations.register("fv-1", 10)
        stations.settle()
        worker.beat(cpu_usage=12.3, memory_usage=40)
        gone = stations.register("fv-2", 10)
        gone.call("deregister_instance")
        heard_at = int(stations.clock.now.timestamp())

        told = {row["server_id"]: row for row in stations.admin("signs_of_life")}

        assert told.keys() == {"rádio 7", "fv-1"}
        assert told["rádio 7"]["processing_stream_names"] == [f"Radio {number}" for number in client.own]
        assert told["rádio 7"]["processing_streams"] == 4
        assert told["rádio 7"]["ip_address"] == "10.0.0.7"
        assert told["fv-1"]["processing_streams"] == len(worker.running) > 0
        assert told["fv-1"]["last_ts"] == heard_at
        assert (told["fv-1"]["cpu_percent"], told["fv-1"]["memory_percent"]) == (12.3, 40.0)
        assert told["rádio 7"]["cpu_percent"] is None

    def test_what_is_not_confirmed_is_not_heard_yet(self, stations: Fleet) -> None:
        client = PullClient(stations, "a", capacity=4)
        client.start()
        assert stations.one("signs_of_life")["processing_streams"] == 0
        client.beat()
        assert stations.one("signs_of_life")["processing_streams"] == 4

    def test_a_row_elsewhere_is_when_it_was_last_heard(self, stations: Fleet, client: PullClient) -> None:
        table = _begin(stations)
        stations.clock.advance("30 seconds")
        table.write()
        table.read()
        [told] = [row for row in stations.admin("signs_of_life") if row["server_id"] == "a"]
        assert told["last_ts"] == int(stations.clock.now.timestamp())
