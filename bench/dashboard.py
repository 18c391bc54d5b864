"""How long the dashboard's page takes, and what it costs to keep one open: `python -m bench.dashboard`.

A server as operators run it, on a fleet where nothing happens. Milliseconds until the whole page has arrived, and what
of them the server and its sessions in PostgreSQL were on a CPU for, which is the steadier figure on a busy machine;
then, with one browser's worth of events read for a while, the part of a core that they take.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from bench.measure import percentile
from bench.server import MeasuredFleet, Size, server

_PORT = 8917


@click.command()
@click.option("--streams", default=1_000, show_default=True)
@click.option("--instances", default=50, show_default=True)
@click.option("--rounds", default=40, show_default=True, help="How often the page is asked for.")
@click.option("--seconds", default=60, show_default=True, help="How long events are read.")
def main(streams: int, instances: int, rounds: int, seconds: int) -> None:
    """The dashboard's page, and its stream of events while nothing happens."""
    size = Size(streams, instances)
    with server() as measured, measured.clone(measured.prepare(size), size) as fleet:
        fleet.run("job.sql", job="settle")
        fleet.run("confirm_all.sql")
        fleet.run("beats_are_now.sql")
        fleet.vacuum()
        fleet.run("six_hours.sql")
        with _serving(fleet) as process, httpx.Client(base_url=f"http://127.0.0.1:{_PORT}", timeout=60) as client:
            length = len(client.get("/").content)
            clock = _Clock(process.pid, fleet)
            took = [_page(client) for _ in range(rounds)]
            on_server, on_database = (1000 * seconds / rounds for seconds in clock.seconds())
            click.echo(
                f"{size}  page    {statistics.median(took):7.1f} ms, 95 % within {percentile(took, 0.95):.1f} ms; ",
                nl=False,
            )
            click.echo(
                f"on a CPU {on_server + on_database:.1f} ms: server {on_server:.1f}, PostgreSQL {on_database:.1f}"
            )
            click.echo(f"{size}  page    {length / 1024:7.1f} KiB")
            with client.stream("GET", "/dashboard/events") as events:
                threading.Thread(target=lambda: list(events.iter_raw()), daemon=True).start()
                time.sleep(3)  # it is told everything once
                clock = _Clock(process.pid, fleet)
                time.sleep(seconds)
                on_server, on_database = (100 * busy / seconds for busy in clock.seconds())
                process.terminate()
                process.wait(30)
            click.echo(f"{size}  stream  {on_server + on_database:7.2f} % of a core: ", nl=False)
            click.echo(f"server {on_server:.2f} %, PostgreSQL {on_database:.2f} %")


def _page(client: httpx.Client) -> float:
    started = time.perf_counter()
    client.get("/").raise_for_status()
    return 1000 * (time.perf_counter() - started)


class _Clock:
    """What the server and its sessions are on a CPU for from now on."""

    def __init__(self, pid: int, fleet: MeasuredFleet) -> None:
        self._server = [pid]
        self._sessions = [row["pid"] for row in fleet.run("sessions_of_http.sql")]
        self._begun = self._now()

    def seconds(self) -> tuple[float, float]:
        return self._now()[0] - self._begun[0], self._now()[1] - self._begun[1]

    def _now(self) -> tuple[float, float]:
        return _on_cpu(self._server), _on_cpu(self._sessions)


def _on_cpu(pids: Iterable[int]) -> float:
    """Seconds that these processes, of one thread each, have been on a CPU for, from Linux's scheduler (man 5 proc)."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9


@contextmanager
def _serving(fleet: MeasuredFleet) -> Iterator[subprocess.Popen[bytes]]:
    program = Path(sys.executable).with_name("orchestrator")
    command = [str(program), "serve", "--port", str(_PORT), "--dsn", fleet.dsn]
    process = subprocess.Popen(command, env={**os.environ, "ORCHESTRATOR_API_KEYS": ""}, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{_PORT}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
