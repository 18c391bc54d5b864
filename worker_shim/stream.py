"""A stream as a worker sees it, and the digest of a set of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Stream:
    """A stream given to this worker under an epoch.

    The epoch grows with each change of hands. Write it beside each result: the fence compares it. It may grow while the
    handler goes on, when the database has begun a new generation (after a restart, a restore or a promotion): keep the
    stream beside what waits to be written, and read its epoch when it is. Once the stream is another's it stays.
    """

    stream_id: int
    epoch: int = field(hash=False)
    name: str
    url: str
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Stream:
        """The stream in a row of get_assignments, heartbeat or report_streams."""
        return cls(row["stream_id"], row["epoch"], row["name"], row["url"], row["metadata"] or {})

    def adopt(self, epoch: int) -> None:
        """From now on the same ownership has this epoch. For the worker alone."""
        object.__setattr__(self, "epoch", epoch)


def digest(streams: Iterable[Stream]) -> int:
    """Xor of the first 8 bytes of md5('stream_id:epoch'), each a signed big-endian integer; 0 for no streams.

    The database computes the same, so equal digests mean equal sets without sending them.
    """
    return digest_of((stream.stream_id, stream.epoch) for stream in streams)


def digest_of(pairs: Iterable[tuple[int, int]]) -> int:
    """The digest of stream ids, each with an epoch, or with the number of a standby."""
    result = 0
    for stream_id, epoch in pairs:
        content = f"{stream_id}:{epoch}".encode()
        result ^= int.from_bytes(hashlib.md5(content, usedforsecurity=False).digest()[:8], "big", signed=True)
    return result
