"""The stream of events: one connection for all readers, readers that vanish, servers and databases that come back."""

import re
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import httpx
import pytest
from playwright.sync_api import expect
from psycopg.conninfo import conninfo_to_dict

from orchestrator.http.access import Limits
from orchestrator.http.dashboard.live import Pace
from orchestrator.http.server import Options
from tests.dashboard.site import KEY, PATIENT, Site
from tests.driver.processes import wait_until
from tests.http.processes import HttpServer
from tests.pooler import Pooler, pgbouncer

_REQUEST = f"GET /dashboard/events HTTP/1.1\r\nHost: a\r\nX-API-Key: {KEY}\r\n\r\n".encode()


@dataclass
class _Reader:
    """Reads events, as barely as can be."""

    connection: socket.socket
    _unread: bytes = b""

    def until(self, text: str) -> str:
        """What comes up to a text, and the text."""
        end = time.monotonic() + 60
        while text.encode() not in self._unread:
            received = self.connection.recv(1 << 20)
            assert received and time.monotonic() < end, f"no {text!r} in {self._unread[-500:]!r}"
            self._unread += received
        read, _, self._unread = self._unread.partition(text.encode())
        return read.decode(errors="ignore") + text


@contextmanager
def _reader(server: HttpServer, *, buffer: int = 0) -> Iterator[_Reader]:
    with socket.socket() as connection:
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(_REQUEST)
        yield _Reader(connection)


def _vanish(connection: socket.socket) -> None:
    """Without a goodbye: the other side gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _move(site: Site, reason: str) -> None:
    """Something to see."""
    stream = site.fleet.view("streams", instance_id="fingerv7-001", state="running")[0]
    site.fleet.one("move_stream", stream_id=stream["stream_id"], instance_id="fingerv7-004", reason=reason)


@contextmanager
def _server(
    site: Site, name: str, *, pace: Pace = PATIENT, dsn: str = "", patience: float = 30.0
) -> Iterator[HttpServer]:
    """Another server of the same fleet."""
    other = HttpServer(
        dsn or site.dsn,
        site.fleet.database.names.api,
        site.log.with_name(f"{name}.log"),
        options=Options(pace=pace, limits=Limits(rate=0, patience=patience)),
        environment=site.environment,
    )
    try:
        yield other
    finally:
        other.stop()
    assert "Traceback" not in other.log.read_text(), other.log.read_text()


def test_all_readers_share_one_connection_and_none_is_held_without_one(site: Site) -> None:
    assert site.watchers() == 0
    with _reader(site.face) as one, _reader(site.face) as two:
        head = one.until("event: state")
        assert "content-type: text/event-stream" in head
        two.until("event: state")
        assert site.watchers() == 1
        _move(site, "for both")
        assert "for both" in one.until("for both")
        assert "for both" in two.until("for both")
        assert site.watchers() == 1
    wait_until(lambda: site.watchers() == 0, what="the connection is given back")


def test_only_what_changed_is_sent(site: Site) -> None:
    with _reader(site.face) as reader:
        reader.until('"jobs":')
        reader.until("}}\n\n")
        _move(site, "only this")
        later = reader.until("only this")
        assert '"decisions":' in later
        assert '"jobs":' not in later


def test_readers_that_vanish_harm_no_other_and_leave_nothing(site: Site) -> None:
    with site.page() as page:
        for round_number in range(3):
            connections = []
            for number in range(20):
                connection = socket.create_connection(("127.0.0.1", site.face.port))
                connection.sendall(_REQUEST[: 20 if number % 4 == 0 else None])
                if number % 4 == 1:
                    _Reader(connection).until("event: state")
                connections.append(connection)
            for number, connection in enumerate(connections):
                _vanish(connection) if number % 2 else connection.close()
            _move(site, f"after round {round_number}")
            expect(page.locator(".decisions")).to_contain_text(f"after round {round_number}")
        assert site.watchers() == 1
    wait_until(lambda: site.watchers() == 0, what="no reader is left")


def test_a_reader_that_takes_nothing_is_let_go_and_delays_no_other(site: Site) -> None:
    """More than any buffer of the system holds."""
    fleet = site.fleet
    fleet.query(
        "insert into {p}.alert (code, severity, message, opened_at, updated_at) "
        "values ('planted', 'info', repeat('x', 5000000), {p}.now(), {p}.now())"
    )
    try:
        with _server(site, "impatient", patience=1.0) as server, _reader(server, buffer=4096) as stuck:
            wait_until(lambda: site.watchers() == 1, what="the stuck one is read for")
            with _reader(server) as quick:
                quick.until("xxx")
                _move(site, "past the stuck one")
                quick.until("past the stuck one")
            wait_until(lambda: site.watchers() == 0, what="the stuck one is let go")
            with suppress(ConnectionError):
                while stuck.connection.recv(1 << 20):
                    pass
    finally:
        fleet.query("delete from {p}.alert where code = 'planted'")


def test_too_many_readers_are_put_off(site: Site) -> None:
    with _server(site, "small", pace=replace(PATIENT, readers=2)) as server:
        with _reader(server) as one, _reader(server) as two:
            one.until("event: state")
            two.until("event: state")
            refused = httpx.get(f"{server.url}/dashboard/events", headers={"X-API-Key": KEY})
            assert refused.status_code == 503
            assert refused.json()["title"] == "too many event streams"
            assert refused.headers["retry-after"]

        def is_let_in() -> bool:
            with _reader(server) as three:
                return "200" in three.until("\r\n")

        wait_until(is_let_in, what="there is room again")


def test_a_server_that_ends_lets_its_readers_go_at_once(site: Site) -> None:
    with _server(site, "ending") as server, _reader(server) as reader:
        reader.until("event: state")
        assert server.process.pid
        server.process.terminate()
        while reader.connection.recv(65536):
            pass
        server.process.join(30)
        assert server.process.exitcode in (0, -signal.SIGTERM)
        assert "graceful shutdown exceeded" not in server.log.read_text()


def test_a_page_comes_back_by_itself_when_the_server_does(site: Site) -> None:
    with site.page() as page:
        site.face.stop()
        expect(page.locator("#connection")).to_have_text("reconnecting")
        _move(site, "while the server was away")
        site.serve()
        expect(page.locator("#connection.live")).to_be_visible()
        expect(page.locator(".decisions")).to_contain_text("while the server was away")


def test_a_database_that_hangs_up_is_called_again(site: Site) -> None:
    """R5.1"""
    with site.page() as page:
        cut = site.fleet.query(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name in ('orchestrator:dashboard', 'orchestrator:http')"
        )
        assert len(cut) >= 2
        expect(page.locator("#alarm")).to_contain_text(re.compile("database cannot be reached.*as it was"))
        _move(site, "while it was away")
        expect(page.locator(".decisions")).to_contain_text("while it was away")
        expect(page.locator("#alarm")).to_be_hidden()
        expect(page.locator("#connection")).to_have_text("live")


def test_without_a_database_there_is_a_page_that_says_so(site: Site) -> None:
    with _server(site, "nowhere", dsn="host=/nowhere dbname=gone user=planted-user") as server:
        answer = httpx.get(server.url, headers={"X-API-Key": KEY})
        assert answer.status_code == 503
        assert "the database cannot be reached" in answer.text
        assert "planted-user" not in answer.text
        assert "text/html" in answer.headers["content-type"]
        with _reader(server) as reader:
            reader.until("the database cannot be reached")


@pytest.mark.skipif(pgbouncer() is None, reason="there is no PgBouncer (apt-get install pgbouncer)")
def test_behind_a_pooler_that_passes_no_notification_it_asks_by_itself(site: Site) -> None:
    given = conninfo_to_dict(site.fleet.database.dsn)
    with Pooler(str(given["host"]), str(given["port"]), str(given["user"])) as pooler:
        dsn = f"host={pooler.host} port={pooler.port} dbname={given['dbname']} user={given['user']}"
        with _server(site, "pooled", dsn=dsn, pace=replace(PATIENT, poll=0.2)) as server, _reader(server) as reader:
            reader.until("event: state")
            _move(site, "through the pooler")
            reader.until("through the pooler")
