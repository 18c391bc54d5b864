"""Every station is heard exactly once: hosts whose older module is a face of the worker shim."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.field.conftest import SCENARIO_FACTOR, MakeWorld
from tests.field.launcher import ROOT
from tests.field.world import World

MINUTES = 60.0
HostProcess = subprocess.Popen[bytes]
StartHost = Callable[..., HostProcess]


@pytest.fixture
def world(make_world: MakeWorld, request: pytest.FixtureRequest) -> World:
    """Sixty stations whose index is among the metadata; the factor may be given."""
    return make_world(column_map={"metadata": ["index", "regiao"]}, factor=getattr(request, "param", SCENARIO_FACTOR))


@pytest.fixture
def start(world: World) -> Iterator[StartHost]:
    """Start a host of a kind under a name; another process of the name is another label."""
    started: list[HostProcess] = []
    login = world.database.create_login("worker")

    def start(kind: str, name: str, *, max_streams: int = 60, label: str = "") -> HostProcess:
        label = label or name
        notes = world.within / label
        module = "tests.field.shim_worker" if kind == "shim" else "tests.field.face_host"
        words = [login, world.database.names.api, name, str(max_streams), str(notes)]
        with notes.with_suffix(".err").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *([] if kind == "shim" else [kind]), *words], cwd=ROOT, stderr=errors
            )
        world.judge.watch(label, notes.with_suffix(".heard"), lambda: process.poll() is None)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    for errors in world.within.glob("*.err"):
        assert "Traceback" not in errors.read_text(), errors.read_text()


def _hears(world: World, label: str, count: int) -> None:
    world.judge.wait_for(lambda: len(world.judge.hears(label)) == count, within=200, what=f"{label} hears {count}")


def test_hosts_that_stop_streams_share_them_and_hear_none_twice(world: World, start: StartHost) -> None:
    a = start("stops", "a")
    _hears(world, "a", 60)
    start("stops", "b")
    _hears(world, "b", 30)
    world.judge.wait_for_exactly_one(within=20)
    a.send_signal(signal.SIGTERM)
    _hears(world, "b", 60)
    assert a.wait(15) == 0
    assert world.judge.longest_twice() == 0
    assert world.booked("a") == set()


def test_a_host_that_stops_none_keeps_what_it_has_until_its_end(world: World, start: StartHost) -> None:
    a = start("keeps", "a", max_streams=40)
    _hears(world, "a", 40)
    start("shim", "b")
    _hears(world, "b", 20)
    heard, since = world.judge.hears("a"), world.judge.now()
    world.judge.pass_time(5 * MINUTES)
    assert world.judge.hears("a") == heard
    assert world.judge.changes("b", since=since) == 0
    assert not world.judge.wrong()
    a.send_signal(signal.SIGTERM)
    _hears(world, "b", 60)
    assert world.judge.longest_twice() == 0


def test_a_host_that_was_lost_and_stops_none_ends_itself_and_hears_again_when_it_is_started(
    world: World, start: StartHost
) -> None:
    a = start("keeps", "a")
    _hears(world, "a", 60)
    start("shim", "b")
    world.judge.pass_time(20)
    a.send_signal(signal.SIGSTOP)
    world.judge.wait_for(lambda: len(world.judge.hears("b")) == 60, within=15 * MINUTES, what="b hears all", grace=20)
    thawed = world.judge.now()
    a.send_signal(signal.SIGCONT)
    assert a.wait(20) == 0
    assert world.judge.longest_twice(since=thawed) / world.factor < 5
    world.judge.wait_for_exactly_one(within=5)
    start("stops", "a", label="a again")
    _hears(world, "a again", 30)
    world.judge.wait_for_exactly_one(within=20)


@pytest.mark.parametrize("world", [3], indirect=True)  # it has ten seconds to come back in
@pytest.mark.parametrize("kind", ["stops", "keeps"])
def test_a_host_that_replaces_itself_has_the_same_streams_again(world: World, start: StartHost, kind: str) -> None:
    a = start(kind, "a", max_streams=30)
    _hears(world, "a", 30)
    start("shim", "b", max_streams=30)
    _hears(world, "b", 30)
    heard, programs, since = world.judge.hears("a"), world.judge.processes["a"].begins, world.judge.now()
    a.send_signal(signal.SIGUSR1)
    world.judge.wait_for(
        lambda: world.judge.hears("a") == heard and world.judge.processes["a"].begins > programs,
        within=30,
        what="a hears the same again",
    )
    assert world.judge.changes("b", since=since) == 0
    assert world.judge.longest_twice() == 0


def test_one_instance_after_the_other_is_moved_from_http_to_the_shim(world: World, start: StartHost) -> None:
    """The client gets SIGTERM and releases; what it heard is heard by a worker at once."""
    old = world.field.start_together("P", "a", "b")
    world.judge.wait_for_exactly_one(within=30)
    since = world.judge.now()
    start("stops", "a-shim")
    world.judge.pass_time(60)
    for client, heard in zip(old, (30, 60), strict=True):
        client.terminate()
        _hears(world, "a-shim", heard)
        world.judge.wait_for_exactly_one(within=10)
    # as long as it takes to ask and to start
    assert world.judge.longest_silence(since=since) / world.factor < 3
    assert world.booked("a-shim") == set(range(60))


@pytest.mark.slow
@pytest.mark.parametrize("world", [1], indirect=True)  # a client hears on for 2 to 6 s after its goodbye
def test_no_second_is_lost_when_a_worker_takes_over_from_a_client(world: World, start: StartHost) -> None:
    client = world.field.start("P", "a")
    client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=60)
    start("shim", "a-shim")
    world.judge.pass_time(10)
    assert world.registrations("a-shim") == 1
    since = world.judge.now()
    client.terminate()
    _hears(world, "a-shim", 60)
    world.judge.wait_for_exactly_one(within=20)
    assert world.judge.longest_silence(since=since) == 0
