"""Every station is heard exactly once: scripts and strangers, long lists, other modules, a worker of our own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from orchestrator.database import db
from tests.field import scripts
from tests.field.conftest import SCENARIO_FACTOR, MakeWorld
from tests.field.launcher import ROOT, Client
from tests.field.world import World

pytestmark = pytest.mark.scenario
MINUTES = 60.0


def _one(world: World, kind: str, *, max_streams: int = 60, hears: int | None = None) -> Client:
    client = world.field.start(kind, "a", max_streams=max_streams)
    client.wait_until_begun()
    expected = min(60, max_streams) if hears is None else hears
    world.judge.wait_for(lambda: len(client.hears) == expected, within=10, what=f"{client.label} hears {expected}")
    return client


@pytest.mark.parametrize("kind", ["P", "R", "O", "S", "W"])
def test_13_a_script_that_asks_once_takes_nothing_of_a_living_one(world: World, kind: str) -> None:
    client = _one(world, kind)
    world.judge.pass_time(40)
    owners = world.owners()
    assert scripts.debug_orchestrator(world.way.url) == []
    world.judge.pass_time(75)
    assert world.owners() == owners
    assert world.booked("debug_test") == set()
    client.half_hour()
    world.judge.wait_for_exactly_one(within=10)


@pytest.mark.parametrize("kind", ["P", "R"])
def test_13_what_a_script_was_given_is_free_again_soon(world: World, kind: str) -> None:
    client = _one(world, kind, max_streams=40)
    world.judge.pass_time(40)
    booked = world.booked("a")
    assert scripts.debug_orchestrator(world.way.url) == []
    assert world.booked("debug_test")
    world.judge.wait_for(lambda: not world.booked("debug_test"), within=75, what="the script has none")
    assert world.booked("a") == booked == client.hears


@pytest.mark.parametrize("kind", ["P", "R"])
def test_14_an_ask_in_its_name_from_elsewhere_changes_nothing(world: World, kind: str) -> None:
    client = _one(world, kind, max_streams=40)
    world.judge.pass_time(20)
    owners, heard, since = world.owners(), set(client.hears), time.monotonic()
    transport = httpx.HTTPTransport(local_address="127.0.0.77")
    with httpx.Client(base_url=world.way.url, transport=transport) as stranger:
        for _ in range(3):
            query = {"worker_id": "a", "capacity": "1", "worker_type": "fingerv7"}
            assert stranger.get("/api/streams/assign", params=query).status_code == 200
    world.judge.pass_time(60)
    assert world.owners() == owners
    assert client.hears == heard
    assert {call.status for call in client.calls(since=since)} == {200}
    client.half_hour()
    world.judge.wait_for(lambda: client.hears == heard, within=10, what="it hears the same after a restart")


def test_15_an_ask_for_less_than_none_is_an_ask(world: World) -> None:
    state = {"is_active": False, "assigned_streams": [*range(12), *range(12)]}
    client = world.field.start("P", "a", max_streams=12, state=state)
    client.wait_until_begun()
    world.judge.wait_for(lambda: len(client.calls("/api/heartbeat")) >= 3, within=200, what="it beats")
    assert client.asks()[0].asked == -12
    assert {call.status for call in client.calls()} == {200}


@pytest.mark.parametrize("kind", ["P", "R"])
def test_15_a_release_of_a_long_list_is_echoed(world: World, kind: str) -> None:
    client = _one(world, kind)
    client.kill()
    entries = [*range(60)] * 333
    state = {"is_active": False, "assigned_streams": entries}
    again = world.field.start(kind, "a", state=state, directory=client.directory)
    again.wait_until_begun()
    world.judge.wait_for(lambda: again.asks(), within=10, what="it has asked")
    world.judge.wait_for_exactly_one(within=5)
    again.terminate()
    [release] = again.calls("/streams/release")
    assert release.status == 200
    assert len((release.body or {})["stream_ids"]) >= 19_980
    assert (release.answer or {})["released_streams"] == (release.body or {})["stream_ids"]
    assert again.list == []


def test_15_a_release_of_texts_frees_them(make_world: MakeWorld) -> None:
    world = make_world([3, 17])
    client = world.field.start("O", "a")
    client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=5)
    client.terminate()
    [release] = client.calls("/streams/release")
    assert (release.body or {})["stream_ids"] == ["3", "17"]
    assert release.status == 200
    assert world.booked("a") == set()


def test_16_a_worker_registers_once_and_gives_back_one_by_one(world: World) -> None:
    client = _one(world, "W")
    incarnation, epochs = world.registrations("a"), world.epochs()
    world.judge.wait_for(lambda: len(client.calls("/api/heartbeat")) >= 10, within=700, what="ten beats")
    assert len(client.calls("/api/workers/register")) == 1
    assert world.registrations("a") == incarnation
    assert world.epochs() == epochs
    moves = world.movements()
    client.tell("release", 1, 2, 3)
    # they are free from then on, which may be until its next ask
    world.judge.wait_for(lambda: world.movements() >= moves + 3, within=1, what="three were taken from it")
    assert all((call.answer or {}).get("success") for call in client.calls("/api/streams/update"))
    client.terminate()
    assert world.booked("a") == set()


def test_17_a_template_is_never_without_work(world: World) -> None:
    client = world.field.start("T", "t", max_streams=20)
    client.wait_until_begun()
    world.judge.pass_time(15)
    since, at_work = time.monotonic(), []
    while (time.monotonic() - since) * world.factor < 5 * MINUTES:
        at_work.append(len(client.hears))
        time.sleep(0.02)
    # one ends every second and it asks every five: in between there are fewer, whoever answers
    assert sum(at_work) / len(at_work) >= 15
    assert min(at_work) >= 6
    # what ends or begins while we look is not counted the same on both sides
    world.judge.wait_for(lambda: len(world.booked("t") ^ client.hears) <= 2, within=5, what="the count is right")


def test_18_the_server_module_has_what_the_books_say(world: World) -> None:
    a = _one(world, "S", max_streams=40)
    world.judge.pass_time(20)
    b = world.field.start("S", "b", max_streams=40, address="127.0.0.3")
    b.wait_until_begun()
    world.judge.wait_for_exactly_one(within=10)
    world.judge.pass_time(10 * MINUTES)
    assert not world.judge.wrong()
    assert world.judge.longest_twice() == 0
    for client in (a, b):
        assert len(client.calls("/register")) == 1
        checks = [call.answer or {} for call in client.calls(f"/instances/{client.name}")]
        assert checks
        assert all(each["data"]["current_streams"] == len(each["data"]["assigned_streams"]) for each in checks)


def test_19_every_request_is_answered_as_its_client_expects(world: World) -> None:
    assert scripts.every_request(world.way.url, "any") == []


def test_19_no_odd_request_is_refused(world: World) -> None:
    assert scripts.odd_requests(world.way.url, "odd") == []


SCRIPTS = {
    "TESTE-FINAL": scripts.final_test,
    "test-deploy": scripts.deploy_test,
    "debug_orchestrator": scripts.debug_orchestrator,
    "assignment test": scripts.assignment_test,
    "failover test": scripts.failover_test,
    "auto_rebalancing test": scripts.rebalancing_test,
    "monitor": scripts.monitor,
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_19_scripts_pass_beside_a_living_client(world: World, script: str) -> None:
    client = _one(world, "P", max_streams=35)
    world.judge.pass_time(20)
    booked, heard = world.booked("a"), set(client.hears)
    assert SCRIPTS[script](world.way.url) == []
    world.judge.pass_time(30)
    assert world.booked("a") == booked
    assert client.hears == heard
    assert {call.status for call in client.calls()} == {200}


def test_19_a_reset_leaves_nothing_but_what_lives_elsewhere(world: World) -> None:
    client = _one(world, "P", max_streams=35)
    booked = world.booked("a")
    assert scripts.reset(world.way.url) == ["a has 35 streams after the reset"]
    assert world.booked("a") == booked == client.hears
    client.kill()
    world.judge.wait_for(lambda: not world.booked("a"), within=75, what="it is lost")
    assert scripts.reset(world.way.url) == []


@contextmanager
def _shim(world: World) -> Iterator[str]:
    """A worker of our own with 60 places, as the judge calls it."""
    notes = world.within / "shim"
    with (world.within / "shim.err").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.field.shim_worker", world.database.create_login("worker"),
             world.database.names.api, "shim", "60", str(notes)],
            cwd=ROOT, stderr=errors,
        )  # fmt: skip
    world.judge.watch("shim", notes.with_suffix(".heard"), lambda: process.poll() is None)
    try:
        yield "shim"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def shim(world: World) -> Iterator[str]:
    with _shim(world) as label:
        yield label


def test_20_a_worker_of_our_own_stands_in_until_the_client_is_back(world: World, shim: str) -> None:
    client = world.field.start("P", "a", max_streams=60)
    client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=60)
    world.judge.pass_time(20)
    heard = set(client.hears)
    assert heard
    client.kill()
    world.judge.wait_for(lambda: len(world.judge.hears(shim)) == 60, within=60, what="the shim hears all")
    state = {"is_active": True, "assigned_streams": sorted(heard)}
    again = world.field.start("P", "a", state=state, directory=client.directory)
    again.wait_until_begun()
    world.judge.wait_for(lambda: again.calls("/api/heartbeat"), within=120, what="it beats")
    world.judge.wait_for_exactly_one(within=60)
    assert again.hears == heard
    world.judge.wait_for(lambda: world.booked("a") == heard, within=5, what="the books say so")


def test_18_one_that_is_known_to_compare_gives_up_what_is_moved(world: World, shim: str) -> None:
    """Its host runs what its list holds, and looks every half minute."""
    world.query("update {p}.setting set value = %s where name = 'handoff_timeout'", f"{90 / world.factor} seconds")
    client = world.field.start("S", "a", max_streams=60)
    client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=60)
    world.judge.pass_time(20)
    heard = set(client.hears)
    assert heard
    db.call(world.admin, "set_client_kind", instance_id="a", kind="comparing")
    db.call(world.admin, "drain_instance", instance_id="a")
    world.judge.wait_for(lambda: len(world.judge.hears(shim)) == 60, within=90, what="the shim hears all")
    world.judge.pass_time(120)
    assert not client.hears
    assert not world.judge.wrong()
    assert world.judge.longest_twice() == 0


@pytest.mark.slow
@pytest.mark.parametrize("is_read", [True, False])
def test_10_one_that_writes_of_itself_beside_a_cut_line_is_not_lost(make_world: MakeWorld, is_read: bool) -> None:
    """Its rows of server_heartbeats are read every ten seconds, however fast the clients' time runs."""
    world = make_world(factor=min(SCENARIO_FACTOR, 2))
    world.query("update {p}.setting set value = %s where name = 'http_ask_timeout'", f"{80 / world.factor} seconds")
    if is_read:
        world.add_source(heartbeats="server_heartbeats")
    a = _one(world, "R", max_streams=40, hears=40)
    others = [
        world.field.start("R", name, max_streams=10, address=address)
        for name, address in (("b", "127.0.0.3"), ("c", "127.0.0.4"))
    ]
    for client in others:
        client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=30)
    world.judge.pass_time(75)  # two of its rows have been read
    with _shim(world):
        world.way.cut_off("127.0.0.2")
        since = world.judge.now()
        world.judge.pass_time(130)
        world.way.heal()
        world.judge.pass_time(60)
        assert (world.judge.longest_twice(since=since) == 0) == is_read
    assert len(a.hears) == 40
