"""Which requests are admitted: API keys, the rate of requests, the size of a body."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from orchestrator.http.problems import Problem, bad_request
from orchestrator.logs import log

_REMEMBERED_ADDRESSES = 10_000


@dataclass(frozen=True)
class Limits:
    """What one client may ask. Bytes, requests per second by address (0: any number), seconds."""

    body: int = 1024 * 1024
    list: int = 8 * 1024 * 1024
    """The body of a client that may send its whole list of streams, in which each may stand many times."""
    rate: float = 100.0
    patience: float = 30.0
    """How long a client may take to send its request."""


class Keys:
    """The API keys: those given at the start, and those in a file, which is read again when it changes.

    One key a line; empty lines and lines that begin with # do not count. A file that cannot be read leaves the keys as
    they are.
    """

    def __init__(self, given: Iterable[str] = (), file: Path | None = None) -> None:
        self._given = [_digest(key) for key in given]
        self._file = file
        self._seen: tuple[int, ...] | None = None
        self._from_file: list[bytes] = []

    @property
    def are_required(self) -> bool:
        """A file without a key admits no request."""
        return bool(self._given) or self._file is not None

    def accept(self, headers: Headers) -> bool:
        """Whether a request shows one of the keys; takes as long for each."""
        self._read_file()
        shown = _digest(_shown(headers))
        return any([hmac.compare_digest(shown, key) for key in (*self._given, *self._from_file)])

    def _read_file(self) -> None:
        if self._file is None:
            return
        try:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                lines = (line.strip() for line in self._file.read_text().splitlines())
                self._from_file = [_digest(line) for line in lines if line and not line.startswith("#")]
                self._seen = seen
                log.get_logger("STARTUP").info("API keys read", file=str(self._file), keys=len(self._from_file))
        except (OSError, UnicodeDecodeError) as error:
            log.get_logger("ERROR").error("API keys cannot be read", file=str(self._file), error=str(error))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _shown(headers: Headers) -> str:
    """The key that a request shows: X-API-Key, a bearer token, or the password of http://any:KEY@host."""
    if key := headers.get("x-api-key"):
        return key
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


class Rate:
    """A bucket of tokens for each address: `rate` a second, twice as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, address: str, cost: float = 1) -> None:
        """Raises Problem (429) when the address asks too much."""
        if not self._rate:
            return
        now = time.monotonic()
        tokens, at = self._buckets.pop(address, (2 * self._rate, now))
        tokens = min(2 * self._rate, tokens + (now - at) * self._rate)
        self._buckets[address] = (tokens - cost if tokens >= cost else tokens, now)
        if len(self._buckets) > _REMEMBERED_ADDRESSES:
            self._buckets.popitem(last=False)
        if tokens < cost:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many requests",
                detail=f"at most {self._rate:g} a second from one address",
                headers={"Retry-After": "1"},
            )


async def read_json(request: Request, limits: Limits, most: int | None = None) -> dict[str, Any]:
    """The JSON object that a request carries, of so many bytes at most; an empty body is an empty object."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body has to be JSON", detail="application/json")
    body = await _read(request, limits, max(limits.body, most or 0))
    if not body:
        return {}
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair can be written in JSON, and nowhere else
    except (ValueError, RecursionError):
        raise bad_request("body", "a JSON object") from None
    if not isinstance(value, dict):
        raise bad_request("body", "a JSON object")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


async def _read(request: Request, limits: Limits, most: int) -> bytes:
    too_large = Problem(
        HTTPStatus(413),
        "the body is too large",
        detail=f"at most {most} bytes",
        headers={"Connection": "close"},
    )
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.patience):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the body took too long", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, "the client went away") from None
    return bytes(body)
