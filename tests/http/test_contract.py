"""The keys that existing clients depend on, exactly."""

from datetime import UTC, datetime

import pytest

from tests.fleet import Fleet
from tests.http.clients import MainClient, ServerClient, WorkerClient
from tests.http.conftest import LoginDsn, Serve
from tests.http.processes import HttpServer


def test_registering_and_beating_answer_with_the_keys_of_each_dialect(face: HttpServer, fleet: Fleet) -> None:
    main, server, worker = MainClient(face, "main-1"), ServerClient(face, "server-1"), WorkerClient(face, "worker-1")

    answer = main.register()
    assert answer.keys() == {
        "status", "instance_id", "assigned_streams", "heartbeat_interval", "next_assignment_check",
    }  # fmt: skip
    assert (answer["status"], answer["instance_id"], answer["heartbeat_interval"]) == ("registered", "main-1", 10)
    assert datetime.fromisoformat(answer["next_assignment_check"]).astimezone(UTC) > fleet.clock.now
    for client, name in ((server, "server-1"), (worker, "worker-1")):
        assert client.register() == {
            "success": True, "status": "registered", "server_id": name, "worker_id": name, "max_streams": 10,
            "message": "registered",
        }  # fmt: skip

    fleet.add_streams(3)
    fleet.settle()
    beat = face.post("/heartbeat", instance_id="main-1")
    assert beat.keys() == {"status", "next_heartbeat", "commands"}
    assert beat["status"] == "acknowledged"
    assert datetime.fromisoformat(beat["next_heartbeat"]).astimezone(UTC) > fleet.clock.now
    command = beat["commands"][0]
    assert command == {"type": "stream_update", "stream_id": command["stream_id"], "action": "add"}
    assert server.beat() == {"success": True, "status": "heartbeat_updated", "message": "heard"}
    assert worker.beat() == {"success": True, "status": "acknowledged", "message": "heard"}
    assert server.assign().keys() == {"success", "status", "assigned_streams", "count", "message"}
    assert worker.assign().keys() == {"success", "status", "assigned_streams", "count", "message", "streams"}


def test_what_is_looked_at_has_the_keys_of_the_contract_and_true_numbers(face: HttpServer, fleet: Fleet) -> None:
    """R6.1, R6.3"""
    client = MainClient(face, "http-1", 20)
    client.register()
    fleet.register("fv-2", 10)
    streams = fleet.add_streams(9)
    fleet.admin("set_stream_active", stream_id=streams[-1], active=False)
    fleet.settle()
    client.beat_until_in_step()

    health = face.get("/health")
    assert health.keys() == {"status", "timestamp", "uptime", "version", "services", "instances", "streams"}
    assert health["instances"] == {"total": 2, "active": 2, "inactive": 0, "warning": 0}
    assert health["streams"] == {"total": 9, "assigned": 8, "unassigned": 0, "processing": 8}
    assert {"database", "integrity", "instances", "streams", "jobs"} <= health["services"].keys()
    for service in health["services"].values():
        assert {"status", "response_time"} <= service.keys()

    instances = face.get("/instances")
    assert instances.keys() == {"instances", "summary"}
    mine = {row["id"]: row for row in instances["instances"]}["http-1"]
    assert mine.keys() == {
        "id", "server_id", "ip", "port", "status", "registered_at", "last_heartbeat", "max_streams", "current_streams",
        "load_percentage",
        "processed_total", "errors_total", "performance_score", "location", "version",
    }  # fmt: skip
    share = len(client.running)
    assert (mine["current_streams"], mine["processed_total"], mine["errors_total"]) == (share, 100, 1)
    assert (mine["load_percentage"], mine["performance_score"]) == (share * 5, 0.99)
    assert instances["summary"] == {
        "total_instances": 2,
        "total_capacity": 30,
        "total_assigned": 8,
        "average_load": 26.7,
        "system_imbalance": round(abs(share * 5 - (8 - share) * 10), 1),
    }

    status = face.get("/streams/status")
    assert status["streams"] == {"total": 9, "active": 8, "inactive": 1, "assigned": 8, "unassigned": 0}
    shares = {row["instance_id"]: row for row in status["distribution"]}
    assert shares["http-1"].keys() == {"instance_id", "assigned_streams", "stream_ids", "last_updated"}
    assert set(shares["http-1"]["stream_ids"]) == client.running
    assert status["recent_changes"][0].keys() == {"timestamp", "action", "details", "reason"}
    made = sum(decision["moves"] for decision in fleet.decisions())
    assert sum(change["details"]["moves"] for change in status["recent_changes"]) == made > 0

    status = face.get("/status")
    assert {row["server_id"] for row in status.pop("active_instances")} == {"http-1", "fv-2"}
    assert status == {
        "orchestrator_status": "active",
        "instances": {"total": 2, "active": 2, "total_capacity": 30, "current_load": 8},
        "streams": {"assigned": 8, "available": 0, "total": 9},
        "load_percentage": 26.7,
    }
    one = face.get("/instances/http-1")
    assert one["status"] == "success"
    assert one["data"].keys() == {
        "server_id", "max_streams", "current_streams", "status", "registered_at", "last_heartbeat", "assigned_streams",
    }  # fmt: skip
    assert set(one["data"]["assigned_streams"]) == client.running
    assert face.http.get("/instances/unknown").status_code == 404


def test_metrics_have_the_keys_that_dashboards_know(face: HttpServer, fleet: Fleet) -> None:
    """R6.4"""
    client = MainClient(face, "http-1")
    client.register()
    fleet.add_streams(3)
    fleet.settle()
    client.beat_until_in_step()

    metrics = face.get("/metrics")
    assert metrics.keys() == {"system_metrics", "stream_metrics", "instance_metrics", "rebalancing_metrics"}
    assert metrics["stream_metrics"]["running"] == metrics["stream_metrics"]["total"] == 3
    assert metrics["instance_metrics"]["by_instance"][0]["streams"] == 3
    assert metrics["rebalancing_metrics"]["moves_last_hour"] == 3
    assert metrics["rebalancing_metrics"]["paused"] is False


def test_a_rebalance_says_what_moved_and_why_nothing_did(serve: Serve, fleet: Fleet, login_dsn: LoginDsn) -> None:
    face = serve(dsn=login_dsn("worker", "reader", "admin"))
    fleet.start(10, streams=6)
    fleet.register("fv-2")

    moved = face.post("/rebalance", reason="because")
    assert (moved["status"], moved["moved_streams"], moved["least_moves"]) == ("rebalanced", 3, 3)
    assert str(fleet.last_decision()["event_id"]) == moved["event_id"]
    assert f"event_id={moved['event_id']}" in face.log.read_text()
    assert {(move["from"], move["to"]) for move in moved["moves"]} == {("fv-1", "fv-2")}
    assert fleet.last_decision()["reason"] == "because"
    nothing = face.http.post("/rebalance").json()
    assert (nothing["status"], nothing["moves"]) == ("balanced", [])
    assert "nothing had to move" in nothing["message"]

    fleet.admin("pause_balancing", reason="works")
    refused = face.http.post("/rebalance", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "OR401")


def test_a_login_that_is_no_administrator_is_refused_to_rebalance(face: HttpServer) -> None:
    refused = face.http.post("/rebalance", json={})
    assert refused.status_code == 403
    assert refused.json()["code"] == "42501"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/register", {"max_streams": 5}, "instance_id"),
        ("/register", {"instance_id": "a b", "max_streams": 5}, "instance_id"),
        ("/register", {"instance_id": 5, "max_streams": 5}, "instance_id"),
        ("/register", {"instance_id": "a", "max_streams": "5"}, "max_streams"),
        ("/register", {"instance_id": "a", "max_streams": 1001}, "max_streams"),
        ("/register", {"instance_id": "a", "max_streams": 1.5}, "max_streams"),
        ("/register", {"instance_id": "a", "max_streams": 5, "capabilities": "audio"}, "capabilities"),
        ("/register", {"instance_id": "a", "max_streams": 5, "version": ["7"]}, "version"),
        ("/register", [], "body"),
        ("/register", {"server_id": "a\nb", "max_streams": 5}, "server_id"),
        ("/api/workers/register", {"capacity": 5}, "instance_id"),
        ("/api/heartbeat", {"worker_instance_id": ["a"]}, "worker_instance_id"),
        ("/streams/release", {"server_id": "x" * 201}, "server_id"),
        ("/heartbeat", {"instance_id": "http-1", "current_streams": -1}, "current_streams"),
        ("/heartbeat", {"instance_id": "http-1", "current_streams": ["a"]}, "current_streams"),
        ("/heartbeat", {"instance_id": "http-1", "cpu_usage": "high"}, "cpu_usage"),
        ("/heartbeat", {"instance_id": "http-1", "timestamp": "yesterday noon"}, "timestamp"),
        ("/heartbeat", {"instance_id": "http-1", "last_activity": "infinity"}, "last_activity"),
        ("/heartbeat", {"instance_id": "http-1", "processed_count": 1e30}, "processed_count"),
        ("/heartbeat", {"instance_id": "http-1", "round_trip": -1}, "round_trip"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_field_named(
    shared_face: HttpServer, path: str, body: object, field: str
) -> None:
    response = shared_face.http.post(path, json=body)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["code"], problem["context"]["argument"], problem["status"]) == ("OR101", field, 400)
    assert problem["title"] and problem["detail"] and problem["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("given", [["video"], []])
def test_a_capability_that_is_missing_is_named(shared_face: HttpServer, given: list[str]) -> None:
    response = shared_face.http.post("/register", json={"instance_id": "a", "max_streams": 5, "capabilities": given})
    assert (response.status_code, response.json()["code"]) == (400, "OR105")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b'{"a": NaN}', b'{"a": "\\ud800"}', b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}"],
    ids=["half", "array", "nan", "surrogate", "bytes", "deep", "long number"],
)
def test_what_is_no_json_object_is_refused(shared_face: HttpServer, body: bytes) -> None:
    response = shared_face.http.post("/register", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["context"]["argument"] == "body"


def test_text_that_the_database_cannot_hold_is_refused(shared_face: HttpServer) -> None:
    body = {"instance_id": "a", "max_streams": 5, "version": "7\x00"}
    assert shared_face.http.post("/register", json=body).status_code == 400


def test_keys_that_are_not_asked_for_are_ignored(shared_face: HttpServer) -> None:
    body = {"instance_id": "sends-more", "max_streams": 5, "uptime": 12, "hobbies": {"a": [1]}, "port": "x"}
    assert shared_face.http.post("/register", json=body).status_code == 200


def test_what_is_not_there_is_a_problem_too(shared_face: HttpServer) -> None:
    missing, wrong = shared_face.http.get("/nothing"), shared_face.http.get("/register")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    for response in (missing, wrong):
        assert response.headers["content-type"] == "application/problem+json"
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/livez", "/status", "/openapi.json", "/", "/dashboard/events"])
def test_head_is_answered_at_once_and_without_a_body(shared_face: HttpServer, path: str) -> None:
    response = shared_face.http.head(path, timeout=10)
    assert (response.status_code, response.content) == (200, b"")
    assert shared_face.http.get("/livez", timeout=10).status_code == 200, "the connection is free again"
