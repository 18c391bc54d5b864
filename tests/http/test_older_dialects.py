"""Instances of the two older dialects: they ask, give back and compare."""

from tests.fleet import Fleet
from tests.http.clients import MainClient, ServerClient, WorkerClient
from tests.http.processes import HttpServer


def _states(fleet: Fleet) -> set[str]:
    return {row["state"] for row in fleet.view("streams")}


def test_a_server_that_asks_until_there_is_no_more_has_its_share(face: HttpServer, fleet: Fleet) -> None:
    first, second = ServerClient(face, "server-1", 20), ServerClient(face, "server-2", 10)
    first.register()
    second.register(ip="10.0.0.8")
    fleet.add_streams(12)
    fleet.settle()

    asked = first.assign(3)
    assert (asked["status"], asked["count"], len(asked["assigned_streams"])) == ("assigned", 3, 3)
    rest = first.assign(100)
    assert not set(asked["assigned_streams"]) & set(rest["assigned_streams"]), "each was handed out once"
    second.assign(100)
    assert first.assign(5) == {
        "status": "no_streams",
        "assigned_streams": [],
        "message": "the instance has its share; ask again later",
    }

    assert (len(first.running), len(second.running)) == (8, 4)
    assert _states(fleet) == {"assigned"}
    for client in (first, second):
        assert client.beat() == {"status": "heartbeat_updated"}
        assert sorted(client.running) == client.data()["assigned_streams"] == fleet.streams_of(client.server_id)
    assert _states(fleet) == {"running"}
    row = fleet.instance("server-1")
    assert (row["in_step"], row["cpu_usage"], row["memory_usage"]) == (True, 11.5, 50)


def test_a_server_that_is_full_is_told_so(face: HttpServer, fleet: Fleet) -> None:
    client = ServerClient(face, "server-1", 2)
    client.register()
    fleet.add_streams(3)
    fleet.settle()
    client.assign(2)
    client.beat()
    assert client.assign(1)["status"] == "no_capacity"


def test_what_was_handed_out_in_an_answer_that_got_lost_is_handed_out_again(face: HttpServer, fleet: Fleet) -> None:
    client = ServerClient(face, "server-1")
    client.register()
    fleet.add_streams(4)
    fleet.settle()
    client.assign(1)
    client.beat()
    lost = face.post("/streams/assign", server_id="server-1", requested_count=10)["assigned_streams"]
    assert client.assign()["status"] == "no_streams"
    client.beat()  # it has as many as before
    assert client.assign()["assigned_streams"] == lost


def test_what_it_gives_back_goes_to_others(face: HttpServer, fleet: Fleet) -> None:
    client = ServerClient(face, "server-1")
    client.register()
    fleet.add_streams(4)
    fleet.settle()
    client.assign()
    client.beat()
    other = fleet.register("fv-2")
    [back, *_] = client.running

    assert client.release(back) == {"status": "released", "released_streams": [back]}
    assert client.release(back) == {"status": "no_streams_to_release", "released_streams": []}

    assert fleet.stream(back)["instance_id"] == "fv-2"
    assert back not in client.assign()["assigned_streams"], "not at once back to it"
    fleet.settle()
    client.compare()
    client.beat()
    fleet.all_obey()
    assert (len(client.running), len(other.running)) == (2, 2)


def test_comparing_tells_what_was_taken_and_what_is_missing(face: HttpServer, fleet: Fleet) -> None:
    """R3.4"""
    client = ServerClient(face, "server-1")
    client.register()
    fleet.add_streams(4)
    fleet.settle()
    client.assign()
    assert client.compare() == {
        "is_synchronized": True,
        "synchronization_status": "synchronized",
        "inconsistencies": {"streams_only_in_local": [], "streams_only_in_orchestrator": []},
        "recommendations": [],
    }
    assert _states(fleet) == {"running"}, "its list confirms"

    other = fleet.register("fv-2")
    fleet.settle()
    [lost, *_] = sorted(set(client.running) & set(client.data()["assigned_streams"]))
    taken = set(client.running) - set(client.data()["assigned_streams"])
    client.running.remove(lost)
    assert len(taken) == 2
    answer = client.compare()
    assert set(answer["inconsistencies"]["streams_only_in_local"]) == taken
    assert answer["inconsistencies"]["streams_only_in_orchestrator"] == [lost]
    assert (answer["is_synchronized"], answer["synchronization_status"]) == (False, "out_of_sync")
    assert len(answer["recommendations"]) == 2

    assert not set(other.running) & taken, "it had not said that it stopped them"
    assert client.compare()["is_synchronized"]
    fleet.all_obey()
    assert set(other.running) == taken
    assert {row["reason"] for row in fleet.view("movements", from_instance_id="server-1")} == {"hand-over"}


def test_a_server_that_only_looks_at_its_data_confirms_by_having_as_many(face: HttpServer, fleet: Fleet) -> None:
    client = ServerClient(face, "server-1")
    client.register()
    fleet.add_streams(4)
    fleet.settle()
    client.running = set(client.data()["assigned_streams"])
    client.beat()
    assert _states(fleet) == {"running"}
    other = fleet.register("fv-2")
    fleet.settle()
    client.beat()
    assert other.running == {}
    client.running = set(client.data()["assigned_streams"])
    client.beat()
    fleet.all_obey()
    assert (len(client.running), len(other.running)) == (2, 2)
    assert {row["reason"] for row in fleet.view("movements", from_instance_id="server-1")} == {"hand-over"}


def test_a_drained_server_ends_with_nothing(face: HttpServer, fleet: Fleet) -> None:
    client = ServerClient(face, "server-1")
    client.register()
    fleet.add_streams(3)
    fleet.settle()
    client.assign()
    client.beat()
    other = fleet.register("fv-2")
    fleet.admin("drain_instance", instance_id="server-1")
    fleet.settle()
    client.release(*client.compare()["inconsistencies"]["streams_only_in_local"])
    fleet.all_obey()
    assert client.data()["assigned_streams"] == []
    assert len(other.running) == 3
    assert client.assign()["status"] == "no_streams"


def test_a_worker_asks_and_learns_addresses(face: HttpServer, fleet: Fleet) -> None:
    client = WorkerClient(face, "worker-1")
    assert client.register() == {"success": True}
    fleet.add_streams(3)
    fleet.settle()

    answer = client.assign(2)

    assert (answer["status"], answer["count"]) == ("assigned", 2)
    assert [station["stream_id"] for station in answer["streams"]] == answer["assigned_streams"]
    assert answer["streams"][0] == {
        "stream_id": answer["assigned_streams"][0],
        "name": fleet.stream(answer["assigned_streams"][0])["name"],
        "url": fleet.stream(answer["assigned_streams"][0])["url"],
    }
    client.assign()
    assert client.assign()["streams"] == []
    assert client.beat() == {"status": "acknowledged"}
    assert _states(fleet) == {"running"}
    row = fleet.instance("worker-1")
    assert set(row["capabilities"]) == {"shazam", "audio_fingerprinting"}
    assert (row["version"], row["location"], row["cpu_usage"], row["in_step"]) == ("2", "sul", 4, True)


def test_a_drained_worker_ends_with_nothing(face: HttpServer, fleet: Fleet) -> None:
    """It has no call for giving back: its streams are taken after handoff_timeout, or when it has none."""
    client = WorkerClient(face, "worker-1")
    client.register()
    fleet.add_streams(2)
    fleet.settle()
    client.assign()
    client.beat()
    other = fleet.register("fv-2")
    fleet.admin("drain_instance", instance_id="worker-1")
    fleet.settle()
    client.beat()
    assert other.running == {}
    fleet.clock.advance("31 seconds")
    fleet.run("finish_handoffs")
    fleet.all_obey()
    assert len(other.running) == 2
    client.running = set(face.get("/instances/worker-1")["data"]["assigned_streams"])
    client.beat()
    assert fleet.instance("worker-1")["in_step"]


def test_the_three_dialects_serve_side_by_side(face: HttpServer, fleet: Fleet) -> None:
    """R1.4"""
    main, server, worker = MainClient(face, "main-1"), ServerClient(face, "server-1"), WorkerClient(face, "worker-1")
    for client in (main, server, worker):
        client.register()
    listening = fleet.register("fv-1")
    fleet.add_streams(20)
    fleet.settle()
    main.beat_until_in_step()
    server.assign()
    worker.assign()
    server.beat()
    worker.beat()
    parts = [main.running, server.running, worker.running, set(listening.running)]
    assert [len(part) for part in parts] == [5, 5, 5, 5]
    assert len(set().union(*parts)) == 20
    assert _states(fleet) == {"running"}
