"""A page of another's in a browser that knows this server: it sends no action, and asks under no other name."""

import base64
import select
from http import HTTPStatus

import pytest

from orchestrator.errors import BadArgument
from orchestrator.http import server
from orchestrator.http.access import Limits
from orchestrator.http.routes import ROUTES
from tests.driver.processes import wait_until
from tests.http.conftest import Serve
from tests.http.processes import HttpServer
from tests.http.raw import MIB, connection_to, status_of
from tests.support import Database

KEY = "planted-operators-key"
# What a browser adds by itself to whatever a page sends.
REMEMBERED = {"Authorization": f"Basic {base64.b64encode(f'any:{KEY}'.encode()).decode()}"}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}

ACTING = [(route.method, route.path.replace("{server_id}", "fv-1")) for route in ROUTES if route.acts] + [
    ("POST", "/dashboard/actions/pause")
]


def _refused_pages(face: HttpServer) -> dict[str, dict[str, str]]:
    """What browsers say of pages that are not this server's."""
    return {
        "another site's": {"Origin": "https://elsewhere.example"},
        "of another port": {"Origin": f"http://127.0.0.1:{face.port + 1}"},
        "of the usual port": {"Origin": "http://127.0.0.1"},
        "of another scheme": {"Origin": f"https://127.0.0.1:{face.port}"},
        "of another name": {"Origin": f"http://localhost:{face.port}"},
        "of a name that begins like it": {"Origin": f"http://127.0.0.1:{face.port}.elsewhere.example"},
        "without an origin": {"Origin": "null"},
        "of the same site, to an encrypted address": {"Sec-Fetch-Site": "same-site"},
        "another site's, to an encrypted address": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    }


@pytest.mark.parametrize("has_key", [True, False])
def test_a_page_of_anothers_does_nothing(serve: Serve, has_key: bool) -> None:
    face = serve(limits=Limits(rate=0), environment={"ORCHESTRATOR_API_KEYS": KEY} if has_key else {})
    headers = REMEMBERED | BROWSER if has_key else BROWSER
    for method, path in ACTING:
        for page, said in _refused_pages(face).items():
            refused = face.http.request(method, path, json={}, headers=headers | said)
            assert refused.status_code == HTTPStatus.FORBIDDEN, (method, path, page)
            assert refused.json()["title"] == "asked by another site's page"
    # an image, of a server that is asked without encryption, says nothing of its page
    asked = face.http.get("/api/streams/assign?worker_id=fv-1&capacity=5", headers=headers)
    assert asked.status_code == HTTPStatus.FORBIDDEN
    events = face.http.get("/dashboard/events", headers=headers | {"Origin": "https://elsewhere.example"})
    assert events.status_code == HTTPStatus.FORBIDDEN
    preflight = face.http.options("/rebalance", headers=headers | {"Origin": "https://elsewhere.example"})
    assert not any(name.startswith("access-control") for name in preflight.headers)


def test_programs_and_pages_of_this_server_are_answered(serve: Serve) -> None:
    face = serve(
        limits=Limits(rate=0),
        environment={
            "ORCHESTRATOR_API_KEYS": KEY,
            "ORCHESTRATOR_HTTP_HOSTS": "radio.example.org, radio.example.org:8443",
        },
    )
    own = {
        "a program": {},
        "its page": {"Origin": face.url},
        "its page, written otherwise": {"Origin": face.url.upper()},
        "a page of its name at a proxy": {"Origin": "https://radio.example.org"},
        "a page of its name and port at a proxy": {"Origin": "https://radio.example.org:8443"},
        "its page, as the browser says": {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.example"},
        "a proxy on this host": {
            "Host": "radio.example",
            "Origin": "https://radio.example",
            "X-Forwarded-Proto": "https",
        },
        "the usual port": {"Host": "radio.example:80", "Origin": "http://radio.example"},
    }
    for who, said in own.items():
        answer = face.http.post("/diagnostic", json={"server_id": "unknown"}, headers=REMEMBERED | said)
        assert answer.status_code == HTTPStatus.OK, (who, answer.text)
    others = face.http.post("/diagnostic", json={}, headers=REMEMBERED | {"Origin": "https://radio.example.org:9443"})
    assert others.status_code == HTTPStatus.FORBIDDEN
    forged = {"Origin": "https://elsewhere.example", "X-Forwarded-Host": "elsewhere.example"}
    assert face.http.post("/diagnostic", json={}, headers=REMEMBERED | forged).status_code == HTTPStatus.FORBIDDEN


def test_a_followed_link_shows_the_dashboard_and_does_nothing(serve: Serve) -> None:
    face = serve()
    link = BROWSER | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert face.http.get("/", headers=link).status_code == HTTPStatus.OK
    asked = face.http.get("/api/streams/assign?worker_id=fv-1&capacity=5", headers=link)
    assert asked.status_code == HTTPStatus.FORBIDDEN


# -- bodies ------------------------------------------------------------------------------------------------------------

TYPES = [
    ("application/json", 200), ("application/json; charset=utf-8", 200), ("Application/JSON;charset=UTF-8", 200),
    ("text/plain", 415), ("text/plain; application/json", 415), ("application/x-www-form-urlencoded", 415),
    ("multipart/form-data; boundary=application/json", 415), ("application/jsonp", 415), ("text/json", 415),
    ("application/octet-stream", 415), ("text/plain, application/json", 415), (None, 415),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "status"), TYPES)
def test_a_body_is_json_and_says_so(shared_face: HttpServer, kind: str | None, status: int) -> None:
    """A page can make a browser send text, forms, and what has no type; to send JSON it would have to ask first."""
    headers = {} if kind is None else {"Content-Type": kind}
    for content in (b'{"server_id": "http-1"}', iter([b'{"server_id": "http-1"}'])):
        answer = shared_face.http.post("/diagnostic", content=content, headers=headers)
        assert answer.status_code == status


def test_no_body_needs_no_type_and_a_form_without_fields_is_a_form(shared_face: HttpServer) -> None:
    assert shared_face.http.post("/rebalance").status_code == 200
    form = shared_face.http.post("/rebalance", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert form.status_code == 415


def test_a_compressed_body_is_refused(shared_face: HttpServer) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert shared_face.http.post("/rebalance", json={}, headers=headers).status_code == 415


# -- names -------------------------------------------------------------------------------------------------------------

ADMITTED = [
    "127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:80", "localhost.", "[::1]", "[::1]:8000", "127.1.2.3",
    "radio.localhost:8000", "orchestrator", "orchestrator:9000", "radio.example.org:8443",
]  # fmt: skip
REFUSED = [
    "elsewhere.example", "elsewhere.example:8000", "127.0.0.1.elsewhere.example", "localhost.elsewhere.example",
    "notlocalhost", "0.0.0.0", "192.0.2.1:8000", "[::]", "[2001:db8::1]:80", "localhost@elsewhere.example", "",
    "elsewhere.example:127.0.0.1", "127.0.0.1, elsewhere.example", "radio.example.org", "radio.example.org:80",
]  # fmt: skip


def test_without_a_key_only_names_of_this_host_are_answered(serve: Serve) -> None:
    """A page whose name its owner had resolved to this host, in the browser of somebody on it."""
    face = serve(limits=Limits(rate=0), names=("Orchestrator", "radio.example.org:8443"))
    for host in ADMITTED:
        assert face.http.get("/status", headers={"Host": host}).status_code == HTTPStatus.OK, host
    for host in REFUSED:
        for path in ("/status", "/livez", "/", "/dashboard/events"):
            refused = face.http.get(path, headers={"Host": host})
            assert refused.status_code == HTTPStatus.MISDIRECTED_REQUEST, host
            assert "--allow-host" in refused.json()["detail"]


def test_with_a_key_it_is_answered_under_any_name(serve: Serve) -> None:
    face = serve(environment={"ORCHESTRATOR_API_KEYS": KEY})
    answer = face.http.get("/status", headers={"Host": "orchestrator:8000", "X-API-Key": KEY})
    assert answer.status_code == HTTPStatus.OK


@pytest.mark.parametrize("name", ["https://radio.example.org", "*", "radio.example.org/", "a b", "a:b"])
def test_a_name_that_can_be_no_host_is_refused_at_the_start(database: Database, name: str) -> None:
    with pytest.raises(BadArgument, match="no name of a host"):
        server.serve(database.dsn, schema="orchestrator", options=server.Options(names=(name,)), environment={})


# -- many bodies -------------------------------------------------------------------------------------------------------


def test_many_bodies_have_a_limit_together(serve: Serve) -> None:
    """Each is just under the limit of one; what comes whole meanwhile is read."""
    face = serve(limits=Limits(rate=0, body=MIB, bodies=4 * MIB))
    head = b"POST /diagnostic HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    held = []
    for _ in range(8):
        connection = connection_to(face)
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % MIB + b"1" * (MIB - 1))
        held.append(connection)
    refused = set()

    def are_refused() -> bool:
        for number, connection in enumerate(held):
            if number not in refused and select.select([connection], [], [], 0)[0]:
                assert status_of(connection.recv(4096)) == HTTPStatus.SERVICE_UNAVAILABLE
                refused.add(number)
        return len(refused) >= 4

    wait_until(are_refused, what="the others are refused")
    for connection in held:
        connection.close()
    wait_until(
        lambda: face.http.post("/diagnostic", json={"server_id": "a"}).status_code == 200, what="bodies are read again"
    )
