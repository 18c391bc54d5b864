"""A client that asks for its streams, as the SQL sees it: it says what a test lets it say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.fleet import Fleet, Row

HELD = 102
_STEP = 0.5


@dataclass
class PullClient:
    """`own` is its own list, with duplicates, as those in the field keep it."""

    fleet: Fleet
    name: str
    capacity: int = 10
    dialect: str = "worker"
    peer: str = "192.0.2.1"
    address: str = ""
    own: list[int] = field(default_factory=list)

    def call(self, function: str, **parameters: Any) -> tuple[int, Row]:
        request = Jsonb(parameters.pop("request"))
        [row] = db.call(self.fleet.worker_conn, function, request=request, **{"address": self.peer, **parameters})
        return row["status"], row["body"]

    def held(self, function: str, **parameters: Any) -> tuple[int, Row]:
        """As the server calls it: until there is an answer; time passes meanwhile, and workers obey."""
        waited = 0.0
        while True:
            status, body = self.call(function, waited=timedelta(seconds=waited), **parameters)
            if status != HELD:
                return status, body
            waited += _STEP
            self.fleet.clock.advance(f"{_STEP} seconds")
            self.fleet.all_obey()

    def registration(self) -> dict[str, Any]:
        ip, _, port = (self.address or f"{self.peer}:8000").rpartition(":")
        if self.dialect == "server":
            return {"server_id": self.name, "ip": ip, "port": int(port), "max_streams": self.capacity}
        return {"instance_id": self.name, "capacity": self.capacity, "ip": ip, "port": int(port), "metadata": {}}

    def register(self) -> int:
        status, _ = self.held("http_register", request=self.registration(), dialect=self.dialect)
        return status

    def try_to_register(self) -> int:
        """Without waiting."""
        status, _ = self.call("http_register", request=self.registration(), dialect=self.dialect, waited=timedelta(0))
        return status

    @property
    def asked(self) -> int:
        return self.capacity - len(self.own)

    def begin_to_ask(self) -> None:
        """An ask that is held, for all that this test sees of it."""
        keys: dict[str, Any] = {"worker_id": self.name, "capacity": str(self.asked)}
        if self.dialect == "server":
            keys = {"server_id": self.name, "requested_count": self.asked}
        status, _ = self.call("http_assign_streams", request=keys, dialect=self.dialect)
        assert status == HELD

    def ask_unheard(self, **more: Any) -> list[int]:
        """The answer does not arrive."""
        keys: dict[str, Any] = {"worker_id": self.name, "capacity": str(self.asked)}
        if self.dialect == "server":
            keys = {"server_id": self.name, "requested_count": self.asked}
        status, body = self.held("http_assign_streams", request=keys | more, dialect=self.dialect)
        assert status == 200, body
        ids: list[int] = body["assigned_streams"]
        return ids

    def ask(self, **more: Any) -> list[int]:
        ids = self.ask_unheard(**more)
        self.own += ids
        return ids

    def beat(self, load: int | None = None) -> None:
        load = len(self.own) if load is None else load
        keys = (
            {"server_id": self.name, "current_streams": load}
            if self.dialect == "server"
            else {"worker_instance_id": self.name, "current_load": load}
        )
        status, _ = self.call("http_heartbeat", request=keys, dialect=self.dialect)
        assert status == 200

    def release(self, *ids: Any) -> list[Any]:
        sent = list(ids)
        status, body = self.call("http_release_streams", request={"server_id": self.name, "stream_ids": sent})
        assert (status, body["status"], body["released_streams"]) == (200, "released", sent)
        for each in sent:
            if int(each) in self.own:
                self.own.remove(int(each))
        return sent

    def update(self, number: int, status: str) -> None:
        request = {"worker_instance_id": self.name, "stream_id": str(number), "status": status}
        assert self.call("http_update_stream", request=request)[0] == 200
        if status != "processing":
            self.own.remove(number)

    def start(self) -> list[int]:
        """As the current host starts: it registers twice and asks."""
        assert self.register() == self.register() == 200
        return self.ask()

    def live(self, seconds: int) -> None:
        """Ask every three seconds, beat every thirty."""
        for second in range(0, seconds, 3):
            self.fleet.clock.advance("3 seconds")
            self.ask()
            if second % 30 == 0:
                self.beat()

    @property
    def booked(self) -> set[int]:
        return numbers(self.fleet, self.name)


def numbers(fleet: Fleet, instance_id: str | None) -> set[int]:
    """What an instance has, by the numbers of the source; None: what waits."""
    rows = fleet.query(
        "select s.number from {p}.assignment as a join {p}.stream as s using (stream_id) "
        "where a.instance_id is not distinct from %s and a.state <> 'idle'",
        instance_id,
    )
    return {row["number"] for row in rows}


def add_numbered(fleet: Fleet, *numbers: int) -> None:
    for number in numbers:
        fleet.admin(
            "add_stream", url=f"http://radio.example/n{number}", name=f"Radio {number}", external_id=str(number)
        )
