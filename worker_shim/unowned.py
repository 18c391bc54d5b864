"""What a worker hears and does not own: streams on their way to it, and those whose standby it is.

To the supervisor both are prepared: their handlers keep what they hear, and go on when the stream becomes the worker's.
A standby is known by its number, which stands where an epoch would and is below zero. On its way a stream has the epoch
that it is going to have; one that is called off is a standby again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worker_shim.acknowledgements import Acknowledgements
from worker_shim.calls import Row
from worker_shim.context import WINDOW
from worker_shim.stream import Stream, digest_of
from worker_shim.supervisor import Supervisor

EVERY_STANDBY = 0  # the stream of a row that ends every standby which is not named beside it


class Unowned:
    """Follows what the database says of them, and says which of them are heard."""

    def __init__(self, supervisor: Supervisor, acknowledgements: Acknowledgements, takes_standbys: bool) -> None:
        self.window = WINDOW
        self._supervisor = supervisor
        self._acknowledgements = acknowledgements
        self._takes_standbys = takes_standbys
        self._on_the_way: set[int] = set()
        self._numbers: dict[int, int] = {}  # of the streams whose standby this worker is
        self._heard: set[Stream] = set()

    @property
    def standbys(self) -> list[Stream]:
        """The streams whose standby this worker is, but those that are on their way to it. From any thread."""
        prepared, on_the_way = self._supervisor.prepared.copy(), self._on_the_way.copy()
        return [prepared[each] for each in self._numbers.copy() if each in prepared and each not in on_the_way]

    @property
    def are_due(self) -> bool:
        """Whether any stream on its way is heard, so that the next answer makes it this worker's."""
        return any(stream.stream_id in self._on_the_way for stream in self._heard)

    def report(self) -> dict[str, Any]:
        """What a beat tells of standbys; nothing where there are to be none."""
        self._forget()
        told = {"standbys": digest_of(self._numbers.items()), "standby_window": self.window}
        return told if self._takes_standbys else {}

    # -- Streams on their way -------------------------------------------------

    def prepare(self, rows: Sequence[Row]) -> None:
        """Hear what is on its way; a standby goes on."""
        self._forget()
        for row in rows:
            if row["action"] == "prepare":
                stream_id, is_new = row["stream_id"], row["stream_id"] not in self._on_the_way
                self._supervisor.prepare(Stream.of(row))
                self._on_the_way.add(stream_id)
                if is_new:
                    self._say_again({stream_id})

    def prepare_only(self, rows: Sequence[Row]) -> None:
        """Hear what is on its way; what was called off is not named any more, what is ours now is to be added."""
        self._forget()
        prepared = self._supervisor.prepared
        named = {row["stream_id"] for row in rows if row["action"] in ("prepare", "add", "adopt")}
        for stream_id in prepared.keys() - named:
            if stream_id in self._numbers:
                prepared[stream_id].adopt(self._numbers[stream_id])
            else:
                self._supervisor.prepare_no_more(stream_id)
        self._on_the_way &= named
        self.prepare(rows)
        self._say_again(self._on_the_way)  # that it was told before may have been lost

    # -- Standbys -------------------------------------------------------------

    def stand_by(self, rows: Sequence[Row]) -> bool:
        """Begin and end as the standby of streams; what is not named stays. False when nothing is new."""
        if not self._takes_standbys:
            return False
        self._forget()
        for row in rows:
            if row["action"] == "notice":
                self.window = float((row["metadata"] or {}).get("standby_window", self.window))
        named = {row["stream_id"] for row in rows if row["action"] == "standby"}
        ended = {
            stream_id
            for row in rows
            if row["action"] == "standby_end"
            for stream_id, number in self._numbers.items()
            if row["stream_id"] == EVERY_STANDBY or (row["stream_id"], row["epoch"]) == (stream_id, number)
        } - named
        for stream_id in ended:
            self._end(stream_id)
        begun = [self._begin(Stream.of(row)) for row in rows if row["action"] == "standby"]
        return bool(ended) or any(begun)

    def end_standbys(self) -> None:
        """The worker leaves."""
        for stream_id in list(self._numbers):
            self._end(stream_id)

    def say_again(self) -> None:
        """Which standbys hear their streams; the database may be another than before the connection was lost."""
        self._forget()
        self._say_again(self._numbers.keys())

    def _begin(self, stream: Stream) -> bool:
        stream_id = stream.stream_id
        if stream_id in self._supervisor.held:
            return False  # it is to be removed first; the next beat says this again
        is_new = self._numbers.get(stream_id) != stream.epoch
        self._numbers[stream_id] = stream.epoch
        if stream_id not in self._on_the_way:
            self._supervisor.prepare(stream)
            self._say_again({stream_id})
        return is_new

    def _end(self, stream_id: int) -> None:
        del self._numbers[stream_id]
        if stream_id not in self._on_the_way:
            self._supervisor.prepare_no_more(stream_id)

    # -- Handlers -------------------------------------------------------------

    def hears(self, stream: Stream) -> None:
        """The handler is ready."""
        if self._supervisor.prepared.get(stream.stream_id) is stream and stream not in self._heard:
            self._heard.add(stream)
            self._acknowledgements.started(stream)

    def interrupted(self, stream: Stream) -> None:
        """The handler has ended by itself, and is started again."""
        self._heard.discard(stream)
        if self._supervisor.prepared.get(stream.stream_id) is stream:
            self._acknowledgements.unheard(stream)

    def _say_again(self, stream_ids: Any) -> None:
        for stream in self._heard:
            if stream.stream_id in stream_ids:
                self._acknowledgements.started(stream)

    def _forget(self) -> None:
        """What has become the worker's own, or was let go of."""
        prepared = self._supervisor.prepared
        self._numbers = {stream_id: self._numbers[stream_id] for stream_id in self._numbers.keys() & prepared.keys()}
        self._on_the_way &= prepared.keys()
        self._heard &= set(prepared.values())
