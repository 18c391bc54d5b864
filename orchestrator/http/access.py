"""Which requests are admitted: API keys, whose page asks and under which name, the rate, the size of a body."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Scope

from orchestrator.http.hosts import is_loopback, without_port
from orchestrator.http.problems import Problem, bad_request
from orchestrator.logs import log

_REMEMBERED_ADDRESSES = 10_000


@dataclass(frozen=True)
class Limits:
    """What clients may ask. Bytes, requests per second by address (0: any number), seconds."""

    connections: int = 16_000
    """At once, of all clients. One that rests costs some 15 kB."""
    head: int = 16 * 1024
    """The request line and all headers."""
    body: int = 1024 * 1024
    list: int = 8 * 1024 * 1024
    """The body of a client that may send its whole list of streams, in which each may stand many times."""
    bodies: int = 256 * 1024 * 1024
    """All bodies that are being read."""
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


class Origins:
    """Which pages and which names of this server are admitted, so that a browser does nothing for a page of another's.

    A browser adds the password that it remembers to whatever a page sends, and asks under any name that a page had
    resolved to this host. What is no browser sends neither Origin nor Sec-Fetch-Site and is admitted.
    """

    def __init__(self, names: Iterable[str] = (), *, only_loopback: bool, acting_gets: Container[str] = ()) -> None:
        """`names`: by which this server is known, with a port or without one. `only_loopback`: it asks for no key, so
        only these names and those of its own host are admitted. `acting_gets`: paths of which a GET changes something.
        """
        self._names = frozenset(name.lower() for name in names)
        self._only_loopback = only_loopback
        self._acting_gets = acting_gets

    def admit(self, scope: Scope, headers: Headers) -> None:
        """Raises Problem (403, 421)."""
        host = headers.get("host", "").lower()
        if self._only_loopback and not self._is_admitted_name(host):
            raise Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "without an API key this server answers to names of its own host only",
                detail="ask 127.0.0.1 or localhost, or start the server with --allow-host NAME or with an API key",
            )
        if not self._is_own_page(scope, headers, host):
            raise Problem(HTTPStatus.FORBIDDEN, "asked by another site's page")

    def _is_admitted_name(self, host: str) -> bool:
        name = without_port(host)
        return is_loopback(name) or name.endswith(".localhost") or host in self._names or name in self._names

    def _is_own_page(self, scope: Scope, headers: Headers, host: str) -> bool:
        if site := headers.get("sec-fetch-site"):
            # The browser's own word. Another site's page may lead to the dashboard, which only shows, and shows itself
            # in no frame.
            is_followed_link = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
            return site in ("none", "same-origin") or is_followed_link
        if origin := headers.get("origin"):  # over plain HTTP a browser says no more, and not even this of an image
            scheme, _, page = origin.lower().partition("://")
            default = ":443" if scheme == "https" else ":80"
            is_asked = scheme == scope["scheme"] and page.removesuffix(default) == host.removesuffix(default)
            return is_asked or page in self._names
        return not (scope["path"] in self._acting_gets and headers.get("user-agent", "").startswith("Mozilla/"))


class Bodies:
    """Reads the bodies of requests, within the limit of each and one of all together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = 0
        """Of all that are being read."""

    async def read_json(self, request: Request, *, may_be_list: bool = False) -> dict[str, Any]:
        """The JSON object that a request carries; an empty body is an empty object.

        Raises:
            Problem: it is no JSON object, or another body; it is too large, or takes too long.
        """
        declared = request.headers.get("content-length", "0")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_empty = declared == "0" and "transfer-encoding" not in request.headers
        is_plain = request.headers.get("content-encoding", "identity").lower() == "identity"
        # Of a body without a type nothing is said, and a page of another site can send one.
        if not is_plain or (kind != "application/json" and (kind or not is_empty)):
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body has to be JSON", detail="application/json")
        most = max(self._limits.body, self._limits.list if may_be_list else 0)
        body = await self._read(request, declared, most)
        if not body:
            return {}
        try:
            value = json.loads(body, parse_constant=_refuse_constant)
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair can be written in JSON only
        except (ValueError, RecursionError):
            raise bad_request("body", "a JSON object") from None
        if not isinstance(value, dict):
            raise bad_request("body", "a JSON object")
        return value

    async def _read(self, request: Request, declared: str, most: int) -> bytes:
        too_large = Problem(
            HTTPStatus(413),
            "the body is too large",
            detail=f"at most {most} bytes",
            headers={"Connection": "close"},
        )
        if not declared.isdecimal() or int(declared) > most:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.patience):
                async for chunk in request.stream():
                    body += chunk
                    self._size += len(chunk)
                    if len(body) > most:
                        raise too_large
                    if self._size > self._limits.bodies:
                        raise Problem(
                            HTTPStatus.SERVICE_UNAVAILABLE,
                            "too many bodies are being read",
                            headers={"Connection": "close", "Retry-After": "5"},
                        )
        except TimeoutError:
            raise Problem(
                HTTPStatus.REQUEST_TIMEOUT, "the body took too long", headers={"Connection": "close"}
            ) from None
        except ClientDisconnect:
            raise Problem(HTTPStatus.BAD_REQUEST, "the client went away") from None
        finally:
            self._size -= len(body)
        return bytes(body)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
