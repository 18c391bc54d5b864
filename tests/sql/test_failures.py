"""Failures: counted by time, by how many in a row and by pattern, without secrets and within bounds (R4)."""

import json
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.fleet import Fleet, Row, Worker, refused


def _failure(message: str = "connection refused", **more: Any) -> dict[str, Any]:
    return {"function": "heartbeat", "sqlstate": "08006", "message": message, **more}


def _report(worker: Worker, *failures: dict[str, Any]) -> Row:
    [row] = worker.call("report_failures", failures=Jsonb(list(failures)))
    return row


def _record(fleet: Fleet, *failures: dict[str, Any], reporter: str = "driver:one") -> Row:
    return fleet.one("record_failures", reporter=reporter, failures=Jsonb(list(failures)))


def _counts(fleet: Fleet, reporter: str) -> dict[timedelta, int]:
    """Failures by the age of the ten seconds that they are counted in."""
    rows = fleet.query("select * from {p}.failure_count where reporter = %s order by bucket desc", reporter)
    return {fleet.clock.now - row["bucket"]: row["failures"] for row in rows}


def _patterns(fleet: Fleet) -> dict[str, Row]:
    return {row["pattern"]: row for row in fleet.view("incident_patterns")}


def _seconds(*numbers: int) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


# -- counting ----------------------------------------------------------------------------------------------------------


def test_a_worker_tells_what_failed_when_it_can_again(fleet: Fleet) -> None:
    """R4.3, R4.4"""
    worker = fleet.register("fv-1")
    assert _report(worker, _failure(count=1, first_ago=25, last_ago=25)) == {"recorded": 1, "recovery": False}
    assert _counts(fleet, "fv-1") == dict(zip(_seconds(30), [1], strict=True))
    [pattern] = fleet.view("incident_patterns")
    assert (pattern["pattern"], pattern["sqlstate"], pattern["occurrences"]) == ("connection refused", "08006", 1)
    assert pattern["first_seen_at"] == pattern["last_seen_at"] == fleet.clock.now - timedelta(seconds=25)
    assert pattern["example"] == {"reporter": "fv-1", "function": "heartbeat", "message": "connection refused"}


def test_many_failures_are_spread_evenly_over_their_time(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    assert _report(worker, _failure(count=7, first_ago=30, last_ago=0))["recorded"] == 7
    assert _counts(fleet, "fv-1") == dict(zip(_seconds(0, 10, 20, 30), [2, 2, 2, 1], strict=True))
    _report(worker, _failure(count=1, first_ago=10, last_ago=10))
    assert _counts(fleet, "fv-1")[timedelta(seconds=10)] == 3


def test_a_flood_of_failures_is_counted_in_full_and_no_further_back_than_an_hour(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    assert _report(worker, _failure(count=8640, first_ago=86400, last_ago=0))["recorded"] == 8640
    counts = _counts(fleet, "fv-1")
    assert len(counts) == 360
    assert set(counts.values()) <= {0, 1}


@pytest.mark.parametrize(
    ("given", "bucket", "recorded"),
    [
        ({"first_ago": -3600, "last_ago": -7200}, 0, 1),  # nothing fails in the future
        ({"count": -5, "last_ago": 0}, 0, 1),
        ({"count": 0}, 0, 1),
        ({"first_ago": 5, "last_ago": 20}, 10, 1),  # the wrong way round
        ({"count": "NaN", "first_ago": "-Infinity"}, 0, 1_000_000),
        ({"consecutive": -3}, 0, 1),
        ({}, 0, 1),
    ],
)
def test_what_cannot_have_been_counted_is_brought_within_bounds(
    fleet: Fleet, given: dict[str, Any], bucket: int, recorded: int
) -> None:
    assert _report(fleet.register("fv-1"), _failure(**given))["recorded"] == recorded
    assert list(_counts(fleet, "fv-1")) == _seconds(bucket)


@pytest.mark.parametrize(
    "given",
    [None, {}, "text", [[]], [1], [{"count": "many"}], [{"over": "perhaps"}], [{"first_ago": {}}], [{}] * 101],
)
def test_a_report_that_cannot_be_read_is_refused(fleet: Fleet, given: Any) -> None:
    worker = fleet.register("fv-1")
    with refused("OR101"):
        worker.call("report_failures", failures=None if given is None else Jsonb(given))
    assert fleet.query("select * from {p}.failure_count") == fleet.view("incident_patterns") == []


def test_refusals_that_are_answers_are_no_failures(fleet: Fleet) -> None:
    answers = [_failure(sqlstate=code, consecutive=9) for code in ("OR101", "OR401")]
    assert _record(fleet, *answers)["recorded"] == 0
    for view in ("incident_patterns", "failure_streaks"):
        assert fleet.view(view) == []
    assert _record(fleet, *[_failure(sqlstate=code) for code in ("OR201", "OR301", "OR901", "40001")])["recorded"] == 4


def test_a_driver_reports_under_its_name_and_cannot_be_taken_for_an_instance(fleet: Fleet) -> None:
    _record(fleet, _failure(), reporter="driver:host:4711")
    assert _counts(fleet, "driver:host:4711")
    for reporter in ("fv-1", "", None, "driver:", "Driver:x", "driver:" + "x" * 121):
        with refused("OR101"):
            _record(fleet, _failure(), reporter=reporter)  # type: ignore[arg-type]  # that is what is tried


def test_no_process_reports_for_another(fleet: Fleet) -> None:
    old = fleet.register("fv-1", process="1")
    fleet.register("fv-1", process="2", takeover=True)
    with refused("OR301"):
        _report(old, _failure())
    with refused("OR103"):
        db.call(fleet.worker_conn, "report_failures", instance_id="unknown", incarnation=1, failures=Jsonb([]))


# -- patterns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("stream 4711 failed after 3.5 s", "stream <n> failed after <n> s"),
        ('relation "assignment" does not exist', "relation <text> does not exist"),
        ("can't open 'radio one'", "can't open <text>"),
        ("Process 12 waits\n\tfor  ShareLock", "Process <n> waits for ShareLock"),
        ("no route to 10.1.2.3:5432 or fe80::1", "no route to <address> or <address>"),
        ("GET https://radio.example/a/b?x=1 timed out", "GET <address> timed out"),
        ("at 2026-03-01 12:00:00.123+00, since 2026-03-01T12:00:00Z", "at <time>, since <time>"),
        ("lost 0b6e0f6e-6a54-4a8a-9e44-0d7f9a6e2b11", "lost <uuid>"),
        ("segment 00000001000000A2 at 0x1f", "segment <hex> at <hex>"),
        ("deadbeef is a word, facade too", "deadbeef is a word, facade too"),
        ("", "no message"),
        (None, "no message"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_what_differs_from_one_occurrence_to_the_next_is_no_part_of_a_pattern(
    fleet: Fleet, message: str | None, pattern: str
) -> None:
    """R4.4"""
    _record(fleet, {"function": "heartbeat", "message": message})
    assert list(_patterns(fleet)) == [pattern]


def test_a_pattern_counts_its_occurrences_and_shows_the_latest_of_them(fleet: Fleet) -> None:
    """R4.4"""
    began = fleet.clock.now
    _record(fleet, _failure("stream 1 failed", count=2), _failure("stream 2 failed", count=3))
    fleet.clock.advance("1 hour")
    _record(fleet, _failure("stream 3 failed", detail="too far"), reporter="driver:two")
    _record(fleet, _failure("stream 3 failed", sqlstate="oops"))
    rows = {row["sqlstate"]: row for row in fleet.view("incident_patterns")}
    assert set(rows) == {"08006", ""}  # what is no SQLSTATE is none
    pattern = rows["08006"]
    assert (pattern["occurrences"], pattern["first_seen_at"]) == (6, began)
    assert pattern["last_seen_at"] == fleet.clock.now
    assert pattern["example"]["message"] == "stream 3 failed"
    assert (pattern["example"]["reporter"], pattern["example"]["detail"]) == ("driver:two", "too far")


SECRETS = [
    "connection failed: host=db password=hunter2 user=x",
    "connection failed: password = 'hunter2 it''s hunter2' user=x",
    'failed: {"password": "hunter2", "user": "x"}',
    "failed: postgresql://radio:hunter2@db.example:5432/radio",
    "failed: http://x:hunter2@radio.example/live",
    "POST https://hooks.slack.com/services/T0/B0/hunter2 answered 404",
    "POST https://discord.com/api/webhooks/1/hunter2 answered 404",
    "GET https://radio.example/live?token=hunter2 answered 403",
    "cannot reach slack://T0/B0/hunter2",
    "cannot reach mailto://radio:hunter2@mail.example",
    "Authorization: Bearer hunter2",
    "api_key=hunter2&x=1",
]


@pytest.mark.parametrize("message", SECRETS)
def test_no_secret_is_kept(fleet: Fleet, message: str) -> None:
    _record(fleet, _failure(message, detail=message, consecutive=9))
    kept = [fleet.view(view) for view in ("incident_patterns", "failure_streaks", "alerts")]
    assert all(kept)
    assert "hunter2" not in json.dumps(kept, default=str)


def test_an_address_without_a_secret_is_left_to_be_read(fleet: Fleet) -> None:
    message = "GET http://radio.example:8000/live timed out; postgresql://db.example/radio is fine"
    _record(fleet, _failure(message))
    [pattern] = fleet.view("incident_patterns")
    assert pattern["example"]["message"] == message


def test_patterns_are_bounded_and_the_longest_unseen_goes_first(fleet: Fleet) -> None:
    fleet.query(
        "insert into {p}.incident_pattern (pattern, first_seen_at, last_seen_at, example) "
        "select 'old ' || chr(12353 + n / 100) || chr(12353 + mod(n, 100)), "
        "{p}.now(), {p}.now() - n * interval '1 s', '{{}}' from generate_series(1, 10000) as n"
    )
    _record(fleet, *[_failure(f"new {chr(97 + number)}") for number in range(3)])
    assert fleet.value("select count(*) from {p}.incident_pattern") == 10000
    assert fleet.value("select count(*) from {p}.incident_pattern where pattern like 'new _'") == 3
    assert fleet.value("select {p}.now() - min(last_seen_at) from {p}.incident_pattern") == timedelta(seconds=9997)


# -- in a row ----------------------------------------------------------------------------------------------------------


def test_a_run_of_one_function_lasts_while_that_of_another_is_over(fleet: Fleet) -> None:
    """R4.2: a reporter that works in part does not work."""
    worker = fleet.register("fv-1")
    _report(worker, _failure(consecutive=4, count=4), _failure("timed out", consecutive=9, count=9, over=True))
    [streak] = fleet.view("failure_streaks")
    assert (streak["consecutive"], streak["ended_at"]) == (9, None)
    assert [alert["detail"]["consecutive"] for alert in fleet.view("alerts", code="consecutive_failures")] == [9]
    # a shorter part of a run that lasts does not shorten it
    _report(worker, _failure(consecutive=5))
    assert fleet.view("failure_streaks")[0]["consecutive"] == 9
    _report(worker, _failure(consecutive=5, over=True), _failure("timed out", consecutive=1, over=True))
    [streak] = fleet.view("failure_streaks")
    assert (streak["consecutive"], streak["ended_at"]) == (9, fleet.clock.now)


def test_failures_in_a_row_are_remembered_while_they_last_and_afterwards(fleet: Fleet) -> None:
    """R4.2"""
    worker = fleet.register("fv-1")
    began = fleet.clock.now - timedelta(seconds=30)
    _report(worker, _failure(consecutive=3, count=3, first_ago=30, last_ago=0))
    [streak] = fleet.view("failure_streaks")
    assert (streak["reporter"], streak["consecutive"], streak["ended_at"]) == ("fv-1", 3, None)
    fleet.clock.advance("10 seconds")
    _report(worker, _failure("timed out", consecutive=4, last_ago=0))
    [streak] = fleet.view("failure_streaks")
    assert (streak["consecutive"], streak["began_at"], streak["last_failed_at"]) == (4, began, fleet.clock.now)
    assert streak["last_error"] == {"function": "heartbeat", "sqlstate": "08006", "message": "timed out"}
    _report(worker, _failure(consecutive=4, over=True, first_ago=0))
    assert fleet.view("failure_streaks")[0]["ended_at"] == fleet.clock.now
    fleet.clock.advance("1 hour")
    _report(worker, _failure(consecutive=1))
    [streak] = fleet.view("failure_streaks")
    assert (streak["consecutive"], streak["began_at"], streak["ended_at"]) == (1, fleet.clock.now, None)
