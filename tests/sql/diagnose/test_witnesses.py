"""What the production database tells of clients, and the books do not."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis
from tests.sql.pull import PullClient, add_numbered


@pytest.fixture
def clients(fleet: Fleet) -> tuple[PullClient, PullClient]:
    """Two that have five of the ten stations of a source each; both of its witnesses are read."""
    fleet.admin(
        "add_source",
        source="field",
        conninfo="host=db.example.org",
        table_name="streams",
        heartbeats="server_heartbeats",
        music_log="music_log",
    )
    add_numbered(fleet, *range(10))
    fleet.query("update {p}.stream set source = 'field'")
    fleet.query("update {p}.source set last_attempt_at = {p}.now(), last_success_at = {p}.now() where source = 'field'")
    pair = PullClient(fleet, "a", capacity=5, peer="192.0.2.1"), PullClient(fleet, "b", capacity=5, peer="192.0.2.2")
    for client in pair:
        client.start()
        client.live(6)
    return pair


def _write_rows(fleet: Fleet, processing: Any, times: int = 1) -> None:
    for _ in range(times):
        fleet.clock.advance("60 seconds")
        row = {"server_id": "a", "last_heartbeat": fleet.clock.now.isoformat(), "age": 0, "status": "ONLINE"}
        rows = Jsonb([{**row, "processing": processing, "first_answer": 4}])
        fleet.one("record_heartbeats", source="field", rows=rows, read_at=fleet.clock.now)


def _write_music(fleet: Fleet, *written: tuple[str, PullClient | str], minutes: int = 1, last_id: int = 9) -> None:
    """Each minute somebody recognises something."""
    rows = [{"name": name, "written_by": by if isinstance(by, str) else by.name} for name, by in written]
    for _ in range(minutes):
        fleet.clock.advance("1 minute")
        fleet.one("record_music", source="field", rows=Jsonb(rows), last_id=last_id, read_at=fleet.clock.now)


def _stations(client: PullClient) -> list[tuple[str, PullClient | str]]:
    return [(f"Radio {number}", client) for number in sorted(client.own)]


class TestCounts:
    @pytest.mark.parametrize(("says", "recommended"), [(4, "Restart it"), (7, "Recreate its container")])
    def test_another_number_than_the_books_for_three_rows(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient], says: int, recommended: str
    ) -> None:
        _write_rows(fleet, 5)
        _write_rows(fleet, says, times=2)
        diagnosis.sees_no("count_differs")
        _write_rows(fleet, says)
        finding = diagnosis.sees("count_differs", "instance a")
        assert f"hears {says} streams, and has 5" in finding["finding"]
        assert recommended in finding["recommendation"]
        assert finding["evidence"]["first_answer"] == 4
        _write_rows(fleet, 5)
        diagnosis.sees_no("count_differs")

    def test_a_row_that_is_read_again_counts_once(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        _write_rows(fleet, 1, times=2)
        row = {"server_id": "a", "last_heartbeat": fleet.clock.now.isoformat(), "status": "ONLINE", "processing": 1}
        for age in range(0, 60, 10):
            fleet.clock.advance("10 seconds")
            rows = Jsonb([{**row, "age": age}])
            fleet.one("record_heartbeats", source="field", rows=rows, read_at=fleet.clock.now)
        diagnosis.sees_no("count_differs")

    def test_it_is_no_finding_once_the_rows_are_old_or_the_client_is_lost(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        _write_rows(fleet, 4, times=4)
        diagnosis.sees("count_differs")
        fleet.clock.advance("6 minutes")
        diagnosis.sees_no("count_differs")

    @pytest.mark.parametrize("says", [None, -1, 1e300])
    def test_a_number_that_is_none_differs_from_nothing(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient], says: Any
    ) -> None:
        _write_rows(fleet, says, times=5)
        diagnosis.sees_no("count_differs")


class TestMusic:
    def test_what_a_client_has_had_for_an_hour_and_not_written_while_others_have(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        a, b = clients
        _write_music(fleet, *_stations(b), minutes=60)
        diagnosis.sees_no("nothing_written")  # the first reading is not yet an hour ago
        _write_music(fleet, *_stations(b))
        finding = diagnosis.sees("nothing_written", "instance a")
        assert (finding["severity"], finding["evidence"]["silent"]) == ("warning", 5)
        _write_music(fleet, *_stations(b), *_stations(a)[1:])
        finding = diagnosis.sees("nothing_written", "instance a")
        assert (finding["severity"], finding["evidence"]["names"]) == ("info", [f"Radio {min(a.own)}"])
        # by another, not by it
        _write_music(fleet, (_stations(a)[0][0], b))
        assert diagnosis.sees("nothing_written")["evidence"]["written_by_others"] == [f"Radio {min(a.own)}"]
        _write_music(fleet, *_stations(a)[:1])
        diagnosis.sees_no("nothing_written")

    def test_not_when_nobody_has_written_anything(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        _write_music(fleet, minutes=70)
        diagnosis.sees_no("nothing_written")

    def test_not_what_it_has_had_for_less(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        _, b = clients
        _write_music(fleet, *_stations(b), minutes=70)
        fleet.query("update {p}.assignment set assigned_at = {p}.now() - interval '59 minutes'")
        diagnosis.sees_no("nothing_written")

    def test_not_after_a_gap_in_the_readings_nor_of_a_table_that_is_not_read_any_more(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        _, b = clients
        _write_music(fleet, *_stations(b), minutes=61)
        diagnosis.sees("nothing_written")
        fleet.clock.advance("6 minutes")
        diagnosis.sees_no("nothing_written")
        _write_music(fleet, *_stations(b), minutes=59)
        diagnosis.sees_no("nothing_written")
        _write_music(fleet, *_stations(b), minutes=2)
        diagnosis.sees("nothing_written")
        # made anew, its ids begin again
        _write_music(fleet, *_stations(b), last_id=1)
        diagnosis.sees_no("nothing_written")

    def test_two_that_write_one_station(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        a, b = clients
        _write_music(fleet, *_stations(a), *_stations(b), minutes=20)
        diagnosis.sees_no("written_twice")
        _write_music(fleet, *_stations(a), (_stations(a)[0][0], b))
        finding = diagnosis.sees("written_twice", "instances a, b")
        assert finding["evidence"]["names"] == [_stations(a)[0][0]]
        _write_music(fleet, *_stations(a), minutes=11)
        diagnosis.sees_no("written_twice")

    def test_not_when_the_station_has_just_changed_hands_nor_when_two_have_its_name(
        self, fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
    ) -> None:
        a, b = clients
        both = _stations(a)[0], (_stations(a)[0][0], b)
        _write_music(fleet, minutes=20)
        _write_music(fleet, *both)
        diagnosis.sees("written_twice")
        fleet.query("update {p}.assignment set assigned_at = {p}.now() - interval '14 minutes'")
        diagnosis.sees_no("written_twice")
        fleet.query("update {p}.assignment set assigned_at = {p}.now() - interval '16 minutes'")
        diagnosis.sees("written_twice")
        fleet.query("update {p}.stream set name = %s where number = %s", both[0][0], max(b.own))
        diagnosis.sees_no("written_twice")


def test_a_witness_that_cannot_be_read_is_worth_knowing_and_nothing_more(
    fleet: Fleet, diagnosis: Diagnosis, clients: tuple[PullClient, PullClient]
) -> None:
    for _ in range(3):
        diagnosis.sees_no("witness_failing")
        error = Jsonb({"code": "08001", "message": "the source cannot be reached"})
        fleet.one("record_witness_failure", source="field", witness="heartbeats", error=error)
    fleet.run("evaluate_alerts")
    assert fleet.view("alerts") == []
    diagnosis.cures("witness_failing", "source field, heartbeats")
    assert {row["witness"] for row in fleet.query("select witness from {p}.witness")} == {"music_log"}
