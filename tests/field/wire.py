"""What every double has in common: its time, its notes, and how it calls the orchestrator."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

Body = dict[str, Any]

CALL_TIMEOUT = 30.0


@dataclass(frozen=True)
class Pace:
    """Time in the field: `factor` of its seconds pass in one of ours. Nothing is skipped."""

    factor: float = 1.0

    def now(self) -> float:
        return time.monotonic() * self.factor

    def real(self, seconds: float) -> float:
        return seconds / self.factor

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(self.real(seconds))


class Notes:
    """What a process hears, and apart from that what it says: two files that outlive it and that others read.

    Lines of `heard`: time (CLOCK_MONOTONIC), then "begin", "end", "start INDEX" or "stop INDEX". Lines of `said` are
    JSON: a call with its answer, or a remark.
    """

    def __init__(self, path: Path) -> None:
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._heard = os.open(path.with_suffix(".heard"), how)
        self._said = os.open(path.with_suffix(".said"), how)

    def heard(self, what: str) -> None:
        os.write(self._heard, f"{time.monotonic():.6f} {what}\n".encode())

    def said(self, **facts: Any) -> None:
        os.write(self._said, json.dumps({"at": time.monotonic(), **facts}).encode() + b"\n")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Body | None = None
    query: Mapping[str, Any] | None = None


class Wire:
    """Calls, each tried once. The deployed modules take 200 with application/json for success, and nothing else."""

    def __init__(self, url: str, pace: Pace, notes: Notes, *, source: str | None, headers: Mapping[str, str]) -> None:
        self._url = url.rstrip("/")
        self._notes = notes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=(source, 0) if source else None),
            timeout=aiohttp.ClientTimeout(total=pace.real(CALL_TIMEOUT)),
            headers=headers,
        )

    async def call(self, request: Request) -> Body | None:
        """The body of a success; none for everything else."""
        sent, status, body, trouble = time.monotonic(), 0, None, ""
        try:
            async with self._session.request(
                request.method, self._url + request.path, json=request.body, params=request.query
            ) as response:
                status = response.status
                content = await response.json()
                body = content if isinstance(content, dict) else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            trouble = type(error).__name__
        self._notes.said(
            path=request.path,
            method=request.method,
            body=request.body,
            query=request.query,
            sent=sent,
            status=status,
            answer=body,
            **({"trouble": trouble} if trouble else {}),
        )
        return body if status == 200 and not trouble else None
