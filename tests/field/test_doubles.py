"""The double of the real host on the resilient module does what the deployed one was seen to do, answer by answer."""

import time
from typing import Any

import pytest

from tests.field.conftest import ALL, SetStage, Stage
from tests.field.scripted import NOTHING, Reply, assigned, echo, refused, unique_echo

ASK, REGISTER, BEAT, RELEASE = "/api/streams/assign", "/api/workers/register", "/api/heartbeat", "/streams/release"
THIRTY = list(range(30))


def _file(*ids: int | str, local: bool = False) -> dict[str, Any]:
    return {"is_active": local, "assigned_streams": list(ids)}


# -- the real host: what it hears is decided by the first answer -------------------------------------------------------


@pytest.mark.parametrize("before", [[], THIRTY], ids=["no file", "a file with some of them"])
def test_r_hears_exactly_a_first_answer_that_holds_its_file(stage: Stage, before: list[int]) -> None:
    stage.server.say(ASK, assigned(*ALL), NOTHING)
    client = stage.field.start("R", "r", state=_file(*before))
    stage.until_called(client, ASK, 4)
    assert client.hears == set(ALL)
    assert not client.asking_loop_has_ended
    assert client.list == before + list(ALL)
    assert client.asks()[0].asked == 60 - len(before)
    assert client.asks()[-1].asked == -len(before), "the number that it asks may fall below 0"
    assert [call.path for call in client.calls()[:3]] == [REGISTER, REGISTER, ASK]


@pytest.mark.parametrize("nothing", ["no_streams", "no_capacity"])
def test_r_without_a_first_answer_hears_one_of_the_next_addition(stage: Stage, nothing: str) -> None:
    reply = Reply({"status": nothing, "assigned_streams": [], "message": "later"})
    stage.server.say(ASK, reply, reply, assigned(*ALL))
    client = stage.field.start("R", "r")
    stage.until(lambda: client.hears, "it hears something")
    stage.until_called(client, BEAT)
    assert client.hears == {0}
    assert client.asking_loop_has_ended
    assert len(client.asks()) == 3
    assert client.list == list(ALL), "it believes to have them all"
    assert client.calls(BEAT)[-1].body == {
        "worker_instance_id": "r",
        "status": "active",
        "current_load": 60,
        "available_capacity": 0,
    }


@pytest.mark.parametrize(("first", "heard"), [(NOTHING, {3}), (assigned(5, 9), {3, 5, 9})])
def test_r_hears_its_first_answer_and_the_lowest_that_it_lacks_of_its_file(
    stage: Stage, first: Reply, heard: set[int]
) -> None:
    stage.server.say(ASK, first, NOTHING)
    client = stage.field.start("R", "r", state=_file(4, 3, 5))
    stage.until(lambda: client.asking_loop_has_ended, "its loop ends")
    stage.until_called(client, BEAT)
    assert client.hears == heard
    assert (client.calls(BEAT)[-1].body or {})["current_load"] == len(client.list)


def test_r_hears_what_the_third_try_is_answered(set_stage: SetStage) -> None:
    stage = set_stage(factor=20)
    stage.server.say(ASK, refused(), Reply(hold=1.8), assigned(*ALL), NOTHING)
    client = stage.field.start("R", "r")
    stage.until_called(client, ASK, 5)
    assert client.hears == set(ALL)
    assert not client.asking_loop_has_ended
    assert [call.status for call in client.asks()[:3]] == [503, 0, 200]
    first, second, third = client.asks()[:3]
    assert 0.75 <= (second.sent - first.at) * stage.judge.factor <= 6, "a second between the first two, more or less"
    assert 1.5 <= (third.sent - second.at) * stage.judge.factor <= 8
    assert 29 <= (second.at - second.sent) * stage.judge.factor <= 40, "it waits for an answer for half a minute"


@pytest.mark.parametrize("path", [REGISTER, ASK])
def test_r_that_is_refused_at_its_start_hears_its_file(stage: Stage, path: str) -> None:
    stage.server.say(path, refused(409), refused(), refused(429), *[Reply({"success": True})] * 2)
    client = stage.field.start("R", "r", state=_file(*THIRTY))
    stage.until_called(client, BEAT)
    assert client.hears == set(THIRTY)
    beats = client.calls(BEAT)
    assert 30 <= (beats[0].sent - client.began_at()) * stage.judge.factor <= 150
    assert client.list == THIRTY
    if path == REGISTER:
        assert len(client.calls(REGISTER)) == 3
        assert not client.asks()


def test_r_that_is_registered_without_success_asks_once(stage: Stage) -> None:
    stage.server.say(REGISTER, Reply({"status": "ok"}))
    stage.server.say(ASK, assigned(*THIRTY))
    client = stage.field.start("R", "r")
    stage.until_called(client, BEAT, 3)
    assert client.hears == set(THIRTY)
    assert len(client.asks()) == 1
    assert len(client.calls(REGISTER)) == 2


@pytest.mark.parametrize("more", [[30], list(range(30, 45))], ids=["one", "fifteen"])
def test_r_hears_one_of_what_is_added_and_the_rest_after_its_restart(stage: Stage, more: list[int]) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING, assigned(*more), NOTHING)
    client = stage.field.start("R", "r")
    stage.until(lambda: client.asking_loop_has_ended, "its loop ends")
    stage.until_called(client, BEAT)
    assert client.hears == {*THIRTY, 30}
    assert client.list == THIRTY + more

    stage.server.say(ASK, assigned(*THIRTY, *more), NOTHING)
    client.half_hour()
    stage.until_called(client, ASK, 3)
    assert client.hears == {*THIRTY, *more}
    assert not client.asking_loop_has_ended


def test_r_hears_the_same_while_each_answer_repeats_it(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY))
    client = stage.field.start("R", "r")
    stage.until_called(client, ASK, 5)
    assert client.hears == set(THIRTY)
    assert not client.asking_loop_has_ended
    assert [call.asked for call in client.asks()[:4]] == [60, 30, 0, -30]


def test_r_replaces_itself_without_a_word_and_is_the_same_process(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    client = stage.field.start("R", "r", address="127.0.0.7")
    stage.until(lambda: len(client.hears) == 30, "it hears them")
    pid, before = client.popen.pid, time.monotonic()
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    client.half_hour()
    stage.until_called(client, ASK, 3)
    assert client.popen.pid == pid and client.is_alive
    assert not client.calls(RELEASE)
    assert [call.path for call in client.calls(since=before) if call.sent > client.began_at()][:3] == [
        REGISTER,
        REGISTER,
        ASK,
    ]
    assert {asked.address for asked in stage.server.asked} == {"127.0.0.7"}
    assert client.hears == set(THIRTY)
    assert client.list == THIRTY * 2
    assert client.asks()[-1].asked == 0, "it asks for none"


def test_r_replaces_itself_every_half_hour(set_stage: SetStage) -> None:
    stage = set_stage(factor=600)
    client = stage.field.start("R", "r")
    stage.until(lambda: client.programs == 3, "two half hours have passed", within=3 * 31 * 60)
    lines = [line.split() for line in client.notes.with_suffix(".heard").read_text().splitlines()]
    begins = [float(at) for at, what in lines if what == "begin"]
    ends = [float(at) for at, what in lines if what == "end"]
    assert all(30 <= (end - begin) * 600 / 60 <= 45 for begin, end in zip(begins, ends, strict=False))


@pytest.mark.parametrize("kind", ["P", "R"])
def test_at_its_end_the_list_is_given_back_as_it_is(stage: Stage, kind: str) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    stage.server.rule(RELEASE, echo)
    client = stage.field.start(kind, "r", state=_file(*THIRTY))
    stage.until(lambda: len(client.list) == 60, "it has its answer")
    told = time.monotonic()
    client.terminate()
    assert [(call.body or {})["stream_ids"] for call in client.calls(RELEASE)] == [THIRTY * 2]
    assert client.list == []
    assert client.popen.returncode == 0
    assert 2 <= (stage.judge.now() - told) * stage.judge.factor <= 60
    assert client.hears == set()


def test_an_echo_without_duplicates_leaves_the_rest_to_the_next_start(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    stage.server.rule(RELEASE, unique_echo)
    client = stage.field.start("R", "r", state=_file(*THIRTY))
    stage.until(lambda: len(client.list) == 60, "it has its answer")
    client.terminate()
    assert client.list == THIRTY
    stage.server.say(ASK, NOTHING)
    again = stage.field.start_again(client)
    stage.until(lambda: again.asking_loop_has_ended, "its loop ends")
    assert again.hears == {0}


def test_a_release_that_is_refused_leaves_the_file_and_local_mode(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    stage.server.say(RELEASE, refused(400))
    client = stage.field.start("R", "r")
    stage.until(lambda: len(client.hears) == 30, "it hears them")
    client.terminate()
    assert client.state == _file(*THIRTY, local=True)
    assert len(client.calls(RELEASE)) == 3

    before = time.monotonic()
    again = stage.field.start_again(client)
    stage.until_called(again, BEAT)
    assert again.hears == set(THIRTY)
    assert not again.asks(since=before) and not again.calls(REGISTER, since=before), "unasked"
    assert (again.calls(BEAT)[0].sent - again.began_at()) * stage.judge.factor >= 29


def test_ro_speaks_as_servers_and_asks_once_in_its_life(stage: Stage) -> None:
    stage.server.say("/streams/assign", assigned(*THIRTY))
    client = stage.field.start("RO", "r")
    stage.until(lambda: len(client.calls("/heartbeat")) >= 2, "two beats")
    assert client.hears == set(THIRTY)
    assert len(client.asks()) == 1
    assert [call.path for call in client.calls()[:3]] == ["/register", "/register", "/streams/assign"]
