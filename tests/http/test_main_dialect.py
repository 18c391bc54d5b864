"""An instance that speaks HTTP only and is told what to do with the answers to its beats."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql

from tests.driver.processes import wait_until
from tests.fleet import Fleet
from tests.http.clients import MainClient
from tests.http.conftest import LoginDsn, Serve
from tests.http.processes import HttpServer


def _states(fleet: Fleet) -> dict[int, str]:
    return {row["stream_id"]: row["state"] for row in fleet.view("streams")}


def _started(server: HttpServer, fleet: Fleet, *, streams: int, capacity: int = 10) -> MainClient:
    """One client that runs all these streams, confirmed."""
    client = MainClient(server, "http-1", capacity)
    client.register()
    fleet.add_streams(streams)
    fleet.settle()
    client.beat_until_in_step()
    assert len(client.running) == streams
    return client


def test_what_it_is_told_to_start_is_running_with_its_next_beat(face: HttpServer, fleet: Fleet) -> None:
    """R1.1"""
    client = MainClient(face, "http-1")
    answer = client.register()
    fleet.add_streams(3)
    fleet.settle()

    assert answer["assigned_streams"] == 0
    assert sorted(command["stream_id"] for command in client.beat()) == fleet.streams_of("http-1")
    assert set(_states(fleet).values()) == {"assigned"}
    assert client.beat() == []
    assert set(_states(fleet).values()) == {"running"}
    assert client.beat() == []
    row = fleet.instance("http-1")
    assert (row["status"], row["in_step"], row["processed_count"], row["error_count"]) == ("active", True, 100, 1)
    assert (row["cpu_usage"], row["memory_usage"], row["version"], row["location"]) == (12.5, 40, "7.1", "sp")


def test_its_beats_keep_it_and_silence_loses_it(face: HttpServer, fleet: Fleet) -> None:
    """R4.1"""
    client = _started(face, fleet, streams=2)
    fleet.register("fv-2")
    for _ in range(8):
        fleet.clock.advance("60 seconds")
        client.beat()
        fleet.workers["fv-2"].beat()
        fleet.run("watch_instances")
    assert fleet.instance("http-1")["status"] == "active"

    for _ in range(6):
        fleet.clock.advance("60 seconds")
        fleet.workers["fv-2"].beat()
        fleet.run("watch_instances")
    assert fleet.instance("http-1")["status"] == "inactive"
    assert len(fleet.streams_of("fv-2")) == 2

    assert {command["action"] for command in client.beat()} == {"remove"}
    assert client.running == set()
    assert client.beat() == []
    assert fleet.instance("http-1")["in_step"]


def test_a_drain_hands_everything_over_before_anybody_takes_it(face: HttpServer, fleet: Fleet) -> None:
    client = _started(face, fleet, streams=4)
    other = fleet.register("fv-2")
    fleet.settle()
    client.beat_until_in_step()
    fleet.all_obey()
    kept = set(client.running)
    assert len(kept) == 2

    fleet.admin("drain_instance", instance_id="http-1")
    fleet.settle()
    assert client.running == kept, "it was not told yet"
    assert not kept & set(other.running), "no other has them before it has stopped"
    assert {command["action"] for command in client.beat()} == {"remove"}
    assert client.running == set()
    assert client.beat() == []  # confirms
    fleet.all_obey()

    assert len(other.running) == 4
    assert fleet.instance("http-1")["status"] == "draining"
    assert fleet.instance("http-1")["assigned_streams"] == 0
    assert {row["reason"] for row in fleet.view("movements", from_instance_id="http-1")} == {"hand-over"}, "none forced"


def test_streams_go_from_it_to_a_listening_instance_and_back(face: HttpServer, fleet: Fleet) -> None:
    client = _started(face, fleet, streams=6)
    other = fleet.register("fv-2")
    fleet.settle()
    client.beat_until_in_step()
    fleet.all_obey()
    assert (len(client.running), len(other.running)) == (3, 3)

    fleet.admin("drain_instance", instance_id="fv-2")
    fleet.settle()
    client.beat_until_in_step()

    assert len(client.running) == 6
    assert other.running == {}
    assert set(_states(fleet).values()) == {"running"}
    assert {row["reason"] for row in fleet.view("movements", from_instance_id="fv-2")} == {"hand-over"}


def test_an_answer_that_got_lost_confirms_nothing(face: HttpServer, fleet: Fleet) -> None:
    client = MainClient(face, "http-1")
    client.register()
    fleet.add_streams(3)
    fleet.settle()

    lost = client.ask()  # it never reads this
    again = client.ask()
    assert len(lost) == len(again) == 3
    assert set(_states(fleet).values()) == {"assigned"}

    client.obey(again)
    assert client.beat() == []
    assert set(_states(fleet).values()) == {"running"}


def test_a_stop_that_it_never_heard_of_hands_nothing_over(face: HttpServer, fleet: Fleet) -> None:
    client = _started(face, fleet, streams=4)
    fleet.register("fv-2")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")

    for _ in range(3):
        assert len(client.ask()) == 2  # it never reads this
        assert len(fleet.streams_of("http-1")) == 4

    client.beat()
    client.beat()
    assert len(fleet.streams_of("http-1")) == 2


def test_a_number_that_would_stay_the_same_is_not_taken_for_a_confirmation(face: HttpServer, fleet: Fleet) -> None:
    """One stream comes and one goes in the same answer: a client that lost it has as many as one that did as told."""
    client = _started(face, fleet, streams=2, capacity=2)
    other = fleet.register("fv-2", 2)
    fleet.add_streams(1, first=9)
    fleet.settle()
    fleet.all_obey()
    [theirs] = other.running
    [mine, _] = sorted(client.running)
    fleet.admin("pause_balancing")
    fleet.admin("move_stream", stream_id=mine, instance_id="fv-2")
    client.beat_until_in_step()
    fleet.all_obey()
    assert len(client.running) == 1
    [last] = client.running
    fleet.admin("move_stream", stream_id=theirs, instance_id="http-1")
    fleet.all_obey()
    fleet.admin("move_stream", stream_id=last, instance_id="fv-2")

    first = client.ask()  # it never reads this
    assert [command["action"] for command in first] == ["remove"]
    client.ask()
    assert fleet.stream(last)["instance_id"] == "http-1", "it was not told, so no other may begin"

    client.beat_until_in_step()
    assert client.running == {theirs}
    assert fleet.stream(theirs)["state"] == "running"


def test_a_number_that_never_fits_is_believed_after_three_beats(face: HttpServer, fleet: Fleet) -> None:
    """It counts only stations that answer, and one never does."""
    client = MainClient(face, "http-1")
    client.register()
    fleet.add_streams(3)
    fleet.settle()
    client.beat(current_streams=0)
    for expected in ("assigned", "assigned", "running"):
        client.beat(current_streams=2)
        assert set(_states(fleet).values()) == {expected}
    assert client.beat(current_streams=2) == []


def test_a_worker_that_says_that_nothing_runs_is_believed(face: HttpServer, fleet: Fleet) -> None:
    client = MainClient(face, "http-1")
    client.register()
    fleet.add_streams(2)
    fleet.settle()
    for _ in range(6):
        assert len(client.ask(current_streams=0)) == 2
    assert set(_states(fleet).values()) == {"assigned"}


def test_a_list_is_exact(face: HttpServer, fleet: Fleet) -> None:
    """R3.4: it runs what is not its own and lacks what is."""
    client = _started(face, fleet, streams=3)
    client.names_its_streams = True
    assert client.beat() == []
    [lost, *_] = client.running
    client.running.remove(lost)
    client.running.add(777)

    commands = {command["stream_id"]: command["action"] for command in client.beat()}

    assert commands == {lost: "add", 777: "remove"}
    assert client.beat() == []
    assert fleet.instance("http-1")["in_step"]


def test_it_comes_back_after_a_crash_at_once_and_is_told_everything_anew(face: HttpServer, fleet: Fleet) -> None:
    client = _started(face, fleet, streams=3)
    before = {row["stream_id"]: row["epoch"] for row in fleet.view("streams")}

    again = MainClient(face, "http-1")
    assert again.register()["assigned_streams"] == 3
    again.beat_until_in_step()

    assert again.running == client.running
    assert all(fleet.stream(stream_id)["epoch"] > epoch for stream_id, epoch in before.items()), "the old one is fenced"


def test_it_is_told_to_stop_what_it_may_still_run_from_before_it_registered_again(
    face: HttpServer, fleet: Fleet
) -> None:
    """It was away, lost its streams, and registers again without having stopped anything."""
    client = _started(face, fleet, streams=2)
    other = fleet.register("fv-2")
    fleet.clock.advance("200 seconds")
    other.beat()
    fleet.clock.advance("200 seconds")
    other.beat()
    fleet.run("watch_instances")
    fleet.all_obey(but="http-1")
    fleet.admin("pause_balancing")
    assert len(other.running) == 2

    client.register()
    assert sorted(command["action"] for command in client.beat()) == ["remove", "remove"]
    assert client.running == set()
    assert client.beat() == []


def test_a_name_in_use_elsewhere_is_refused(face: HttpServer, fleet: Fleet) -> None:
    fleet.register("fv-1", process="listening")
    response = face.http.post("/register", json={"instance_id": "fv-1", "max_streams": 5})
    assert response.status_code == 403, "another login's"
    assert response.json()["code"] == "OR106"

    MainClient(face, "http-1").register()
    elsewhere = face.http.post(
        "/register", json={"instance_id": "http-1", "max_streams": 5}, headers={"X-Forwarded-For": "10.1.1.1"}
    )
    assert elsewhere.status_code == 409
    assert elsewhere.json()["code"] == "OR104"


def test_a_client_that_is_not_registered_hears_404_and_registers(face: HttpServer, fleet: Fleet) -> None:
    client = _started(face, fleet, streams=1)
    assert face.http.post("/heartbeat", json={"instance_id": "unknown"}).status_code == 404

    fleet.admin("remove_instance", instance_id="http-1")
    response = face.http.post("/heartbeat", json={"instance_id": "http-1", "current_streams": 1})
    assert (response.status_code, response.json()["code"]) == (404, "OR103")
    refused = face.http.post("/register", json={"instance_id": "http-1", "max_streams": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "OR404"), "an administrator's order"

    fleet.admin("readmit_instance", instance_id="http-1")
    client.register()
    fleet.settle()
    client.beat_until_in_step()
    assert len(client.running) == 1


def test_it_empties_itself_before_it_leaves(face: HttpServer, fleet: Fleet) -> None:
    client = _started(face, fleet, streams=2)
    fleet.register("fv-2")
    client.ask(status="draining")
    fleet.settle()
    client.beat_until_in_step(status="draining")
    fleet.all_obey()
    assert client.running == set()
    assert len(fleet.workers["fv-2"].running) == 2


@pytest.mark.slow
def test_a_beat_counts_while_a_decision_takes_long(face: HttpServer, fleet: Fleet) -> None:
    client = MainClient(face, "http-1")
    client.register()
    fleet.add_streams(1)
    fleet.settle()
    client.beat()
    fleet.clock.advance("60 seconds")
    busy = fleet.database.connect(autocommit=False)
    busy.execute(sql.SQL("select {}.lock_decisions()").format(sql.Identifier(busy.names.private)))
    client.beat()
    busy.rollback()

    assert fleet.instance("http-1")["last_heartbeat"] == fleet.clock.now
    assert set(_states(fleet).values()) == {"assigned"}
    client.beat()
    assert set(_states(fleet).values()) == {"running"}


def test_beats_of_one_client_at_the_same_time_do_no_harm(face: HttpServer, fleet: Fleet) -> None:
    """A client that gave up waiting sends the beat again."""
    client = _started(face, fleet, streams=5)
    fleet.register("fv-2")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")

    blocker = fleet.database.connect(autocommit=False)
    blocker.execute(sql.SQL("select from {} for update").format(sql.Identifier(blocker.names.private, "http_stream")))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(client.ask) for _ in range(2)]
        wait_until(
            lambda: fleet.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 2,
            what="both beats wait",
        )
        blocker.rollback()
        for answer in answers:
            client.obey(answer.result())
    client.beat_until_in_step()
    fleet.all_obey()
    assert sorted(client.running) == fleet.streams_of("http-1")


def test_it_keeps_its_streams_over_a_restart_of_the_face(serve: Serve, fleet: Fleet, login_dsn: LoginDsn) -> None:
    """Nothing that matters is in the server's memory; a second one serves the same clients."""
    dsn = login_dsn("worker", "reader")
    first = serve(dsn=dsn)
    client = _started(first, fleet, streams=3)
    first.stop()
    client.server = serve(dsn=dsn)
    assert client.beat() == []
    assert fleet.instance("http-1")["in_step"]


@pytest.mark.parametrize("names_its_streams", [False, True])
def test_a_new_generation_of_epochs_commands_nothing(face: HttpServer, fleet: Fleet, names_its_streams: bool) -> None:
    """It knows no epochs: what is its own runs under the new ones at once."""
    client = _started(face, fleet, streams=3)
    client.names_its_streams = names_its_streams
    client.beat()
    fleet.admin("set_stream_active", stream_id=fleet.streams_of("http-1")[0], active=False)
    fleet.query("update {p}.controller set fingerprint = 'another'")
    commands = client.beat()
    assert [command["action"] for command in commands] == ["remove"]
    assert client.beat() == []
    assert sorted(_states(fleet).values()) == ["idle", "running", "running"]
    epochs = {row["epoch"] for row in fleet.view("streams", instance_id="http-1")}
    assert epochs == {fleet.value("select {p}.least_number() as least")}
    assert fleet.instance("http-1")["in_step"]
    assert fleet.view("repairs") == []
