"""Starts doubles, ends them, and reads what they said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.field.judge import Judge

ROOT = Path(__file__).parents[2]

_INHERITED = {
    name: value for name, value in os.environ.items() if not name.startswith(("PG", "POSTGRES_", "ORCHESTRATOR_"))
}


@dataclass(frozen=True)
class Call:
    """One try of a call, and what it was answered; status 0 is no answer."""

    at: float
    sent: float
    method: str
    path: str
    body: dict[str, Any] | None
    query: dict[str, str] | None
    status: int
    answer: dict[str, Any] | None
    trouble: str = ""

    @property
    def is_ask(self) -> bool:
        return self.path.endswith("/streams/assign")

    @property
    def asked(self) -> int:
        return int(self.query["capacity"] if self.query else (self.body or {})["requested_count"])

    @property
    def ids(self) -> list[Any]:
        return list((self.answer or {}).get("assigned_streams") or [])


@dataclass
class Client:
    """One process of a double. `half_hour` makes a new program of it, not a new process."""

    label: str
    kind: str
    name: str
    max_streams: int
    url: str
    address: str
    ip: str | None
    directory: Path
    notes: Path
    judge: Judge
    popen: subprocess.Popen[bytes] = field(repr=False)
    started_at: float = field(default_factory=time.monotonic)

    # -- what it says and hears ----------------------------------------------------------------------------------------

    @property
    def hears(self) -> frozenset[int]:
        return self.judge.hears(self.label)

    def _said(self) -> list[dict[str, Any]]:
        path = self.notes.with_suffix(".said")
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def calls(self, path: str = "", *, since: float = 0.0) -> list[Call]:
        """What it sent since then, to a path that ends so."""
        said = [Call(**each) for each in self._said() if "remark" not in each]
        return [call for call in said if call.path.endswith(path) and call.sent >= since]

    def asks(self, *, since: float = 0.0) -> list[Call]:
        return self.calls("/streams/assign", since=since)

    @property
    def asking_loop_has_ended(self) -> bool:
        """In the present program; a half hour begins another."""
        began = self.began_at()
        return any("remark" in each and each["at"] > began for each in self._said())

    @property
    def state(self) -> dict[str, Any]:
        """Its file."""
        path = self.directory / f"local_state_{self.name}.json"
        for _ in range(50):
            try:
                found: dict[str, Any] = json.loads(path.read_text())
                return found
            except FileNotFoundError:
                return {"is_active": False, "assigned_streams": []}
            except ValueError:
                time.sleep(0.01)  # it is just being written
        raise AssertionError(f"{path} is torn")

    @property
    def list(self) -> list[Any]:
        return list(self.state["assigned_streams"])

    # -- what happens to it --------------------------------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def began_at(self) -> float:
        """When its present program was ready."""
        lines = self.notes.with_suffix(".heard").read_text().splitlines()
        return max((float(line.split()[0]) for line in lines if line.endswith("begin")), default=float("inf"))

    def wait_until_begun(self, *, after: int = 0) -> None:
        """Its first program is ready, or the one after so many."""

        def has_begun() -> bool:
            assert self.is_alive, self.last_words()
            return self.programs > after

        self.judge.wait_for(has_begun, within=0, grace=20, what=f"{self.label} has begun")

    def half_hour(self) -> None:
        """Its 30 minutes are over now: it replaces itself."""
        self.wait_until_begun()
        programs = self.programs
        self.popen.send_signal(signal.SIGUSR1)
        self.wait_until_begun(after=programs)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self.judge.note_death(self.label)

    def terminate(self, *, wait: bool = True) -> None:
        """SIGTERM: it says goodbye in its manner."""
        self.wait_until_begun()
        self.popen.send_signal(signal.SIGTERM)
        if wait:
            self.popen.wait(20 + 10 / self.judge.factor)

    def tell(self, *words: str | int) -> None:
        """What the program around its module is to do, as release 3 17."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.popen.stdin.flush()

    @property
    def programs(self) -> int:
        """How many of them have been ready in this process."""
        process = self.judge.processes[self.label]
        process.look()
        return process.begins

    def last_words(self) -> str:
        return f"{self.label} ended by itself:\n" + self.notes.with_suffix(".err").read_text()[-3000:]


class Field:
    """All clients of a test."""

    def __init__(self, judge: Judge, within: Path, *, url: str, table: Sequence[str]) -> None:
        """`table` is how they find the table of stations: ("--dsn", DSN) or ("--table", FILE)."""
        self.judge, self.url = judge, url
        self._within, self._table = within, table
        self.clients: list[Client] = []

    def start(
        self,
        kind: str,
        name: str,
        *,
        max_streams: int = 60,
        address: str = "127.0.0.2",
        ip: str | None = None,
        url: str | None = None,
        state: dict[str, Any] | None = None,
        directory: Path | None = None,
        waits: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Client:
        """A container of its own, with `state` in its file if that is given; or one that exists, by its directory.

        It calls from `address` and names that as its ip, or `ip`, which may be the same on many machines. One that
        `waits` has begun nothing until `go`.
        """
        label = f"{kind}:{name}@{address}#{len(self.clients) + 1}"
        directory = directory or self.directory()
        if state is not None:
            (directory / f"local_state_{name}.json").write_text(json.dumps(state))
        notes = self._within / f"client-{len(self.clients) + 1}"
        self.judge.watch(label, notes.with_suffix(".heard"), lambda: popen.poll() is None)
        arguments: list[Any] = ["--kind", kind, "--url", url or self.url, "--id", name, "--max", max_streams]
        arguments += ["--ip", ip or address, "--source", address, "--factor", self.judge.factor, *self._table]
        arguments += ["--notes", notes, "--directory", directory]
        with notes.with_suffix(".err").open("w") as errors:
            popen = subprocess.Popen(
                [sys.executable, "-m", "tests.field", *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=ROOT,
                env={**_INHERITED, **({"FIELD_CLIENT_WAITS": "1"} if waits else {}), **(environment or {})},
            )
        client = Client(
            label, kind, name, max_streams, url or self.url, address, ip, directory, notes, self.judge, popen
        )
        self.clients.append(client)
        return client

    def start_together(self, kind: str, *names: str, **options: Any) -> list[Client]:
        """As one deployment does: within a moment, each from an address of its own (127.0.0.2, 127.0.0.3, …)."""
        clients = [
            self.start(kind, name, address=f"127.0.0.{place}", waits=True, **options)
            for place, name in enumerate(names, start=2)
        ]
        self.judge.wait_for(
            lambda: all(client.notes.with_suffix(".heard").stat().st_size for client in clients),
            within=0,
            grace=20,
            what="all are ready",
        )
        for client in clients:
            client.tell("")
        for client in clients:
            client.wait_until_begun()
        return clients

    def directory(self) -> Path:
        """Of a container that is made now."""
        made = self._within / f"container-{len(list(self._within.glob('container-*'))) + 1}"
        made.mkdir(parents=True)
        return made

    def start_again(self, client: Client) -> Client:
        """The same container: its address and its file."""
        return self._like(client, address=client.address, directory=client.directory)

    def make_anew(self, client: Client, address: str) -> Client:
        """Another container of the same name, elsewhere and without a file."""
        return self._like(client, address=address, directory=None)

    def _like(self, client: Client, *, address: str, directory: Path | None) -> Client:
        return self.start(
            client.kind,
            client.name,
            max_streams=client.max_streams,
            url=client.url,
            address=address,
            ip=client.ip,
            directory=directory,
        )

    def check(self) -> None:
        """None of them met an error of its own."""
        for client in self.clients:
            errors = client.notes.with_suffix(".err").read_text()
            assert "Traceback" not in errors, f"{client.label}: {errors}"

    def end(self) -> None:
        for client in self.clients:
            if client.is_alive:
                client.popen.kill()
        for client in self.clients:
            client.popen.wait()
            if client.popen.stdin is not None:
                client.popen.stdin.close()
