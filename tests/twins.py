"""Workers that hear streams as standbys, and do as they are told."""

from dataclasses import dataclass, field
from typing import Any

from tests.fleet import Fleet, Row, Worker
from tests.support import digest_of


@dataclass
class Twin:
    """A worker of the fleet with what it hears as a standby: it does as it is told, as worker_shim does."""

    worker: Worker
    hearing: dict[int, int] = field(default_factory=dict)
    """Streams with their numbers."""
    told: list[Row] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.worker.instance_id

    def beat(self, **report: Any) -> list[Row]:
        return self.worker.beat(standbys=digest_of(self.hearing.items()), **report)

    def obey(self, **report: Any) -> list[Row]:
        self.told = self.beat(**report)
        self.follow(self.told)
        return self.told

    def follow(self, commands: list[Row]) -> None:
        owned = [row for row in commands if row["action"] in ("add", "remove")]
        for row in owned:
            if row["action"] == "add":
                self.hearing.pop(row["stream_id"], None)  # promoted in place
        named = {row["stream_id"] for row in commands if row["action"] == "standby"}
        for row in commands:
            if row["action"] == "standby_end":
                if row["stream_id"] == 0:
                    self.hearing = {k: v for k, v in self.hearing.items() if k in named}
                elif self.hearing.get(row["stream_id"]) == row["epoch"]:
                    del self.hearing[row["stream_id"]]
        new = {row["stream_id"]: row["epoch"] for row in commands if row["action"] == "standby"}
        self.hearing |= new
        if owned:
            self.worker.follow(owned)
        if new:
            self.worker.acknowledge(started=new)


def register_twin(fleet: Fleet, name: str, host: str | None, capacity: int = 20, **said: Any) -> Twin:
    metadata = {"standbys": True, "make_before_break": True} | said.pop("metadata", {})
    if host is not None:
        metadata["host"] = host
    return Twin(fleet.register(name, capacity, metadata=metadata, **said))


def rest(fleet: Fleet, twins: list[Twin], *, but: tuple[str, ...] = ()) -> None:
    for _ in range(10):
        placed = fleet.run("place_standbys")
        told = [t.obey() for t in twins if t.name not in but]
        if placed is None and not any(told):
            return
    raise AssertionError("the fleet does not come to rest")
