"""The radio: a process that broadcasts N stations as endless WAV streams over HTTP, in real time.

All stations share one clock grid: the quarters of each second of the wall clock. A quarter of a second is sent to
every listener when it is over, never later and never twice. A new listener gets the next quarter first: like live
radio, what was on the air before is gone.

    python -m orchestrator.lab.stations --stations 60

prints its port on the first line, then broadcasts until it is ended.
"""

from __future__ import annotations

import asyncio
import time

import click
from aiohttp import web

from orchestrator.lab.sound import BYTES_PER_SECOND, sing, wav_header

PIECES_PER_SECOND = 4
PIECE = BYTES_PER_SECOND // PIECES_PER_SECOND
# A listener that is this many pieces behind (10 s) is cut off, as a radio server would.
BACKLOG = 10 * PIECES_PER_SECOND

Listeners = set[asyncio.Queue[bytes | None]]


class Radio:
    """The stations and who listens to them."""

    def __init__(self, stations: int, connect_seconds: float = 0) -> None:
        self._connect_seconds = connect_seconds
        self.listeners: dict[int, Listeners] = {number: set() for number in range(1, stations + 1)}

    def application(self) -> web.Application:
        """The HTTP server: /station/7.wav."""
        application = web.Application()
        application.router.add_get(r"/station/{station:\d+}.wav", self.serve_station)
        return application

    async def serve_station(self, request: web.Request) -> web.StreamResponse:
        """One listener: an endless WAV."""
        listeners = self.listeners.get(int(request.match_info["station"]))
        if listeners is None:
            raise web.HTTPNotFound(text="no such station\n")
        response = web.StreamResponse(headers={"Content-Type": "audio/wav", "Cache-Control": "no-store"})
        await asyncio.sleep(self._connect_seconds)
        await response.prepare(request)
        await response.write(wav_header())
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        listeners.add(pieces)
        try:
            while (piece := await pieces.get()) is not None:
                await response.write(piece)
        except ConnectionError:
            pass  # The listener left; radio does not mind.
        finally:
            listeners.discard(pieces)
        return response

    async def broadcast(self) -> None:
        """Send each quarter of a second to all listeners when it is over, for ever."""
        tick = int(time.time() * PIECES_PER_SECOND)
        while True:
            await asyncio.sleep(max(0.0, (tick + 1) / PIECES_PER_SECOND - time.time()))
            second, piece = divmod(tick, PIECES_PER_SECOND)
            for station, listeners in self.listeners.items():
                if listeners:
                    sound = sing(station, second).tobytes()
                    self._send(listeners, sound[piece * PIECE : (piece + 1) * PIECE])
            tick += 1

    @staticmethod
    def _send(listeners: Listeners, piece: bytes) -> None:
        for pieces in tuple(listeners):
            if pieces.qsize() < BACKLOG:
                pieces.put_nowait(piece)
            else:
                listeners.discard(pieces)
                pieces.put_nowait(None)


async def run(stations: int, port: int, connect_seconds: float) -> None:
    """Serve until cancelled."""
    radio = Radio(stations, connect_seconds)
    runner = web.AppRunner(radio.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        click.echo(f"{runner.addresses[0][1]}")
        await radio.broadcast()
    finally:
        await runner.cleanup()


@click.command()
@click.option(
    "--stations", type=click.IntRange(1, 65_535), default=60, show_default=True, help="How many stations broadcast."
)
@click.option("--port", type=int, default=0, help="Port on loopback; 0 takes a free one.")
@click.option("--connect-seconds", type=float, default=0, help="How long a listener waits for the first sound.")
def main(stations: int, port: int, connect_seconds: float) -> None:
    """Broadcast stations as endless WAV streams on loopback."""
    asyncio.run(run(stations, port, connect_seconds))


if __name__ == "__main__":
    main()
