"""How many beats a second over HTTP, beside the same SQL called directly: `python -m bench.serving`.

Both are asked for in turns, by as many processes with one connection each, for instances that are in step. A beat over
HTTP is a POST /heartbeat to `orchestrator serve` with default settings but for the rate limit; the direct one is the
same call of `http_heartbeat` by psycopg. CPU is what one beat costs the server's process, and PostgreSQL when asked
directly.
"""

import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psutil

from bench.server import MeasuredFleet, Size, server, statement
from orchestrator.database import db

_INSTANCES = 50
_SIZE = Size(1_000, _INSTANCES)


@dataclass(frozen=True)
class Round:
    """What so many clients got done; seconds of CPU of the server."""

    beats: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.beats / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        return 1e6 * self.cpu_seconds / self.beats


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="How long a round takes.")
@click.option("--clients", default="1,4,16", show_default=True, help="How many at once, one after the other.")
def main(rounds: int, seconds: float, clients: str) -> None:
    """Beats a second over HTTP and by SQL."""
    click.echo(
        f"{'clients':>8} {'HTTP/s':>8} {'SQL/s':>8} {'HTTP : SQL':>11} {'µs CPU of serve':>16} {'of PostgreSQL':>14}"
    )
    with server() as measured, measured.clone(measured.prepare(_SIZE), _SIZE) as fleet, serving(fleet) as (port, pid):
        _put_in_step(fleet, port)
        postmaster = psutil.Process(fleet.conn.info.backend_pid).ppid()
        for number in (int(each) for each in clients.split(",")):
            over_http, by_sql = [], []
            for _ in range(rounds):
                over_http.append(_run(lambda names: _over_http(port, names), number, seconds, pid))
                by_sql.append(_run(lambda names: _by_sql(fleet.dsn, names), number, seconds, postmaster))
            ratio = statistics.median(h.per_second / s.per_second for h, s in zip(over_http, by_sql, strict=True))
            click.echo(
                f"{number:>8} {statistics.median(each.per_second for each in over_http):8.0f}"
                f" {statistics.median(each.per_second for each in by_sql):8.0f} {ratio:11.2f}"
                f" {statistics.median(each.cpu_microseconds for each in over_http):16.0f}"
                f" {statistics.median(each.cpu_microseconds for each in by_sql):14.0f}"
            )


@contextmanager
def serving(fleet: MeasuredFleet) -> Iterator[tuple[int, int]]:
    """`orchestrator serve` on this database: its port and process id."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command: list[str | Path] = [
        Path(sys.executable).with_name("orchestrator"),
        "serve",
        "--port",
        str(port),
        "--rate-limit",
        "0",
    ]
    process = subprocess.Popen([*command, "--dsn", fleet.dsn])
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _name(number: int) -> str:
    return f"http-{number:03}"


def _put_in_step(fleet: MeasuredFleet, port: int) -> None:
    """Instances of the HTTP face with their shares, confirmed."""
    for number in range(_INSTANCES):
        request = {"instance_id": _name(number), "max_streams": _SIZE.max_streams}
        db.call(fleet.conn, "http_register", request=request, address="127.0.0.1")
    fleet.run("job.sql", job="settle")
    for _ in range(3):
        for number in range(_INSTANCES):
            own = [
                row["stream_id"]
                for row in db.view(fleet.conn, "assignments", where={"instance_id": _name(number)})
                if row["state"] != "releasing"
            ]
            db.call(fleet.conn, "http_heartbeat", request={"instance_id": _name(number), "current_streams": own})
    fleet.vacuum()


def _beat(name: str) -> dict[str, Any]:
    return {
        "instance_id": name,
        "timestamp": "2026-03-01T12:00:00Z",
        "status": "active",
        "processed_count": 100,
        "error_count": 1,
        "cpu_usage": 12.5,
        "memory_usage": 40,
        "last_activity": "2026-03-01T11:59:58Z",
    }


def _over_http(port: int, names: list[str]) -> Iterator[None]:
    """A beat for each step, over one connection that is kept."""
    requests = []
    for name in names:
        body = json.dumps(_beat(name)).encode()
        head = "POST /heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        requests.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            for request in requests:
                line.sendall(request)
                answer = b""
                while b'"commands": []' not in answer:
                    received = line.recv(65536)
                    assert received, answer
                    answer += received
                    assert b"200 OK" in answer[:20], answer
                yield


def _by_sql(dsn: str, names: list[str]) -> Iterator[None]:
    beat = statement("http_heartbeat.sql")
    with db.connect(dsn, application_name="bench") as conn:
        while True:
            for name in names:
                [row] = conn.execute(beat, {"request": _beat(name)}).fetchall()
                assert row["body"]["commands"] == []
                yield


def _run(beats: Callable[[list[str]], Iterator[None]], clients: int, seconds: float, answering: int) -> Round:
    """So many clients at once, each for instances of its own."""
    context = multiprocessing.get_context("fork")
    results: Any = context.Queue()
    start = context.Barrier(clients)

    def client(number: int) -> None:
        each = beats([_name(n) for n in range(number, _INSTANCES, clients)])
        next(each)
        start.wait()
        end = time.monotonic() + seconds
        done = 0
        while time.monotonic() < end:
            next(each)
            done += 1
        results.put(done)
        results.close()
        results.join_thread()
        os._exit(0)

    before = cpu_seconds(answering)
    processes = [context.Process(target=client, args=(number,)) for number in range(clients)]
    for process in processes:
        process.start()
    done = sum(results.get() for _ in processes)
    for process in processes:
        process.join()
    return Round(done, seconds, cpu_seconds(answering) - before)


def cpu_seconds(pid: int) -> float:
    """Seconds that this process and its children, also those that have ended, have been on a CPU."""
    process = psutil.Process(pid)
    running = 0.0
    for child in process.children():
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            running += times.user + times.system
    own = process.cpu_times()
    return running + own.user + own.system + own.children_user + own.children_system


if __name__ == "__main__":
    main()
