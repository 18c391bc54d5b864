"""What the dashboard stands on: its state in one answer, the search, the history, and who is told to look again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.database import db
from tests.fleet import Fleet, refused


def _page(fleet: Fleet) -> dict[str, Any]:
    row = fleet.one("http_dashboard")
    assert row["status"] == 200
    body: dict[str, Any] = row["body"]
    return body


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_views_say(fleet: Fleet) -> None:
    fleet.start(10, 20, streams=15)
    fleet.one("drain_instance", instance_id="fv-1", reason="a new disk")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    page = _page(fleet)
    assert {row["instance_id"]: row["streams"] for row in page["instances"]} == fleet.loads()
    assert page["fleet"]["streams_held"] == 15
    assert page["fleet"]["streams_handed_over"] == len(page["handovers"]) == 5
    assert {row["to"] for row in page["handovers"]} == {"fv-2"}
    assert [row["decision_id"] for row in page["decisions"]] == [d["decision_id"] for d in fleet.decisions()][:-13:-1]
    assert page["decisions"][1]["reason"] == "a new disk"
    assert {row["job"] for row in page["jobs"]} == {row["job"] for row in fleet.view("jobs")}


def test_an_empty_fleet_has_a_page(fleet: Fleet) -> None:
    page = _page(fleet)
    assert (page["instances"], page["decisions"], page["handovers"], page["history"]) == ([], [], [], [])
    assert page["fleet"]["load_percentage"] == 0


def test_the_verdict_is_no_better_than_the_worst_open_alert(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)

    def verdict(severity: str) -> str:
        fleet.query(
            "insert into {p}.alert (code, severity, message, opened_at, updated_at) "
            "values ('planted', %s, 'planted', {p}.now(), {p}.now())",
            severity,
        )
        found = str(_page(fleet)["verdict"])
        fleet.query("update {p}.alert set resolved_at = {p}.now() where resolved_at is null")
        return found

    assert [verdict(severity) for severity in ("info", "warning", "critical")] == ["healthy", "degraded", "unhealthy"]
    assert _page(fleet)["verdict"] == "healthy"
    assert [alert["severity"] for alert in _page(fleet)["alerts"]] == ["critical", "warning", "info"], "closed lately"
    fleet.clock.advance("2 hours")
    assert _page(fleet)["alerts"] == []


def test_of_too_many_instances_those_that_need_a_look_are_shown(fleet: Fleet) -> None:
    for number in range(5):
        fleet.register(f"fv-{number}")
    fleet.query("update {p}.heartbeat set in_step = false where instance_id = 'fv-3'")
    shown = fleet.value("select {p}.dashboard_instances(2) as instances")
    assert [row["instance_id"] for row in shown] == ["fv-0", "fv-3"]


def test_a_diagnosis_of_an_earlier_answer_is_taken_for_granted(fleet: Fleet) -> None:
    """diagnose() costs more than all the rest of the page."""
    fleet.start(10, 10, streams=4)
    diagnosis = _page(fleet)["diagnosis"]
    assert diagnosis["in_all"] == len(diagnosis["findings"]) == len(fleet.admin("diagnose"))
    diagnosis["findings"] = [{"severity": "critical", "planted": True}]
    [row] = fleet.admin("http_dashboard", diagnosis=diagnosis)
    assert row["body"]["diagnosis"] == diagnosis
    assert row["body"]["verdict"] == "unhealthy", "nor is it forgotten"


# -- search ------------------------------------------------------------------------------------------------------------


def test_a_stream_is_found_by_its_id_and_by_parts_of_name_and_address(fleet: Fleet) -> None:
    names = ("Rádio Clube", "Clube da Noite", "Jornal", "100 % Rock")
    urls = ("http://a.example/1", "http://a.example/2", "http://clube.example/3", "http://a.example/under_score")
    ids = [fleet.one("add_stream", url=url, name=name)["stream_id"] for url, name in zip(urls, names, strict=True)]

    def found(text: str) -> list[tuple[int, str]]:
        return [(row["stream_id"], row["found_by"]) for row in fleet.admin("find_streams", text=text)]

    assert found("CLUBE") == [(ids[1], "name"), (ids[0], "name"), (ids[2], "url")], "a name that begins with it first"
    assert found(f"#{ids[2]}") == [(ids[2], "id")]
    assert (ids[0], "id") in found(str(ids[0]))
    assert found("100 %") == [(ids[3], "name")], "no pattern"
    assert found("under_score") == [(ids[3], "url")]
    assert found("r_score") == [(ids[3], "url")]
    assert found("_") == [(ids[3], "url")]
    assert found("no such text") == []
    assert len(fleet.admin("find_streams", text="a.example", limit=2)) == 2


@pytest.mark.parametrize(
    "arguments",
    [{"text": " "}, {"text": None}, {"text": "x" * 201}, {"text": "a", "limit": 0}, {"text": "a", "limit": 1001}],
)
def test_a_search_for_nothing_or_everything_is_refused(fleet: Fleet, arguments: dict[str, Any]) -> None:
    with refused("OR101"):
        fleet.admin("find_streams", **arguments)


# -- history -----------------------------------------------------------------------------------------------------------


def test_the_fleet_is_remembered_every_half_minute_and_forgotten_with_the_history(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=15)
    for _ in range(4):
        fleet.pass_time("30 seconds")
        fleet.all_obey()
    rows = fleet.view("fleet_samples")
    assert len(rows) == 4
    assert {
        (row["streams_held"], row["streams_waiting"], row["capacity"], row["serving_instances"], row["lost_instances"])
        for row in rows
    } == {(15, 0, 20, 2, 0)}
    assert rows[0]["imbalance"] == pytest.approx(0.1)
    fleet.run("sample_fleet")
    assert len(fleet.view("fleet_samples")) == 4, "two drivers in one moment"
    fleet.clock.advance("29 days 23 hours 58 minutes 45 seconds")
    assert fleet.run("purge_history")["fleet_samples"] == 1
    assert len(fleet.view("fleet_samples")) == 3


def test_a_peak_survives_being_summed_up(fleet: Fleet) -> None:
    for seconds, waiting in ((30, 0), (60, 7), (90, 0)):
        fleet.query(
            "insert into {p}.fleet_sample values ({p}.now() - make_interval(secs => %s), 9 - %s, %s, 0, 10, 0, 1, 0)",
            seconds, waiting, waiting,
        )  # fmt: skip
    parts = fleet.value("select {p}.dashboard_history('6 hours', 1) as history")
    assert max(part["waiting"] for part in parts) == 7
    assert min(part["held"] for part in parts) == 2


# -- who looks on is told ----------------------------------------------------------------------------------------------


@pytest.fixture
def told(fleet: Fleet) -> Callable[[Callable[[], Any]], int]:
    """How many notifications to look again something sends."""
    listening = fleet.database.connect("reader")
    channel = f"{fleet.database.names.api}.changes"
    listening.execute(f'listen "{channel}"')

    def count(deed: Callable[[], Any]) -> int:
        list(listening.notifies(timeout=0))
        deed()
        listening.execute("select 1")  # all that was sent before is here with the answer
        heard = list(listening.notifies(timeout=0))
        assert all((notice.channel, notice.payload) == (channel, "") for notice in heard)
        return len(heard)

    return count


def test_what_people_watch_tells_them_once_and_nothing_else_does(
    fleet: Fleet, told: Callable[[Callable[[], Any]], int]
) -> None:
    worker, _ = fleet.start(10, 10, streams=6)
    assert told(worker.beat) == 0, "a beat that changes nothing"
    assert told(lambda: fleet.run("watch_instances")) == 0
    assert told(lambda: fleet.run("evaluate_alerts")) == 0
    assert told(lambda: fleet.run("sample_fleet")) == 0
    assert told(lambda: fleet.admin("plan_rebalance")) == 0, "what is taken back is not told"
    assert told(lambda: fleet.one("pause_balancing", reason="a test")) == 1
    assert told(lambda: fleet.one("resume_balancing")) == 1
    assert told(lambda: fleet.one("add_stream", url="http://radio.example/new")) == 1
    assert told(lambda: fleet.one("drain_instance", instance_id="fv-2")) == 1, "a status and a decision"
    assert told(fleet.settle) >= 2, "the hand-overs begin and end"
    fleet.clock.advance("100 seconds")
    assert told(lambda: fleet.run("watch_instances")) == 1, "an instance is late"
    assert told(worker.beat) == 0, "nor a beat that changes its status: after an outage all would tell at once"
    assert worker.status == "active"
    worker.beat(memory_usage=97)
    assert told(lambda: fleet.run("evaluate_alerts")) == 1, "an alert opens"
    [alert] = fleet.view("alerts", code="memory", resolved_at=None)
    assert told(lambda: fleet.one("acknowledge_alert", alert_id=alert["alert_id"])) == 1
    assert told(lambda: fleet.run("evaluate_alerts")) == 0
    worker.beat(memory_usage=20)
    assert told(lambda: fleet.run("evaluate_alerts")) == 1, "it is over"


def test_a_reader_may_look(fleet: Fleet) -> None:
    fleet.pass_time(timedelta(seconds=30))
    reader = fleet.database.connect("reader")
    assert db.call(reader, "http_dashboard")[0]["status"] == 200
    assert len(db.view(reader, "fleet_samples")) == 1
    assert db.call(reader, "find_streams", text="a") == []
