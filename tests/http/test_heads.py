"""What a request may take of the server before anything is known of it: no key, no name, no rate."""

import resource
import select
from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from orchestrator.http.access import Limits
from tests.driver.processes import wait_until
from tests.http.conftest import Serve
from tests.http.processes import HttpServer
from tests.http.raw import MIB, answer_to, connection_to, memory_of, status_of

# What a stranger sends of each kind; the limit of a head is far below.
_SENT = 400 * MIB
_GROWTH = 32
"""MiB that a server may grow by, whatever it is sent."""

_PIECE = 256 * 1024
_HOST = b"Host: localhost\r\n"
_POST = b"POST /heartbeat HTTP/1.1\r\n" + _HOST + b"Content-Type: application/json\r\n"
_LIVEZ = b"GET /livez HTTP/1.1\r\n" + _HOST + b"Connection: close\r\n\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"


def _many(piece: bytes) -> Iterator[bytes]:
    return repeat(piece, _SENT // len(piece))


def _headers(size: int) -> Iterator[bytes]:
    """So many short headers."""
    return _many(b"a:\r\n" * (size // 4))


ENDLESS = {
    "a request line": chain([b"GET /"], _many(b"a" * _PIECE)),
    "a method": _many(b"A" * _PIECE),
    "one header's value": chain([b"GET /livez HTTP/1.1\r\n" + _HOST + b"X-A: "], _many(b"a" * _PIECE)),
    "one header's name": chain([b"GET /livez HTTP/1.1\r\n" + _HOST], _many(b"a" * _PIECE)),
    "a header of spaces": chain([b"GET /livez HTTP/1.1\r\n" + _HOST + b"X-A: "], _many(b" " * _PIECE)),
    "headers of a kilobyte": chain(
        [b"GET /livez HTTP/1.1\r\n" + _HOST], _many((b"X-A: " + b"a" * 1017 + b"\r\n") * 256)
    ),
    "many headers": chain([b"GET /livez HTTP/1.1\r\n" + _HOST], _headers(_PIECE)),
    "empty lines": _many(b"\r\n" * (_PIECE // 2)),
    "the head of an upgrade": chain(
        [b"GET /livez HTTP/1.1\r\n" + _HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\nX-A: "],
        _many(b"a" * _PIECE),
    ),
    "a chunk's extension": chain([_CHUNKED + b"1;a="], _many(b"a" * _PIECE)),
    "a trailer": chain([_CHUNKED + b"2\r\n{}\r\n0\r\nX-A: "], _many(b"a" * _PIECE)),
    "many trailers": chain([_CHUNKED + b"2\r\n{}\r\n0\r\n"], _headers(_PIECE)),
    "a body without a length": chain([_CHUNKED], _many(b"10000\r\n" + b"1" * 0x10000 + b"\r\n")),
    "a body that says its length": chain(
        [
            b"POST /heartbeat HTTP/1.1\r\n"
            + _HOST
            + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % _SENT
        ],
        _many(b"1" * _PIECE),
    ),
    "requests that wait for no answer": chain(
        [b"POST /register HTTP/1.1\r\n" + _HOST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"],
        _many((b"GET /livez HTTP/1.1\r\n" + _HOST + b"\r\n") * 6000),
    ),
}
# The others are answered 431.
_ANSWERS: dict[str, set[int | None]] = {
    "a method": {400},
    "a body without a length": {413},
    "a body that says its length": {413},
    "requests that wait for no answer": {None, 400, 429},
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_has_no_end_is_refused_and_takes_no_memory(serve: Serve, kind: str) -> None:
    face = serve(limits=Limits(rate=0))
    before = memory_of(face)
    answer, sent = answer_to(face, ENDLESS[kind])
    assert memory_of(face) < before + _GROWTH, f"{sent / MIB:.0f} MiB were taken"
    assert status_of(answer) in _ANSWERS.get(kind, {431}), answer[:200]
    assert face.http.get("/livez").status_code == 200


@pytest.mark.parametrize("count", [99, 100, 101])
def test_the_number_of_headers_has_a_limit(shared_face: HttpServer, count: int) -> None:
    head = b"GET /livez HTTP/1.1\r\n" + _HOST + b"a: b\r\n" * (count - 2) + b"Connection: close\r\n\r\n"
    assert status_of(answer_to(shared_face, [head])[0]) == (200 if count <= 100 else 431)


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_a_head_is_as_large_as_it_is_however_it_arrives(shared_face: HttpServer, size: int) -> None:
    """In pieces of any size, and behind another request."""
    first = b"POST /heartbeat HTTP/1.1\r\n" + _HOST + b"Content-Length: 0\r\n\r\n"
    for length, status in ((15_000, 200), (16_500, 431)):
        head = b"GET /livez HTTP/1.1\r\n" + _HOST + b"Connection: close\r\nX-A: " + b"a" * length + b"\r\n\r\n"
        pieces = [head[at : at + size] for at in range(0, len(head), size)]
        assert status_of(answer_to(shared_face, pieces)[0]) == status
        answers, _ = answer_to(shared_face, [first + head])
        assert answers.count(b"HTTP/1.1 ") == (2 if status == 200 else 1)


def test_many_heads_that_are_not_whole_have_a_limit_together(serve: Serve) -> None:
    """Each is just under the limit of one. A client whose head arrives whole is answered meanwhile."""
    face = serve(limits=Limits(rate=0))
    before = memory_of(face)
    unfinished = b"GET /livez HTTP/1.1\r\n" + _HOST + b"X-A: " + b"a" * 16_000
    held = []
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    refused = 0
    for _ in range(8_000):
        connection = connection_to(face)
        connection.sendall(unfinished)
        held.append(connection)
    assert face.http.get("/livez").status_code == 200
    for connection in held:
        connection.settimeout(0.01)
        try:
            answer = connection.recv(4096)
            refused += status_of(answer) == 503
        except TimeoutError:
            pass
        connection.close()
    assert refused > 3_000
    assert memory_of(face) < before + 400
    assert face.http.get("/livez").status_code == 200


def test_the_number_of_connections_has_a_limit(serve: Serve) -> None:
    face = serve(limits=Limits(rate=0, connections=20))
    held = [connection_to(face) for _ in range(40)]

    def ended() -> int:
        return sum(bool(select.select([connection], [], [], 0)[0]) for connection in held)

    wait_until(lambda: ended() >= 20, what="the others are ended")
    assert ended() < 25
    for connection in held:
        connection.close()
    wait_until(lambda: status_of(answer_to(face, [_LIVEZ])[0]) == 200, what="there is room again")
