"""The report can fail: what the ledger does not have, or has twice, is found."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from orchestrator.cli.demo import demo
from orchestrator.database import db
from orchestrator.demo import scenario
from orchestrator.lab import report

STATIONS = 3
BEGIN = 1_700_000_000
END = BEGIN + 20


def moment(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def heard(station: int, second: int, epoch: int = 1) -> dict[str, Any]:
    return {
        "stream_id": 100 + station,
        "station": station,
        "second": second,
        "epoch": epoch,
        "heard_at": moment(second + 1.1).isoformat(),
    }


def record(conn: db.Connection, *seconds: dict[str, Any], process: str = "p", batch: int = 1) -> dict[str, Any]:
    (result,) = db.call(
        conn, "record_seconds", process=process, batch=batch, instance_id=f"worker-{process}", seconds=Jsonb(seconds)
    )
    return result


def begin_act(conn: db.Connection, act: str, second: float) -> None:
    conn.execute(
        "insert into music_log.act (act, description, began_at) values (%s, %s, %s)", [act, "…", moment(second)]
    )


@pytest.fixture
def whole(conn: db.Connection) -> db.Connection:
    """A demo of two acts of 10 s with three stations and nothing missing, heard from its third second on."""
    db.call(conn, "open_stations", stations=STATIONS, address="http://127.0.0.1:1")
    for act, second in (("first", BEGIN), ("second", BEGIN + 10.5), ("end", END + 0.5)):
        begin_act(conn, act, second)
    seconds = range(BEGIN + 2, END + 2)
    assert record(conn, *(heard(station, second) for station in (1, 2, 3) for second in seconds)) == {
        "written": STATIONS * len(seconds),
        "refused": 0,
    }
    return conn


def totals(conn: db.Connection) -> dict[str, Any]:
    (row,) = db.view(conn, "totals")
    return row


def test_a_whole_ledger_has_nothing_lost_and_nothing_twice(whole: db.Connection) -> None:
    assert totals(whole) == {
        "stations": 3,
        "seconds_written": 60,
        "seconds_heard": 51,
        "seconds_sung": 51,
        "seconds_lost": 0,
        "seconds_lost_without_a_move": 0,
        "seconds_written_twice": 0,
        "seconds_misheard": 0,
        "writes_refused": 0,
        "all_heard_at_the_end": True,
    }
    first, second = db.view(whole, "report", order_by=["act_id"])
    assert (first["act"], first["seconds_until_all_heard"]) == ("first", 2)
    assert (second["act"], second["seconds_until_all_heard"]) == ("second", 0)


def test_a_second_that_is_written_twice_is_counted(whole: db.Connection) -> None:
    """The ledger has no unique key: only the fence and the handlers prevent it."""
    assert record(whole, heard(2, BEGIN + 12, epoch=2), batch=2) == {"written": 1, "refused": 0}
    assert totals(whole)["seconds_written_twice"] == 1
    assert [act["seconds_written_twice"] for act in db.view(whole, "report", order_by=["act_id"])] == [0, 1]
    (twice,) = db.view(whole, "written_twice")
    assert twice["writers"] == ["worker-p under epoch 1", "worker-p under epoch 2"]


def test_a_hole_is_lost_audio_of_its_act(whole: db.Connection) -> None:
    whole.execute("delete from music_log.heard where station = 2 and second = %s", [BEGIN + 13])
    assert totals(whole)["seconds_lost"] == totals(whole)["seconds_lost_without_a_move"] == 1
    first, second = db.view(whole, "report", order_by=["act_id"])
    assert (first["seconds_lost"], second["seconds_lost"]) == (0, 1)
    assert second["seconds_until_all_heard"] == pytest.approx(BEGIN + 14 - (BEGIN + 10.5))


def test_a_move_in_the_act_excuses_a_hole_of_its_stream_only(whole: db.Connection) -> None:
    whole.execute("delete from music_log.heard where second = %s", [BEGIN + 13])
    moved = {"stream_id": 102, "epoch": 2, "moved_at": moment(BEGIN + 12).isoformat(), "to_instance_id": "other"}
    decision = {
        "decision_id": 1,
        "decided_at": moment(BEGIN + 12).isoformat(),
        "rule": "lost",
        "moves": 1,
        "least_moves": 1,
    }
    db.call(whole, "keep_record", movements=Jsonb([moved]), decisions=Jsonb([decision]))
    assert (totals(whole)["seconds_lost"], totals(whole)["seconds_lost_without_a_move"]) == (3, 2)
    first, second = db.view(whole, "report", order_by=["act_id"])
    assert (first["moves"], first["least_moves"], second["moves"], second["least_moves"]) == (0, 0, 1, 1)


def test_a_station_that_is_silent_at_the_end_is_noticed(whole: db.Connection) -> None:
    whole.execute("delete from music_log.heard where station = 1 and second >= %s", [END - 2])
    assert totals(whole)["all_heard_at_the_end"] is False


def test_an_empty_ledger_has_heard_nothing_at_the_end(conn: db.Connection) -> None:
    db.call(conn, "open_stations", stations=STATIONS, address="http://127.0.0.1:1")
    assert totals(conn)["all_heard_at_the_end"] is False


@pytest.mark.parametrize(
    "row",
    [
        heard(2, BEGIN + 5) | {"stream_id": 101},
        heard(2, BEGIN + 5) | {"stream_id": 104},
        heard(2, BEGIN + 5) | {"heard_at": moment(BEGIN + 5.5).isoformat()},
    ],
    ids=["another station's stream", "a station under a second stream", "heard before it was over"],
)
def test_what_cannot_be_true_is_counted_as_misheard(whole: db.Connection, row: dict[str, Any]) -> None:
    record(whole, row, batch=2)
    assert totals(whole)["seconds_misheard"] > 0


def test_a_batch_that_is_sent_again_is_written_once(whole: db.Connection) -> None:
    """After a lost connection it is unknown whether the last batch was written."""
    assert record(whole, heard(1, END + 5), batch=2) == {"written": 1, "refused": 0}
    assert record(whole, heard(1, END + 5), batch=2) == {"written": 0, "refused": 0}
    assert record(whole, heard(1, END + 6), batch=3) == {"written": 1, "refused": 0}
    assert totals(whole)["seconds_written_twice"] == 0


def test_a_refused_second_is_kept_and_does_not_hold_up_its_batch(whole: db.Connection) -> None:
    db.call(whole, "announce", stream_id=101, epoch=2)
    assert record(whole, heard(1, END + 5), heard(2, END + 5), batch=2) == {"written": 1, "refused": 1}
    (row,) = db.view(whole, "refused")
    assert (row["station"], row["second"], row["epoch"], row["detail"]["highest_epoch"]) == (1, END + 5, 1, 2)
    assert totals(whole)["writes_refused"] == 1


@pytest.mark.parametrize(
    ("damage", "law"),
    [
        ("insert into music_log.heard select * from music_log.heard where station = 2 limit 1", "written twice"),
        ("delete from music_log.heard where station = 2 and second % 10 = 6", "lost by a station that was not moved"),
        ("update music_log.heard set heard_at = heard_at - interval '2 s'", "the sound says"),
        ("delete from music_log.heard where station = 2", "heard at the end"),
        ("update music_log.act set act = 'restart'; delete from music_log.heard where second % 10 = 6", "a restart"),
    ],
)
def test_a_broken_law_fails_the_report(whole: db.Connection, damage: Any, law: str) -> None:
    assert report.read(whole).ok
    whole.execute(damage)
    broken = report.read(whole)
    assert not broken.ok
    assert law in " ".join(each.law for each in broken.laws if not each.holds)


def test_the_command_fails_with_the_report(whole: db.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {True: 0, False: 1}
    for expected in answers:
        outcome = scenario.Outcome(report.read(whole), {"worker": 1.0}, None)
        assert outcome.ok is expected
        monkeypatch.setattr(scenario, "run", lambda *_, outcome=outcome, **__: outcome)
        answer = CliRunner().invoke(demo, ["--json"])
        assert answer.exit_code == answers[expected]
        assert json.loads(answer.stdout)["ok"] is expected
        assert ("BROKEN" in CliRunner().invoke(demo).stdout) is not expected
        record(whole, heard(2, BEGIN + 12, epoch=2), batch=2)


def test_what_coverage_says_is_held_against_the_sound(whole: db.Connection) -> None:
    """A second that was lost and is called heard is counted; of one that was heard in part the ledger has nothing."""
    whole.execute(
        "delete from music_log.heard where station in (1, 2) and second in (%s, %s)", [BEGIN + 13, BEGIN + 14]
    )
    began, ended = moment(BEGIN + 13.5).isoformat(), moment(BEGIN + 14.5).isoformat()
    gap = {"stream_id": 101, "cause": "crash", "began_at": began, "sure_at": began, "ended_at": ended}
    db.call(whole, "keep_record", movements=Jsonb([]), decisions=Jsonb([]), gaps=Jsonb([gap]))
    first, second = db.view(whole, "report", order_by=["act_id"])
    assert (first["seconds_lost_without_a_gap"], second["seconds_lost_without_a_gap"]) == (0, 2)
    assert (first["seconds_not_covered"], second["seconds_not_covered"]) == (0, 3)
