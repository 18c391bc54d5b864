"""Programs that ask for their streams, on the wire: what each is answered, and answers that are held."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from orchestrator.http.access import Limits
from tests.driver.processes import wait_until
from tests.fleet import Fleet
from tests.http.clients import ServerClient, WorkerClient
from tests.http.conftest import LoginDsn, Serve
from tests.http.processes import HttpServer
from tests.http.raw import connection_to
from tests.sql.pull import add_numbered, numbers


@pytest.fixture
def stations(fleet: Fleet) -> Fleet:
    """Six stations, 0 to 5, whose numbers are not our ids."""
    fleet.query("select setval(pg_get_serial_sequence('{p}.stream', 'stream_id'), 1000)")
    add_numbered(fleet, *range(6))
    return fleet


def _settled(stations: Fleet) -> None:
    stations.clock.advance("3 seconds")


def test_a_server_asks_compares_and_gives_back(face: HttpServer, stations: Fleet) -> None:
    client = ServerClient(face, "server-1")
    client.register()
    _settled(stations)
    assert client.assign(3)["assigned_streams"] == [*range(6)]
    client.beat()
    data = client.data()
    assert (data["assigned_streams"], data["current_streams"], data["server_id"]) == ([*range(6)], 6, "server-1")
    compared = client.compare()
    assert (compared["is_synchronized"], compared["synchronization_status"]) == (True, "OK")
    assert compared["orchestrator_state"]["stream_count"] == 6
    client.running = {*range(5), 9}
    compared = face.post("/diagnostic", server_id="server-1", local_streams=["0", 1, 2, 3, 4, 9], local_stream_count=6)
    assert compared["inconsistencies"] == {
        "streams_only_in_local": [9], "streams_only_in_orchestrator": [5], "count_mismatch": False,
    }  # fmt: skip
    assert len(compared["recommendations"]) == 2
    assert numbers(stations, "server-1") == {*range(6)}, "nothing changed"
    row = stations.instance("server-1")
    assert (row["cpu_usage"], row["memory_usage"]) == (11.5, 50)
    sent = ["0", 0, 1, "2", 3, 4, 5, 77]
    assert face.post("/streams/release", server_id="server-1", stream_ids=sent)["released_streams"] == sent
    assert client.data()["current_streams"] == 0


def test_a_worker_asks_and_learns_addresses(face: HttpServer, stations: Fleet) -> None:
    client = WorkerClient(face, "worker-1")
    client.register()
    _settled(stations)
    answer = client.assign(2)
    assert (answer["status"], answer["count"]) == ("assigned", 6)
    assert answer["streams"][0] == {
        "stream_id": "0", "id": 0, "name": "Radio 0", "url": "http://radio.example/n0",
        "stream_url": "http://radio.example/n0",
    }  # fmt: skip
    client.beat()
    row = stations.instance("worker-1")
    assert set(row["capabilities"]) == {"shazam", "audio_fingerprinting"}
    assert (row["version"], row["location"], row["cpu_usage"]) == ("2", "sul", 4)
    update = {"worker_instance_id": "worker-1", "stream_id": "3", "status": "cancelled", "result": {}}
    assert face.post("/api/streams/update", **update)["success"] is True
    assert numbers(stations, "worker-1") == {*range(6)} - {3}
    assert face.post("/api/streams/update", **(update | {"stream_id": "no number"}))["success"] is True


@pytest.mark.parametrize(
    ("metrics", "cpu", "memory"),
    [
        ({"system": {"cpu_percent": 7, "memory_percent": 8}, "worker": {"uptime_seconds": 1}}, 7, 8),
        ({"system": {"cpu_usage_percent": 7.5, "memory_usage_percent": 8}}, 7.5, 8),
        ({"cpu_usage": 7, "memory_usage": "8"}, 7, 8),
        ({"system": [1]}, None, None),
        ([1, 2], None, None),
        ("high", None, None),
        (None, None, None),
    ],
)
def test_metrics_of_any_shape_are_read_as_well_as_can_be(
    face: HttpServer, stations: Fleet, metrics: Any, cpu: float | None, memory: float | None
) -> None:
    client = WorkerClient(face, "worker-1")
    client.register()
    face.post("/api/heartbeat", worker_instance_id="worker-1", current_load=0, metrics=metrics)
    row = stations.instance("worker-1")
    assert (row["cpu_usage"], row["memory_usage"]) == (cpu, memory)


def test_what_scripts_look_at_has_their_keys(face: HttpServer, stations: Fleet) -> None:
    client = ServerClient(face, "server-1")
    client.register()
    _settled(stations)
    client.assign()
    workers = face.get("/api/workers")
    assert workers["total"] == 1
    assert workers["workers"][0].keys() == {
        "instance_id", "worker_type", "status", "capacity", "current_load", "available_capacity", "last_heartbeat",
        "registered_at",
    }  # fmt: skip
    assert (workers["workers"][0]["status"], workers["workers"][0]["current_load"]) == ("active", 6)
    metrics = face.get("/api/metrics")
    assert metrics["workers"]["active"] == 1 and metrics["streams"]["total_assignments"] == 6
    streams = face.get("/streams")
    assert (streams["status"], streams["total"], len(streams["streams"])) == ("success", 6, 6)
    rows = face.get("/streams/assignments")["assignments"]
    assert [row["stream_id"] for row in rows] == [*range(6)]
    assert (rows[0]["server_id"], rows[0]["ip"], rows[0]["port"]) == ("server-1", "10.0.0.7", 8000)
    assert face.get("/postgres/test").keys() == {
        "status", "message", "database", "table", "total_streams", "timestamp",
    }  # fmt: skip
    assert face.get("/ready")["status"] == "ready"
    [instance] = face.get("/instances")["instances"]
    assert (instance["server_id"], instance["max_streams"], instance["current_streams"]) == ("server-1", 10, 6)
    assert face.http.delete("/instances/server-1").json()["success"] is True
    assert numbers(stations, "server-1") == set()
    assert face.http.delete("/instances/nobody-knows").status_code == 200


def _in_background(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


def _asks(fleet: Fleet) -> int:
    return len(fleet.query("select instance_id from {p}.pull_client where asked_at is not null"))


def test_an_answer_that_is_held_keeps_no_connection_and_no_other_waiting(serve: Serve, stations: Fleet) -> None:
    face = serve(connections=1)
    clients = [WorkerClient(face, f"w-{number}", 2) for number in range(20)]
    for client in clients:
        client.register()
    threads = [_in_background(client.assign) for client in clients]
    wait_until(lambda: _asks(stations) == 20, what="all are held")
    began = time.monotonic()
    for _ in range(5):
        assert face.get("/health")["status"] in ("healthy", "limited")
        clients[0].beat()
    assert time.monotonic() - began < 10
    assert not any(answers for _, answers in threads)
    _settled(stations)
    for thread, _ in threads:
        thread.join(30)
    assert sorted(number for _, [answer] in threads for number in answer["assigned_streams"]) == [*range(6)]


def test_a_client_that_hangs_up_is_booked_nothing(face: HttpServer, stations: Fleet) -> None:
    WorkerClient(face, "worker-1").register()
    with pytest.raises(httpx.ReadTimeout):
        face.http.get("/api/streams/assign", params={"worker_id": "worker-1", "capacity": "10"}, timeout=1)
    time.sleep(1)  # it is looked after twice a second
    _settled(stations)
    time.sleep(1)
    assert numbers(stations, "worker-1") == set()
    assert WorkerClient(face, "worker-1").assign()["count"] == 6


def test_nor_is_one_that_had_sent_another_request_by_then(face: HttpServer, stations: Fleet) -> None:
    WorkerClient(face, "worker-1").register()
    with connection_to(face) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # to end by a reset
        ask = b"GET /api/streams/assign?worker_id=worker-1&capacity=10 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(ask + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: _asks(stations) == 1, what="it is held")
    wait_until(lambda: "path=/api/streams/assign" in face.log.read_text(), what="it is given up")
    _settled(stations)
    assert numbers(stations, "worker-1") == set()
    assert WorkerClient(face, "worker-1").assign()["count"] == 6


def test_a_server_that_stops_ends_what_it_holds_and_another_one_takes_the_next_try(
    serve: Serve, stations: Fleet, login_dsn: LoginDsn
) -> None:
    login = login_dsn("worker", "reader")
    face, other = serve(dsn=login), serve(dsn=login)
    WorkerClient(face, "worker-1").register()
    held = {"worker_id": "worker-1", "capacity": "10"}
    thread, answers = _in_background(lambda: face.http.get("/api/streams/assign", params=held, timeout=60))
    wait_until(lambda: _asks(stations) == 1, what="it is held")
    face.process.terminate()
    thread.join(20)
    assert [answer.status_code for answer in answers] == [503]
    assert numbers(stations, "worker-1") == set()
    _settled(stations)
    assert WorkerClient(other, "worker-1").assign()["count"] == 6


def test_a_list_of_two_hundred_thousand_entries_is_taken_and_echoed(face: HttpServer, stations: Fleet) -> None:
    client = ServerClient(face, "server-1", 60)
    client.register()
    _settled(stations)
    client.assign()
    sent = [number % 6 for number in range(200_000)]
    answer = face.http.post("/streams/release", json={"server_id": "server-1", "stream_ids": sent}, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["released_streams"] == sent
    assert numbers(stations, "server-1") == set()


def test_a_fleet_behind_one_address_is_never_told_that_it_asks_too_much(serve: Serve, stations: Fleet) -> None:
    face = serve(limits=Limits(rate=10))
    WorkerClient(face, "worker-1").register()
    asked = {"worker_id": "worker-9", "capacity": "10"}
    assert {face.http.get("/api/streams/assign", params=asked).status_code for _ in range(200)} == {200}
    assert {face.http.get("/instances").status_code for _ in range(40)} == {200, 429}
