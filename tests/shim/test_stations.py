"""Stations that play and hang up, over and over, beside those that are dead."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.shim.support import Fleet, Recorder, in_step, until
from worker_shim import Context, Stream, supervisor
from worker_shim.handlers import program

PLAYS = 1.0  # seconds; 10 s and a first pause of 1 s, ten times as fast
PLAYED_TIMES = 8


@pytest.fixture(autouse=True)
def fast_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_FIRST", PLAYS / 10)


@dataclass
class Station:
    """Plays so long to each who connects, and hangs up."""

    plays: float
    port: int = 0
    heard: list[tuple[float, float]] = field(default_factory=list)  # from, to

    async def serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        writer.write(b"audio\n")
        await asyncio.sleep(self.plays)
        self.heard.append((began, loop.time()))
        writer.close()

    @property
    def share(self) -> float:
        """The part of the time in which it was heard, from one time on the air to the last."""
        whole = self.heard[-1][1] - self.heard[0][0]
        return sum(until - since for since, until in self.heard) / whole


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    station = Station(PLAYS)
    async with await asyncio.start_server(station.serve, "127.0.0.1", 0) as server:
        station.port = server.sockets[0].getsockname()[1]
        yield station


def _handlers(port: int) -> dict[str, object]:
    async def tell(stream: Stream, context: Context) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while await reader.readline():
                context.progress()
        finally:
            writer.close()
        raise ConnectionError("the station hung up")

    async def listen(stream: Stream, context: Context) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        writer.close()

    def run(status: int) -> str:
        return f"bash -c 'cat < /dev/tcp/127.0.0.1/{port}; exit {status}'"

    return {
        "a handler that tells of progress": tell,
        "a handler that returns": listen,
        "a program whose output is progress": program(run(1), 1, progress_from_output=True),
        "a program that ends well": program(run(0), 1),
        "a program that ends badly": program(run(1), 1),
    }


@pytest.mark.parametrize("kind", _handlers(0))
async def test_a_station_that_plays_and_hangs_up_is_heard_nearly_as_much_as_it_plays_and_not_blamed(
    fleet: Fleet, station: Station, kind: str
) -> None:
    fleet.add_streams(1)
    async with fleet.work("fv-1", _handlers(station.port)[kind]):
        await fleet.until(lambda: len(station.heard) >= PLAYED_TIMES, "a station that plays again and again")
        assert station.share > 0.9
        if kind != "a program that ends badly":  # as one does that could not connect
            assert fleet.query("select * from {private}.refusal") == []
            assert fleet.query("select * from {api}.failing_stations") == []


@pytest.mark.parametrize("length", [0.5, 2])
async def test_where_none_tells_of_progress_a_bad_end_is_a_failure_unless_the_run_was_longer_than_any_try(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, length: float
) -> None:
    """Who cannot connect may take minutes to find out; who has listened for a day has heard something."""
    monkeypatch.setattr(supervisor, "RESTART_FIRST", 0.02)
    monkeypatch.setattr(supervisor, "SURELY_HEARD_AFTER", 20)
    fleet.add_streams(1)
    ends: list[str] = []

    async def handler(stream: Stream, context: Context) -> None:
        await asyncio.sleep(20 * 0.02 * length)
        ends.append("badly")
        raise ConnectionError("timed out")

    async with fleet.work("fv-1", handler):
        await fleet.until(lambda: len(ends) >= 5)
        if length > 1:
            assert fleet.query("select * from {private}.refusal") == []
        else:
            await fleet.until(lambda: fleet.query("select * from {api}.failing_stations"), "a station that is blamed")


async def test_of_handlers_that_tell_of_progress_one_that_told_none_has_failed_however_long_it_ran(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that times out is no hearing."""
    monkeypatch.setattr(supervisor, "RESTART_FIRST", 0.02)
    heard, dead = fleet.add_streams(2)
    recorder = Recorder()

    async def handler(stream: Stream, context: Context) -> None:
        if stream.stream_id == heard:
            context.progress()
            await recorder(stream, context)
        await until(lambda: recorder.running)
        await asyncio.sleep(0.02 * supervisor.ENDED_WELL_AFTER)

    async with fleet.work("fv-1", handler):
        await fleet.until(lambda: fleet.query("select * from {api}.failing_stations"), "a station that is blamed")
        assert {row["stream_id"] for row in fleet.query("select * from {api}.failing_stations")} == {dead}


async def test_a_station_that_greets_and_refuses_is_blamed_and_left_alone_for_longer_and_longer(
    fleet: Fleet, station: Station
) -> None:
    station.plays = 0
    fleet.add_streams(1)
    async with fleet.work("fv-1", _handlers(station.port)["a handler that tells of progress"]):
        await fleet.until(lambda: fleet.query("select * from {api}.failing_stations"), "a station that is blamed")
        await fleet.until(lambda: len(station.heard) > 5)
    pauses = [later[0] - earlier[1] for earlier, later in zip(station.heard, station.heard[1:], strict=False)]
    assert pauses[4] > 4 * pauses[0]


async def test_a_prepared_stream_that_was_interrupted_is_prepared_on(fleet: Fleet, station: Station) -> None:
    """Its hand-over is neither called off nor completed by a word that is not true any more."""
    fleet.configure("handoff_mode", "make_before_break")
    fleet.add_streams(1)
    one, two = Recorder(), Recorder()
    may_be_ready = asyncio.Event()
    tries = 0

    async def prepare(stream: Stream, context: Context) -> None:
        nonlocal tries
        tries += 1
        context.progress()
        if tries == 1:
            await asyncio.sleep(2 * supervisor.RESTART_FIRST)
            raise ConnectionError("the station hung up")
        await may_be_ready.wait()
        context.ready()
        await two(stream, context)

    async with fleet.work("fv-1", one, make_before_break=True):
        await in_step(fleet, "fv-1", one, 1)
        async with fleet.work("fv-2", prepare, make_before_break=True):
            await fleet.until(lambda: fleet.sessions() == 2, "a second worker")
            (stream_id,) = one.running
            fleet.query("select * from {api}.move_stream(%(id)s, 'fv-2')", id=stream_id)
            await fleet.until(lambda: tries == 2, "a second try")
            assert fleet.query("select * from {private}.refusal") == [] and len(one.running) == 1
            may_be_ready.set()
            await in_step(fleet, "fv-2", two, 1)
