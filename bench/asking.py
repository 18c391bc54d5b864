"""What clients cost that ask for their streams every three seconds: `python -m bench.asking`.

First so many hosts that have their shares ask on and on, each ask over a connection of its own or over one that is
kept: CPU of `orchestrator serve` and of PostgreSQL, in parts of one core, beside the same without a client. Then so
many asks are held, because others of the fleet are still awaited, and beats and /health are timed beside them, in turns
with the same while none is held. Settings are the default ones, but for the rate limit.
"""

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import click

from bench.server import MeasuredFleet, Size, server
from bench.serving import cpu_seconds, serving

_STREAMS = 1_000
_RHYTHM = 3.0
_SETTLED = 1.0
"""Seconds until the asks that are to be held have all arrived."""
_HELD = 8.0
"""Seconds that they are held for at least (http_remainder_wait)."""


@dataclass
class Line:
    """One connection after the other, or one that is kept."""

    port: int
    is_kept: bool
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, body: object = None) -> tuple[int, dict[str, object]]:
        reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self.port)
        content = b"" if body is None else json.dumps(body).encode()
        head = [
            f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
            "Host: localhost",
            "Content-Type: application/json",
            f"Connection: {'keep-alive' if self.is_kept else 'close'}",
            f"Content-Length: {len(content)}",
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + content)
        answered = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answered.partition("content-length:")[2].split()[0])
        answer = json.loads(await reader.readexactly(length))
        if self.is_kept:
            self._streams = reader, writer
        else:
            writer.close()
        return int(answered.split()[1]), answer


@dataclass
class Used:
    """Parts of one core."""

    serve: float
    postgres: float

    def __str__(self) -> str:
        return f"{100 * self.serve:5.2f} % + {100 * self.postgres:5.2f} % = {100 * (self.serve + self.postgres):5.2f} %"


@click.command()
@click.option("--hosts", default=50, show_default=True)
@click.option("--held", default=60, show_default=True, help="How many asks are held at once.")
@click.option("--seconds", default=30.0, show_default=True, help="How long each measurement of CPU takes.")
@click.option("--rounds", default=3, show_default=True)
def main(hosts: int, held: int, seconds: float, rounds: int) -> None:
    """What clients cost that ask every three seconds."""
    size = Size(_STREAMS, 0)
    with server() as measured, measured.clone(measured.prepare(size), size) as fleet, serving(fleet) as (port, pid):
        fleet.run("serve_list.sql")
        asyncio.run(_measure(fleet, port, (pid, measured.pid), hosts, held, seconds, rounds))


async def _measure(
    fleet: MeasuredFleet, port: int, pids: tuple[int, int], hosts: int, held: int, seconds: float, rounds: int
) -> None:
    names = [f"host-{number:03}" for number in range(hosts)]
    lists = dict(zip(names, await asyncio.gather(*(_begin(port, name, hosts) for name in names)), strict=True))
    assert sum(lists.values()) == _STREAMS, lists
    fleet.vacuum()
    for _ in range(rounds):
        click.echo(f"no client                 {await _used(pids, seconds)}")
        for is_kept in (False, True):
            async with _asking(port, lists, is_kept=is_kept):
                used = await _used(pids, seconds)
            click.echo(f"{hosts} ask, {'one connection ' if is_kept else 'new connections'}   {used}")
    click.echo(f"\n{'':26} {'/api/heartbeat':>24} {'/health':>24}")
    for number in range(rounds):
        click.echo(f"{'no ask held':26} {await _timed(port, names[0], pids)}")
        async with _holding(fleet, port, number, held):
            click.echo(f"{f'{held} asks held':26} {await _timed(port, names[0], pids)}")


async def _begin(port: int, name: str, hosts: int) -> int:
    """Register and ask, as a host does when it starts; the length of its list."""
    await _register(port, name, 2 * _STREAMS // hosts)
    status, answer = await Line(port, is_kept=False).get(
        f"/api/streams/assign?worker_id={name}&capacity={2 * _STREAMS // hosts}"
    )
    assert status == 200, answer
    streams = answer["assigned_streams"]
    assert isinstance(streams, list)
    return len(streams)


async def _register(port: int, name: str, capacity: int) -> None:
    body = {
        "instance_id": name, "worker_type": "fingerv7", "capacity": capacity, "ip": "192.0.2.1", "port": 8000,
        "status": "active", "metadata": {"version": "7.0", "capabilities": []},
    }  # fmt: skip
    status, answer = await Line(port, is_kept=False).get("/api/workers/register", body)
    assert status == 200, answer


@asynccontextmanager
async def _asking(port: int, lists: dict[str, int], *, is_kept: bool) -> AsyncIterator[None]:
    """All of them ask every three seconds, spread over these; they have what they were given."""

    async def ask(number: int, name: str) -> None:
        line = Line(port, is_kept)
        room = 2 * _STREAMS // len(lists) - lists[name]
        await asyncio.sleep(_RHYTHM * number / len(lists))
        for turn in itertools.count(1):
            due = time.monotonic() + _RHYTHM
            status, answer = await line.get(
                f"/api/streams/assign?worker_id={name}&capacity={room}&worker_type=fingerv7"
            )
            assert (status, answer["status"]) == (200, "no_streams"), (turn, answer)
            await asyncio.sleep(due - time.monotonic())

    tasks = [asyncio.create_task(ask(number, name)) for number, name in enumerate(lists)]
    await asyncio.sleep(2 * _RHYTHM)
    yield
    for task in tasks:
        assert not task.done(), task.exception()
        task.cancel()


async def _used(pids: tuple[int, int], seconds: float) -> Used:
    before = [cpu_seconds(pid) for pid in pids]
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return Used(*(_since(pid, was, began) for pid, was in zip(pids, before, strict=True)))


def _since(pid: int, was: float, began: float) -> float:
    return (cpu_seconds(pid) - was) / (time.monotonic() - began)


@asynccontextmanager
async def _holding(fleet: MeasuredFleet, port: int, round_number: int, held: int) -> AsyncIterator[None]:
    """A fleet begins of which one has registered and not asked yet: the asks of the others wait for it."""
    fleet.run("add_streams.sql", streams=1000)
    fleet.run("serve_list.sql")
    fleet.vacuum()
    names = [f"round-{round_number}-{number}" for number in range(held + 1)]
    await asyncio.gather(*(_register(port, name, 10) for name in names))
    asks = [
        asyncio.create_task(Line(port, is_kept=False).get(f"/api/streams/assign?worker_id={name}&capacity=10"))
        for name in names[1:]
    ]
    await asyncio.sleep(_SETTLED)
    yield
    assert not any(ask.done() for ask in asks), "an ask was answered"
    await asyncio.gather(*asks)


async def _timed(port: int, name: str, pids: tuple[int, int]) -> str:
    """A beat and a look at /health ten times a second, over new connections: median and 95th percentile in ms,
    and the CPU of all that is answered meanwhile."""
    beat = {"worker_instance_id": name, "status": "active", "current_load": _STREAMS // 50, "available_capacity": 20}
    times: dict[str, list[float]] = {"/api/heartbeat": [], "/health": []}
    began = time.monotonic()
    end = began + _HELD - 2 * _SETTLED
    before = [cpu_seconds(pid) for pid in pids]
    while time.monotonic() < end:
        for path, body in (("/api/heartbeat", beat), ("/health", None)):
            sent = time.perf_counter()
            status, answer = await Line(port, is_kept=False).get(path, body)
            times[path].append(1000 * (time.perf_counter() - sent))
            assert status == 200, answer
        await asyncio.sleep(0.1)
    used = Used(*(_since(pid, was, began) for pid, was in zip(pids, before, strict=True)))
    shown = [
        f"{statistics.median(each):6.1f} ms, p95 {statistics.quantiles(each, n=20)[-1]:6.1f}" for each in times.values()
    ]
    return " ".join(f"{each:>24}" for each in shown) + f"   {used}"


if __name__ == "__main__":
    main()
