"""The way from the clients to the servers, in our hands: it can be cut, and single tries can be refused."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PASSED_ON = ("Content-Type", "Authorization", "User-Agent", "X-API-Key")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed in the middle of their calls."""


class Way:
    """Passes each request to one of the servers, in turn, and says where it came from (X-Forwarded-For)."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._lock = threading.Lock()
        self._away = False
        self._cut_off: set[str] = set()
        self._refused_tries = 0
        self._tries: Counter[tuple[str, str, str]] = Counter()
        self._turn = 0
        way = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                way._pass(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def cut(self) -> None:
        """The server is away: each connection is closed without an answer."""
        self._away = True

    def cut_off(self, address: str) -> None:
        """The same for one address alone."""
        self._cut_off.add(address)

    def heal(self) -> None:
        self._away = False
        self._cut_off.clear()

    def refuse_first_tries(self, tries: int) -> None:
        """503 to so many tries of each call, which the next one after them passes; 0 for none."""
        with self._lock:
            self._refused_tries = tries
            self._tries.clear()

    def serve_from(self, *ports: int) -> None:
        with self._lock:
            self._ports = list(ports)

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _is_cut(self, handler: BaseHTTPRequestHandler) -> bool:
        return self._away or handler.client_address[0] in self._cut_off

    def _refuses(self, handler: BaseHTTPRequestHandler) -> bool:
        if not self._refused_tries:
            return False
        call = handler.client_address[0], handler.command, handler.path.partition("?")[0]
        with self._lock:
            self._tries[call] += 1
            return self._tries[call] % (self._refused_tries + 1) != 0

    def _pass(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if self._is_cut(handler):
            handler.close_connection = True
            return
        if self._refuses(handler):
            status, kind, answer = 503, "application/problem+json", b'{"title": "busy", "status": 503}'
        else:
            with self._lock:
                self._turn += 1
                port = self._ports[self._turn % len(self._ports)]
            try:
                status, kind, answer = self._ask(port, handler, content)
            except (OSError, http.client.HTTPException):
                handler.close_connection = True
                return
        if self._is_cut(handler):  # what was under way is not answered either
            handler.close_connection = True
            return
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer)
        except OSError:
            handler.close_connection = True

    @staticmethod
    def _ask(port: int, handler: BaseHTTPRequestHandler, content: bytes) -> tuple[int, str, bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            headers = {name: handler.headers[name] for name in _PASSED_ON if name in handler.headers}
            headers["X-Forwarded-For"] = handler.client_address[0]
            upstream.request(handler.command, handler.path, content or None, headers)
            response = upstream.getresponse()
            return response.status, response.headers.get("Content-Type", ""), response.read()
        finally:
            upstream.close()
