"""Every station is heard exactly once: clients that start, restart, leave, die, and lose sight of the server.

The judge asks living processes what they hear. Bounds are seconds of the clients.
"""

import pytest

from tests.field.conftest import MakeWorld
from tests.field.launcher import Client
from tests.field.world import World

pytestmark = pytest.mark.scenario
MINUTES = 60.0
DYING = 6.0
"""A client that was asked to end may be heard for so long after its goodbye."""


def _two(world: World, kind: str) -> tuple[Client, Client]:
    """Started together, and all is well."""
    a, b = world.field.start_together(kind, "a", "b")
    world.judge.wait_for_exactly_one(within=30)
    return a, b


def _one(world: World, kind: str, name: str = "a", *, max_streams: int = 60) -> Client:
    client = world.field.start(kind, name, max_streams=max_streams)
    client.wait_until_begun()
    world.judge.wait_for(
        lambda: len(client.hears) == min(60, max_streams), within=5, what=f"{client.label} hears what it can"
    )
    return client


def _twice_no_longer_than(world: World, seconds: float, *, since: float | None = None) -> None:
    """Half a real second more, in which processes are only slow."""
    assert world.judge.longest_twice(since=since) <= seconds + 0.5 * world.factor


@pytest.mark.parametrize("kind", ["P", "R", "O", "S"])
def test_01_one_that_starts_hears_all_and_its_first_answer_had_them(world: World, kind: str) -> None:
    client = world.field.start(kind, "a")
    client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=5)
    assert len(client.asks()[0].ids) == 60


@pytest.mark.parametrize("kind", ["P", "R"])
def test_02_every_id_is_the_index_of_its_address(make_world: MakeWorld, kind: str) -> None:
    indexes = range(0, 180, 3)
    world = make_world(indexes, ids=[1000 + place for place in range(60)])
    a, b = world.field.start_together(kind, "a", "b")
    world.judge.wait_for_exactly_one(within=10)
    for ask in (*a.asks(), *b.asks()):
        rows = (ask.answer or {}).get("streams") or []
        assert set(ask.ids) <= set(indexes)
        assert [int(row["stream_id"]) for row in rows] == ask.ids
        assert [row["url"] for row in rows] == [f"http://radio.example/{index}" for index in ask.ids]


@pytest.mark.parametrize("kind", ["P", "R"])
def test_03_ten_restarts_change_nothing(world: World, kind: str) -> None:
    client = _one(world, kind)
    owners = world.owners()
    moves = world.movements()
    for _ in range(10):
        client.half_hour()
        world.judge.wait_for_exactly_one(within=10)
        world.judge.pass_time(10)
        assert not client.asking_loop_has_ended
    assert {call.status for call in client.calls()} == {200}
    assert world.owners() == owners
    assert world.movements() == moves


@pytest.mark.parametrize("kind", ["P", "R", "O"])
def test_04_two_that_start_together_keep_what_they_have(world: World, kind: str) -> None:
    a, b = _two(world, kind)
    since = world.judge.now()
    world.judge.pass_time(10 * MINUTES)
    assert world.judge.changes(a.label, since=since) == world.judge.changes(b.label, since=since) == 0
    assert not world.judge.wrong()


@pytest.mark.parametrize("kind", ["P", "R"])
def test_05_what_one_gives_back_is_heard_by_the_other(world: World, kind: str) -> None:
    a, b = _two(world, kind)
    assert (len(a.hears), len(b.hears)) == (30, 30)
    world.judge.pass_time(30)
    a.terminate()
    assert a.list == []
    if kind == "P":
        world.judge.wait_for_exactly_one(within=30)
    else:
        world.judge.wait_for(lambda: len(b.hears) == 31, within=30, what="b hears one more")
        world.judge.wait_for(lambda: len(world.unassigned()) == 29, within=30, what="29 wait")
        world.judge.wait_for(lambda: world.open_alerts("wait"), within=60, what="an alert says so")
        world.judge.hold(60, lambda: not world.judge.twice(), what="nothing is heard twice")
        b.half_hour()
        world.judge.wait_for_exactly_one(within=10)
    assert len(b.hears) == 60
    _twice_no_longer_than(world, DYING)


@pytest.mark.parametrize("kind", ["P", "R"])
def test_06_what_a_dead_one_heard_is_heard_by_the_other(world: World, kind: str) -> None:
    a, b = _two(world, kind)
    world.judge.pass_time(30)
    a.kill()
    if kind == "R":
        world.judge.wait_for(lambda: len(b.hears) == 31, within=60, what="b hears one more")
        b.half_hour()
    world.judge.wait_for_exactly_one(within=60 if kind == "P" else 10)
    assert world.judge.longest_twice() == 0


@pytest.mark.parametrize("kind", ["P", "R", "O"])
def test_07_one_that_joins_hears_the_rest(world: World, kind: str) -> None:
    a = _one(world, kind, max_streams=40)
    world.judge.pass_time(20)
    b = world.field.start(kind, "b", max_streams=40, address="127.0.0.3")
    b.wait_until_begun()
    world.judge.wait_for_exactly_one(within=10)
    assert (len(a.hears), len(b.hears)) == (40, 20)
    world.judge.pass_time(10 * MINUTES)
    assert world.judge.longest_twice() == 0
    assert not world.judge.wrong()


@pytest.mark.parametrize("goodbye", [False, True], ids=["killed", "asked to end"])
@pytest.mark.parametrize("kind", ["P", "R", "O"])
def test_08_a_container_made_anew_elsewhere_hears_all(world: World, kind: str, goodbye: bool) -> None:
    a = _one(world, kind)
    world.judge.pass_time(30)
    a.terminate() if goodbye else a.kill()
    anew = world.field.make_anew(a, "127.0.0.9")
    anew.wait_until_begun()
    world.judge.wait_for_exactly_one(within=10 if goodbye else 80)
    world.judge.hold(60, lambda: not world.judge.wrong(), what="exactly one")


@pytest.mark.parametrize("kind", ["P", "R"])
def test_09_a_rival_of_a_living_one_hears_nothing_until_that_is_dead(world: World, kind: str) -> None:
    a = _one(world, kind)
    world.judge.pass_time(30)
    since = world.judge.now()
    rival = world.field.make_anew(a, "127.0.0.9")
    rival.wait_until_begun()
    world.judge.wait_for(lambda: world.open_alerts(a.address, rival.address), within=180, what="an alert names both")
    world.judge.pass_time(120)
    assert len(a.hears) == 60
    assert world.judge.changes(a.label, since=since) == 0
    _twice_no_longer_than(world, 5)
    a.kill()
    rival.half_hour()
    world.judge.wait_for_exactly_one(within=10)


@pytest.mark.parametrize("absence", [75, 10 * MINUTES], ids=["75 s", "10 min"])
@pytest.mark.parametrize("kind", ["P", "R"])
def test_10_an_absence_of_the_server_is_not_heard(world: World, kind: str, absence: float) -> None:
    clients = _two(world, kind)
    world.judge.pass_time(30)
    since, moves = world.judge.now(), world.movements()
    world.way.cut()
    world.judge.pass_time(absence)
    back = world.judge.now()
    world.way.heal()
    _all_speak_and_nothing_has_moved(world, clients, since, back, moves)


@pytest.mark.parametrize("kind", ["P", "R"])
def test_10_a_server_that_was_frozen_and_finds_old_requests_is_not_heard(world: World, kind: str) -> None:
    clients = _two(world, kind)
    world.judge.pass_time(30)
    since, moves = world.judge.now(), world.movements()
    world.freeze()
    world.judge.pass_time(75)
    back = world.judge.now()
    world.thaw()
    _all_speak_and_nothing_has_moved(world, clients, since, back, moves)


def _all_speak_and_nothing_has_moved(
    world: World, clients: tuple[Client, Client], since: float, back: float, moves: int
) -> None:
    def all_speak() -> bool:
        return all(
            any(call.status == 200 and call.path != "/health" for call in client.calls(since=back))
            for client in clients
        )

    world.judge.wait_for(all_speak, within=150, what="all clients speak again")
    world.judge.pass_time(200)
    assert world.judge.longest_silence(since=since) == 0
    assert world.judge.longest_twice(since=since) == 0
    assert [world.judge.changes(client.label, since=since) for client in clients] == [0, 0]
    assert world.movements() == moves


def test_11_one_that_restarts_in_an_absence_of_the_server_keeps_its_file(world: World) -> None:
    a, b = _two(world, "R")
    heard, others = set(a.hears), set(b.hears)
    world.judge.pass_time(30)
    world.way.cut()
    a.half_hour()
    world.judge.wait_for(lambda: a.hears == heard, within=120, what="a hears its file")
    world.judge.pass_time(60)
    world.way.heal()
    world.judge.wait_for(lambda: a.calls("/api/heartbeat", since=a.began_at()), within=150, what="a beats")
    world.judge.hold(
        5 * MINUTES, lambda: a.hears == heard and b.hears == others, what="each hears what it heard before"
    )
    assert not a.asks(since=a.began_at())


@pytest.mark.parametrize("kind", ["P", "R"])
def test_12_two_refused_tries_of_each_call_change_nothing(world: World, kind: str) -> None:
    world.way.refuse_first_tries(2)
    client = world.field.start(kind, "a")
    client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=15)
    owners = world.owners()
    for _ in range(3):
        client.half_hour()
        world.judge.wait_for_exactly_one(within=15)
    assert world.owners() == owners
    assert {call.status for call in client.calls()} == {200, 503}
    assert not client.state["is_active"]
