"""Clients of several generations and workers of our own in one fleet, while nearly everything happens to them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.field.launcher import Client
from tests.field.world import World

ROOT = Path(__file__).parents[2]
STEPS = 12

pytestmark = pytest.mark.scenario


def _lives(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


@pytest.fixture
def shims(world: World) -> Iterator[list[str]]:
    """Two workers of our own, which could have every station between them."""
    processes = []
    for name in ("shim-1", "shim-2"):
        notes = world.within / name
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.field.shim_worker", world.database.create_login("worker"),
             world.database.names.api, name, "60", str(notes)],
            cwd=ROOT, stderr=(world.within / f"{name}.err").open("w"),
        )  # fmt: skip
        processes.append(process)
        world.judge.watch(name, notes.with_suffix(".heard"), partial(_lives, process))
    yield ["shim-1", "shim-2"]
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_to_them_each_station_is_heard_once(world: World, shims: list[str], seed: int) -> None:
    """Kills, restarts, goodbyes, containers made anew elsewhere, and servers that are away."""
    dice = Random(seed)
    clients: dict[str, Client] = {}
    addresses = iter(range(2, 250))

    def begin(kind: str, name: str) -> None:
        clients[name] = world.field.start(kind, name, max_streams=15, address=f"127.0.0.{next(addresses)}")
        clients[name].wait_until_begun()

    for kind in ("P", "R", "O", "S"):
        begin(kind, kind.lower())
    world.judge.wait_for_exactly_one(within=120)

    def restart(client: Client) -> None:
        client.half_hour()

    def renew(client: Client) -> None:
        client.kill() if dice.random() < 0.5 else client.terminate()
        clients[client.name] = world.field.make_anew(client, f"127.0.0.{next(addresses)}")
        clients[client.name].wait_until_begun()

    def leave_and_come(client: Client) -> None:
        client.terminate()
        world.judge.pass_time(dice.randrange(60))
        clients[client.name] = world.field.start_again(client)

    def die_and_come(client: Client) -> None:
        client.kill()
        world.judge.pass_time(dice.randrange(120))
        clients[client.name] = world.field.start_again(client)

    def be_away(_: Client) -> None:
        world.way.cut()
        world.judge.pass_time(dice.choice([30, 75, 300]))
        world.way.heal()

    acts: list[Callable[[Client], None]] = [restart, renew, leave_and_come, die_and_come, be_away]
    for _ in range(STEPS):
        act = dice.choice(acts)
        client = clients[dice.choice(sorted(clients))]
        print(f"{act.__name__} {client.label}")  # shown when it fails
        act(client)
        # a lost one is heard again by its beats, a rival is waited for: the longest of these
        world.judge.wait_for_exactly_one(within=300)
        world.judge.pass_time(20)
    assert not world.judge.wrong()
