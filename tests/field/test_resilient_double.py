"""The double of the resilient module: its list and file, its local mode, its breaker, answer by answer."""

import time
from base64 import b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.field.conftest import Stage
from tests.field.launcher import Field
from tests.field.scripted import NOTHING, Reply, assigned, refused
from tests.field.world import make_table

ASK, REGISTER, BEAT, RELEASE = "/api/streams/assign", "/api/workers/register", "/api/heartbeat", "/streams/release"
THIRTY = list(range(30))


def _file(*ids: int | str, local: bool = False) -> dict[str, Any]:
    return {"is_active": local, "assigned_streams": list(ids)}


@pytest.mark.parametrize("kind", ["P", "R"])
def test_a_torn_file_is_an_empty_list(stage: Stage, kind: str) -> None:
    stage.server.say(ASK, assigned(7), NOTHING)
    directory = stage.field.directory()
    (directory / "local_state_p.json").write_text('{"is_active": true, "assigned_str')
    client = stage.field.start(kind, "p", directory=directory)
    stage.until_called(client, ASK, 3)
    assert (client.asks()[0].asked, client.list, set(client.hears)) == (60, [7], {7})


def test_p_runs_its_list_and_goes_on_asking(stage: Stage) -> None:
    stage.server.say(
        ASK, assigned(*THIRTY), NOTHING, assigned(*range(30, 45)), NOTHING, assigned("59", "1000"), NOTHING
    )
    client = stage.field.start("P", "p", state=_file(50))
    stage.until(lambda: 59 in client.hears, "it hears what was added")
    stage.until_called(client, ASK, 3)
    assert client.hears == {*range(45), 50, 59}, "what no row of the table has is no trouble"


@pytest.mark.parametrize("reply", [refused(409), Reply(status=201), Reply(content_type="text/plain"), Reply(hold=1.5)])
def test_any_call_that_fails_three_times_begins_local_mode(stage: Stage, reply: Reply) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING, reply)
    client = stage.field.start("P", "p")
    stage.until(lambda: client.state["is_active"], "local mode")
    assert client.hears == set(THIRTY)
    third, fourth, fifth = client.asks()[2:5]
    assert third.status == fourth.status == fifth.status == (0 if reply.hold else reply.status)
    pauses = [(after.sent - before.at) * stage.judge.factor for before, after in pairwise([third, fourth, fifth])]
    assert pauses[0] >= 0.75 and pauses[1] >= 1.5, pauses


def test_in_local_mode_only_health_is_called_and_its_first_success_ends_it(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    client = stage.field.start("P", "p")
    stage.until(lambda: len(client.hears) == 30, "it hears them")
    stage.server.say("/health", refused())
    rules = stage.server.refuse_all()
    stage.until(lambda: client.state["is_active"], "local mode")
    since = time.monotonic()
    stage.until(lambda: len(client.calls("/health", since=since)) >= 4, "health is asked for", within=200)
    # a call that was on its way when local mode began may end in it
    assert {call.path for call in client.calls(since=since)[3:]} == {"/health"}
    assert client.hears == set(THIRTY)

    stage.server.restore(rules)
    stage.server.say("/health", Reply({"status": "healthy"}))
    stage.until(lambda: not client.state["is_active"], "local mode ends", within=150)
    stage.until_called(client, ASK, 3)
    assert client.hears == set(THIRTY)
    assert not client.calls(REGISTER, since=since), "it does not register again"


def test_in_local_mode_its_end_is_silent_and_keeps_the_file(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING, refused())
    stage.server.say("/health", refused())
    client = stage.field.start("R", "r")
    stage.until(lambda: client.state["is_active"], "local mode")
    client.terminate()
    assert not client.calls(RELEASE)
    assert client.state == _file(*THIRTY, local=True)


@pytest.mark.parametrize("kind", ["P", "R"])
def test_in_local_mode_a_start_runs_the_whole_file_unasked(stage: Stage, kind: str) -> None:
    client = stage.field.start(kind, "r", state=_file(*THIRTY, *THIRTY, local=True))
    stage.until_called(client, BEAT)
    assert client.hears == set(THIRTY)
    assert {call.path for call in client.calls()} == {"/health", BEAT}
    assert (client.calls(BEAT)[0].sent - client.began_at()) * stage.judge.factor >= 29
    assert (client.calls(BEAT)[0].body or {})["current_load"] == 60


def test_asks_that_are_refused_for_good_silence_the_beats(stage: Stage) -> None:
    stage.server.say(ASK, refused(400))
    client = stage.field.start("P", "p", state=_file(1, 2))
    stage.until(lambda: len(client.asks()) >= 9, "three times three refused asks", within=300)
    assert len(client.calls(BEAT)) <= 1
    tries = [call.sent for call in client.asks()]
    pauses = [(after - before) * stage.judge.factor for before, after in zip(tries[2::3], tries[3::3], strict=False)]
    assert 25 <= pauses[1] <= 200, pauses
    assert client.hears == {1, 2}


def test_beats_that_are_refused_for_good_let_asks_through_between_them(stage: Stage) -> None:
    stage.server.say(BEAT, refused(404))
    client = stage.field.start("P", "p")
    stage.until(lambda: len(client.calls(BEAT)) >= 9, "three times three refused beats", within=300)
    beats = [call.sent for call in client.calls(BEAT)]
    assert client.asks(since=beats[2]) and client.asks(since=beats[5])
    assert not client.calls(REGISTER, since=beats[0])


def test_the_fifth_failed_call_opens_the_breaker_and_three_successes_close_it(stage: Stage) -> None:
    stage.server.say(ASK, refused())
    client = stage.field.start("P", "p")
    stage.until(lambda: len(client.asks()) >= 15, "five failed calls", within=500)
    failed_at = client.asks()[-1].at
    stage.server.say(ASK, NOTHING)
    stage.until(lambda: client.calls(since=failed_at), "a call", within=200)
    next_call = client.calls(since=failed_at)[0]
    assert next_call.path == "/health"
    assert 60 <= (next_call.sent - failed_at) * stage.judge.factor <= 250
    stage.until_called(client, ASK, 6)
    assert not client.state["is_active"]


@pytest.mark.parametrize("kind", ["P", "R"])
def test_health_is_looked_at_with_the_beats(stage: Stage, kind: str) -> None:
    client = stage.field.start(kind, "p")
    stage.until(lambda: len(client.calls("/health")) >= 4, "four looks", within=400)
    beats, looks = client.calls(BEAT), client.calls("/health")
    assert abs(len(beats) - len(looks)) <= 1
    pauses = [(after.sent - before.sent) * stage.judge.factor for before, after in pairwise(beats)]
    assert all(29 <= pause <= 150 for pause in pauses), pauses


def test_a_health_that_is_refused_begins_local_mode(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    stage.server.say("/health", refused())
    client = stage.field.start("P", "p")
    stage.until(lambda: client.state["is_active"], "local mode")
    assert client.hears == set(THIRTY)


def test_p_stops_what_it_gives_back_in_its_life(stage: Stage) -> None:
    stage.server.say(ASK, assigned(*THIRTY), NOTHING)
    client = stage.field.start("P", "p")
    stage.until(lambda: len(client.hears) == 30, "it hears them")
    client.tell("release", 3, 4)
    stage.until(lambda: len(client.hears) == 28, "it has stopped two")
    assert client.list == [each for each in THIRTY if each not in (3, 4)]


@pytest.mark.parametrize("kind", ["P", "O", "W"])
def test_a_key_in_the_address_is_shown_as_its_password(stage: Stage, kind: str) -> None:
    client = stage.field.start(kind, "p", url=stage.server.url.replace("http://", "http://any:KEY@"))
    stage.until(lambda: client.calls(), "it has called")
    basic = "Basic " + b64encode(b"any:KEY").decode()
    assert {asked.headers.get("Authorization") for asked in stage.server.asked} == {basic}


def test_a_current_host_reads_its_table_and_writes_of_itself_in_the_production_database(
    stage: Stage, empty_database: str, tmp_path: Path
) -> None:
    make_table(empty_database, [*range(0, 180, 3)])
    stage.server.say(ASK, assigned(3, 6, 7), NOTHING, assigned(9), NOTHING)
    field = Field(stage.judge, tmp_path / "with a table", url=stage.server.url, table=("--dsn", empty_database))
    client = field.start("P", "p")
    stage.until(lambda: client.hears == {3, 6, 9}, "it hears the rows that it finds")
    with psycopg.connect(empty_database, autocommit=True, row_factory=dict_row) as conn:

        def row() -> dict[str, Any]:
            return conn.execute("select * from server_heartbeats").fetchone() or {"info": {}}

        stage.until(lambda: row()["info"].get("processing_streams") == 3, "it says how many it hears")
        found = row()
    field.end()
    assert (found["server_id"], found["status"], found["ip_address"]) == ("p", "ONLINE", "127.0.0.2")
    assert found["info"]["total_streams"] == 3, "the size of its first answer"
