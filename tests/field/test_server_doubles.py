"""The doubles of the server module, the worker module and the template, and of their hosts, answer by answer."""

from typing import Any

import pytest

from tests.field.conftest import ALL, SetStage, Stage
from tests.field.launcher import Client
from tests.field.scripted import NOTHING, Asked, Reply, assigned, echo, refused

TWENTY = list(range(20))
ASK, REGISTER, BEAT, RELEASE = "/streams/assign", "/register", "/heartbeat", "/streams/release"
WORKER_ASK, UPDATE = "/api/streams/assign", "/api/streams/update"


def _books(name: str, *ids: int, count: int | None = None) -> Reply:
    data = {"server_id": name, "assigned_streams": list(ids), "current_streams": len(ids) if count is None else count}
    return Reply({"status": "success", "data": data})


# -- the server module -------------------------------------------------------------------------------------------------


def test_s_runs_what_it_is_given_and_stops_what_the_books_take(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*TWENTY), NOTHING, assigned(30), NOTHING)
    stage.server.say("/instances/s", _books("s", *TWENTY, 30))
    client = stage.field.start("S", "s")
    stage.until(lambda: client.hears == {*TWENTY, 30}, "it hears them")
    stage.server.say("/instances/s", _books("s", 1, 2))
    stage.until(lambda: client.hears == {1, 2}, "it has stopped the others", within=65)
    stage.until_called(client, ASK, 2)
    assert client.asks()[-1].asked == 58
    assert len(client.calls(REGISTER)) == 1


def test_s_registers_again_at_the_fourth_check_in_a_row_that_differs(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*TWENTY), NOTHING)
    stage.server.say("/instances/s", _books("s", *TWENTY, count=19))
    client = stage.field.start("S", "s")
    stage.until(lambda: len(client.calls(REGISTER)) == 2, "it registers again")
    second = client.calls(REGISTER)[1]
    checks = [call for call in client.calls("/instances/s") if call.sent < second.sent]
    assert len(checks) == 4
    assert 88 <= (second.sent - checks[0].sent) * stage.judge.factor <= 180
    stage.until(lambda: client.asks(since=second.at), "it asks at once")
    assert client.asks(since=second.at)[0].asked == 60


def test_s_does_not_register_again_while_the_books_agree(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*TWENTY), NOTHING)
    stage.server.say("/instances/s", _books("s", *TWENTY))
    client = stage.field.start("S", "s")
    stage.until_called(client, "/instances/s", 6)
    assert len(client.calls(REGISTER)) == 1
    assert client.hears == set(TWENTY)


def test_s_registers_when_its_beat_is_not_confirmed(stage: Stage) -> None:
    stage.server.say(BEAT, refused(404), Reply({"status": "heartbeat_updated"}))
    client = stage.field.start("S", "s")
    stage.until(lambda: len(client.calls(REGISTER)) == 2, "it registers again")
    assert not client.state["is_active"], "nor is there a local mode"


@pytest.mark.parametrize("kind", ["S", "O"])
def test_a_server_whose_registration_fails_is_silent(set_stage: SetStage, kind: str) -> None:
    stage = set_stage(factor=120)
    stage.server.say(REGISTER, refused(409), Reply({"status": "registered"}))
    client = stage.field.start(kind, "s")
    client.wait_until_begun()
    stage.judge.pass_time(120)
    assert [call.path for call in client.calls()] == [REGISTER], "once: it tries nothing again"
    assert client.hears == set()


# -- the old host ------------------------------------------------------------------------------------------------------


def test_o_starts_its_first_answer_and_nothing_of_a_later_one(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*TWENTY), NOTHING, assigned(30, 31), NOTHING)
    stage.server.say("/instances/o", _books("o", *TWENTY, 30, 31))
    client = stage.field.start("O", "o")
    stage.until_called(client, BEAT, 3)
    assert client.hears == set(TWENTY)
    assert (client.calls(BEAT)[-1].body or {})["current_streams"] == 22
    asks = len(client.asks())
    stage.until(lambda: len(client.asks()) > asks, "its loop goes on")


def test_o_starts_one_when_an_answer_repeats_what_runs_and_adds_to_it(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*TWENTY), assigned(*TWENTY, 31, 30), NOTHING)
    stage.server.say("/instances/o", _books("o", *TWENTY, 30, 31))
    client = stage.field.start("O", "o")
    stage.until_called(client, ASK, 4)
    assert client.hears == {*TWENTY, 30}


def test_o_reports_what_the_books_say_and_hears_what_it_heard(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*range(10)), NOTHING)
    stage.server.say("/instances/o", _books("o", *range(8)))
    client = stage.field.start("O", "o")
    stage.until_called(client, BEAT, 3)
    assert (client.calls(BEAT)[-1].body or {})["current_streams"] == 8
    assert client.hears == set(range(10))
    assert len(client.calls(REGISTER)) == 1


def test_o_gives_back_what_it_hears_as_text_at_its_end_and_nothing_at_its_restart(stage: Stage) -> None:
    stage.server.say(ASK, assigned(17, 3), NOTHING)
    stage.server.rule(RELEASE, echo)
    client = stage.field.start("O", "o")
    stage.until(lambda: len(client.hears) == 2, "it hears them")
    stage.server.say(ASK, assigned(17, 3), NOTHING)
    client.half_hour()
    stage.until(lambda: len(client.hears) == 2, "it hears them again")
    assert not client.calls(RELEASE)
    assert client.asks(since=client.began_at())[0].asked == 60, "it has no file"
    client.terminate()
    assert [(call.body or {})["stream_ids"] for call in client.calls(RELEASE)] == [["3", "17"]]


def test_o_goes_on_when_its_beats_are_refused(stage: Stage) -> None:
    stage.server.say(BEAT, refused(404))
    client = stage.field.start("O", "o")
    stage.until_called(client, BEAT, 3)
    assert len(client.calls(REGISTER)) == 1
    assert len(client.calls(ASK)) > 3


# -- the worker module -------------------------------------------------------------------------------------------------


def test_w_takes_streams_alone_and_station_0_only_as_text(stage: Stage) -> None:
    rows = [{"stream_id": "0", "id": 0}, {"stream_id": 0, "id": 0}, {"stream_id": "7"}, {"id": 9}]
    stage.server.say(WORKER_ASK, Reply({"status": "assigned", "assigned_streams": [1, 2], "streams": rows}), NOTHING)
    client = stage.field.start("W", "w")
    stage.until(lambda: client.hears, "it hears something")
    assert client.hears == {0, 7, 9}
    stage.server.say(WORKER_ASK, Reply({"status": "assigned", "streams": [{"stream_id": 0, "id": 0}]}), NOTHING)
    stage.until_called(client, WORKER_ASK, 3)
    assert client.asks()[-1].asked == 57


@pytest.mark.parametrize("answer", [{"status": "acknowledged"}, {"status": "acknowledged", "success": True}])
def test_w_registers_after_each_beat_without_success(set_stage: SetStage, answer: dict[str, Any]) -> None:
    stage = set_stage(factor=120)
    stage.server.say("/api/heartbeat", Reply(answer))
    client = stage.field.start("W", "w")
    stage.until(lambda: len(client.calls("/api/heartbeat")) >= 5, "five beats", within=400)
    beats = client.calls("/api/heartbeat")[:5]
    registrations = [call for call in client.calls("/api/workers/register") if call.sent < beats[4].sent]
    assert len(registrations) == (1 if "success" in answer else 5)
    assert set((beats[0].body or {})["metrics"]) == {"system", "worker"}
    assert set((registrations[0].body or {})["metadata"]) >= {"ip", "port", "region"}


def test_w_releases_one_by_one_and_keeps_what_is_not_confirmed(stage: Stage) -> None:
    def update(asked: Asked) -> Reply:
        return Reply({"success": True}) if asked.body["stream_id"] != "4" else refused(404)

    stage.server.say(WORKER_ASK, assigned(3, 4, 5), NOTHING)
    stage.server.rule(UPDATE, update)
    client = stage.field.start("W", "w")
    stage.until(lambda: len(client.hears) == 3, "it hears them")
    client.tell("release", 3, 4)
    stage.until(lambda: client.hears == {4, 5}, "it has stopped one")
    stage.server.say(UPDATE, Reply({"success": True}))
    client.terminate()
    assert {(call.body or {})["status"] for call in client.calls(UPDATE)} == {"cancelled"}
    assert [(call.body or {})["stream_id"] for call in client.calls(UPDATE)][2:] == ["4", "5"]


# -- the template ------------------------------------------------------------------------------------------------------


def _updates(client: Client, status: str) -> int:
    return [(call.body or {})["status"] for call in client.calls(UPDATE)].count(status)


def test_t_finds_stations_by_address_and_forgets_them_when_done(set_stage: SetStage) -> None:
    stage = set_stage(factor=12)
    stage.server.rule(WORKER_ASK, lambda asked: assigned(*range(int(asked.query["capacity"]))))
    client = stage.field.start("T", "t", max_streams=20)
    stage.until(lambda: len(client.hears) == 20, "it works on all")
    stage.until(lambda: _updates(client, "completed") >= 40, "it goes on", within=200)
    assert len(client.hears) > 5
    assert all(0 < ask.asked <= 20 for ask in client.asks())
    assert len(client.calls("/api/workers/register")) == 1
    assert {(call.body or {})["status"] for call in client.calls(UPDATE)} <= {"processing", "completed", "failed"}


def test_t_runs_dry_when_its_updates_are_not_known(set_stage: SetStage) -> None:
    """It was given twenty, has forgotten them, and is given no more because the books hold them as its own."""
    stage = set_stage(factor=12)
    stage.server.say(WORKER_ASK, assigned(*TWENTY), NOTHING)
    stage.server.say(UPDATE, refused(404))
    client = stage.field.start("T", "t", max_streams=20)
    stage.until(lambda: len(client.hears) == 20, "it works on all")
    stage.until(lambda: not client.hears, "it works on none", within=40)
    stage.until(lambda: len(client.calls(UPDATE)) == 40, "it has said so")
    stage.until_called(client, WORKER_ASK, 3)
    assert client.asks()[-1].asked == 20


def test_t_takes_no_notice_of_refusals(stage: Stage) -> None:
    rules = stage.server.refuse_all(500)
    client = stage.field.start("T", "t", max_streams=3)
    stage.until_called(client, "/api/heartbeat", 3)
    assert len(client.calls("/api/workers/register")) == 1
    stage.server.restore(rules)
    stage.server.say(WORKER_ASK, assigned(*ALL[:3]), NOTHING)
    stage.until(lambda: len(client.hears) == 3, "it works")


def test_t_shows_a_key_of_its_environment_and_its_name(stage: Stage) -> None:
    client = stage.field.start("T", "t", environment={"ORCHESTRATOR_API_KEY": "KEY"})
    stage.until(lambda: client.calls(), "it has called")
    headers = stage.server.asked[0].headers
    assert (headers["Authorization"], headers["User-Agent"]) == ("Bearer KEY", "FingerV7-Client/t")
