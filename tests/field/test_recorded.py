"""Before recorded answers the doubles come to the same ends as the deployed clients before the living orchestrator."""

import pytest

from tests.field import recorded
from tests.field.conftest import SetStage, Stage
from tests.field.launcher import Client

STATIONS = range(1, 61)
BEAT = "/api/heartbeat"


def _restart(stage: Stage, client: Client) -> None:
    client.half_hour()
    stage.until_called(client, BEAT)


def test_a_real_host_hears_one_of_sixty_and_none_after_a_goodbye(set_stage: SetStage) -> None:
    stage = set_stage(STATIONS)
    first, restarted, anew = recorded.REAL_HOST_ALONE
    recorded.play(stage.server, first)
    client = stage.field.start("R", "r")
    stage.until_called(client, BEAT)
    assert (len(client.hears), len(client.list)) == (1, 60)
    recorded.play(stage.server, restarted)
    _restart(stage, client)
    assert (len(client.hears), len(client.list)) == (1, 60)
    client.terminate()
    assert client.list == []
    recorded.play(stage.server, anew)
    again = stage.field.start_again(client)
    stage.until_called(again, BEAT)
    assert len(again.hears) == 0


def test_two_real_hosts_hear_two_and_thirty_after_the_restart_of_one(set_stage: SetStage) -> None:
    stage = set_stage(STATIONS)
    first, restarted = recorded.TWO_REAL_HOSTS
    recorded.play(stage.server, first)
    client = stage.field.start("R", "r")
    stage.until_called(client, BEAT)
    assert len(client.hears) == 1
    recorded.play(stage.server, restarted)
    _restart(stage, client)
    assert len(client.hears) == 30


def test_a_repeated_answer_makes_a_list_of_sixty_that_a_release_does_not_empty(set_stage: SetStage) -> None:
    stage = set_stage(STATIONS)
    first, restarted = recorded.RESTART_REPEATS
    recorded.play(stage.server, first)
    client = stage.field.start("P", "p")
    stage.until_called(client, BEAT)
    recorded.play(stage.server, restarted)
    _restart(stage, client)
    assert (len(client.hears), len(client.list), client.asks()[-1].asked) == (30, 60, 0)
    assert (client.calls(BEAT)[-1].body or {})["current_load"] == 60
    client.terminate()
    assert len(client.list) == 30, "one of each stays in the file"


def test_a_container_made_anew_is_refused_and_beats_without_hearing(set_stage: SetStage) -> None:
    stage = set_stage(STATIONS)
    recorded.play(stage.server, [recorded.ALL])
    stage.server.say("/api/workers/register", recorded.IN_USE)
    client = stage.field.start("P", "p")
    stage.until_called(client, BEAT)
    assert [call.status for call in client.calls("/api/workers/register")] == [409] * 3
    assert not client.hears and not client.asks()


def test_a_worker_registers_at_each_beat_and_cannot_release(set_stage: SetStage) -> None:
    stage = set_stage(STATIONS, factor=120)
    recorded.play(stage.server, recorded.WORKER)
    client = stage.field.start("W", "w")
    stage.until(lambda: len(client.calls(BEAT)) >= 4, "four beats", within=400)
    beats = client.calls(BEAT)
    registered = [call for call in client.calls("/api/workers/register") if call.sent > beats[0].sent]
    assert len(registered) >= 3
    client.tell("release", 1, 2, 3)
    stage.until(lambda: len(client.calls("/api/streams/update")) == 3, "it has tried")
    assert len(client.hears) == 60


def test_a_template_runs_dry_after_forty_updates(set_stage: SetStage) -> None:
    stage = set_stage(STATIONS, factor=12)
    recorded.play(stage.server, recorded.TEMPLATE)
    client = stage.field.start("T", "t", max_streams=20)
    stage.until(lambda: len(client.hears) == 20, "it works")
    stage.until(lambda: not client.hears, "it is dry", within=40)
    stage.until(lambda: len(client.calls("/api/streams/update")) == 40, "it has said so")


@pytest.mark.parametrize(("indexes", "heard"), [(range(60), 59), (range(0, 180, 3), 20)], ids=["dense", "sparse"])
def test_ids_that_are_not_the_indexes_find_other_stations_or_none(
    set_stage: SetStage, indexes: range, heard: int
) -> None:
    stage = set_stage(indexes)
    recorded.play(stage.server, [recorded.NO_STREAMS, recorded.ALL, recorded.NO_STREAMS])
    client = stage.field.start("P", "p")
    stage.until(lambda: len(client.hears) == heard, f"it hears {heard}")
    stage.until_called(client, BEAT)
    assert len(client.hears) == heard
    assert len(client.list) == 60
    assert 0 in stage.judge.unheard()


def test_texts_given_back_by_an_old_host_are_refused(set_stage: SetStage) -> None:
    stage = set_stage(STATIONS)
    recorded.play(stage.server, [recorded.ALL])
    stage.server.say("/streams/assign", recorded.ALL, recorded.NO_STREAMS)
    client = stage.field.start("O", "o")
    stage.until(lambda: len(client.hears) == 60, "it hears all")
    client.terminate()
    assert [call.status for call in client.calls("/streams/release")] == [400]
