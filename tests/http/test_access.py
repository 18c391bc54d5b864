"""Who may ask, and that a client that asks too much harms no other."""

import base64
import resource
import socket
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from orchestrator.errors import BadArgument
from orchestrator.http import server
from orchestrator.http.access import Keys, Limits
from tests.driver.processes import wait_until
from tests.http.conftest import Serve
from tests.support import Database


def test_every_way_of_showing_a_key_lets_in_and_nothing_else_does(serve: Serve) -> None:
    face = serve(environment={"ORCHESTRATOR_API_KEYS": "first-key, second-key"})
    basic = base64.b64encode(b"fingerv7:second-key").decode()
    good = [
        {"X-API-Key": "first-key"},
        {"Authorization": "Bearer second-key"},
        {"Authorization": f"Basic {basic}"},
    ]
    bad = [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "first-ke"},
        {"X-API-Key": "first-key,second-key"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Digest second-key"},
    ]
    for headers in good:
        assert face.http.get("/status", headers=headers).status_code == 200
    for headers in bad:
        refused = face.http.get("/status", headers=headers)
        assert refused.status_code == 401, headers
        assert "www-authenticate" in refused.headers
        assert refused.json()["title"] == "an API key is needed"
        assert face.http.post("/register", json={}, headers=headers).status_code == 401
        assert face.http.get("/openapi.json", headers=headers).status_code == 401
        assert face.http.get("/nothing", headers=headers).status_code == 401
    assert face.http.get("/livez").status_code == face.http.get("/readyz").status_code == 200
    with httpx.Client(base_url=f"http://any:first-key@127.0.0.1:{face.port}") as client:
        assert client.get("/status").status_code == 200, "as an old client's ORCHESTRATOR_URL can be written"
    assert "second-key" not in face.log.read_text()


def test_a_key_is_compared_with_all_keys_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def remember(shown: bytes, key: bytes) -> bool:
        compared.append((shown, key))
        return shown == key

    monkeypatch.setattr("orchestrator.http.access.hmac.compare_digest", remember)
    keys = Keys(["first-key", "second-key", "third-key"])
    for shown, is_one in (("first-key", True), ("third-key", True), ("first-ke", False), ("", False)):
        compared.clear()
        assert keys.accept(Headers({"x-api-key": shown})) is is_one
        assert len({key for _, key in compared}) == 3
        assert {len(digest) for pair in compared for digest in pair} == {32}, "digests, of one length"


def test_keys_in_a_file_are_rotated_without_a_restart(serve: Serve, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# the first\nold-key\n\n")
    face = serve(keys_file=keys)

    def status(key: str) -> int:
        return face.http.get("/status", headers={"X-API-Key": key}).status_code

    assert (status("old-key"), status("new-key"), status("# the first")) == (200, 401, 401)
    keys.write_text("old-key\nnew-key\n")
    assert (status("old-key"), status("new-key")) == (200, 200)
    keys.write_text("new-key\n")
    assert (status("old-key"), status("new-key")) == (401, 200)
    keys.unlink()
    assert status("new-key") == 200, "a file that is gone for a moment locks no one out"
    keys.write_text("")
    assert status("new-key") == 401, "a file without a key lets no one in"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "orchestrator.example"])
def test_without_a_key_only_this_host_may_ask(host: str, database: Database) -> None:
    with pytest.raises(BadArgument, match="without an API key"):
        server.serve(database.dsn, schema="orchestrator", options=server.Options(host=host), environment={})


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(serve: Serve) -> None:
    face = serve(limits=Limits(rate=0))
    ten_megabytes = b'{"a": "' + b"x" * 10 * 1024 * 1024 + b'"}'

    def chunks() -> object:
        for at in range(0, len(ten_megabytes), 65536):
            yield ten_megabytes[at : at + 65536]

    for content in (ten_megabytes, chunks()):
        try:
            refused = face.http.post("/heartbeat", content=content, headers={"Content-Type": "application/json"})  # type: ignore[arg-type]  # a generator of bytes
        except httpx.TransportError:
            continue  # it was cut off while it still sent
        assert refused.status_code == 413
    assert face.http.get("/status").status_code == 200


def test_an_address_that_asks_too_often_is_put_off_and_others_are_not(serve: Serve) -> None:
    face = serve(limits=Limits(rate=5))  # a client that asks 200 times in a row asks faster than that
    asked = [face.http.get("/livez") for _ in range(200)]
    assert [answer.status_code for answer in asked[:8]] == [200] * 8
    refused = next((answer for answer in asked if answer.status_code != 200), None)
    assert refused is not None
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    with httpx.Client(base_url=face.url, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as other:
        assert other.get("/status").status_code == 200
    wait_until(lambda: face.http.get("/status").status_code == 200, what="it may ask again")


def test_slow_clients_are_cut_off_and_harm_no_other(serve: Serve) -> None:
    """Heads that never end, bodies that never come, connections that say nothing: 10,000 of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    face = serve(limits=Limits(rate=0, patience=5.0))
    beginnings = [
        b"",
        b"GET /status HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{",
        # answered before its body comes: there is no such route, and a body has a type
        b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        b"POST /heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    ]
    slow = []
    for number in range(min(10_000, hard - 1_000)):
        connection = socket.create_connection(("127.0.0.1", face.port))
        connection.sendall(beginnings[number % len(beginnings)])
        slow.append(connection)
    assert face.http.get("/status").status_code == 200

    def is_cut_off(connection: socket.socket) -> bool:
        connection.setblocking(False)
        try:
            while received := connection.recv(65536):
                assert b" 408 " in received or b"request_id" in received, received
        except BlockingIOError:
            return False
        except ConnectionError:
            pass
        return True

    for connection in slow:
        wait_until(lambda connection=connection: is_cut_off(connection), what="a slow client is cut off")  # type: ignore[misc]  # bound now
        connection.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert face.http.get("/status").status_code == 200


def test_a_head_that_drips_is_cut_off_and_a_client_that_rests_is_not(serve: Serve) -> None:
    face = serve(limits=Limits(rate=0, patience=1.0))
    resting = httpx.Client(base_url=face.url)
    assert resting.get("/livez").status_code == 200
    with socket.create_connection(("127.0.0.1", face.port)) as dripping:
        dripping.sendall(b"GET /livez HTTP/1.1\r\n")
        dripping.settimeout(0.05)

        def is_cut_off() -> bool:
            try:
                dripping.sendall(b"X")
                return dripping.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(is_cut_off, what="the connection ends")
    [kept] = resting._transport._pool.connections  # type: ignore[attr-defined]  # whether it is still the same connection
    assert resting.get("/livez").status_code == 200
    assert resting._transport._pool.connections == [kept]  # type: ignore[attr-defined]  # as above
    resting.close()


def test_a_request_keeps_its_id_through_the_log(serve: Serve) -> None:
    face = serve()
    given = face.http.post("/heartbeat", json={"instance_id": "unknown"}, headers={"X-Request-Id": "beat-42"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "beat-42"
    assert any("beat-42" in line and "OR103" in line for line in face.log.read_text().splitlines())
    made = face.http.get("/status", headers={"X-Request-Id": "a b"}).headers["x-request-id"]
    assert len(made) == 32
