"""A server that answers what a test says, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Body = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    body: Any = field(default_factory=dict)
    status: int = 200
    content_type: str = "application/json"
    hold: float = 0.0
    """Real seconds before it is given."""


@dataclass(frozen=True)
class Asked:
    at: float
    address: str
    path: str
    body: Body
    query: dict[str, str]
    headers: dict[str, str]


Rule = Callable[[Asked], Reply]


def refused(status: int = 503) -> Reply:
    return Reply({"title": "refused", "status": status}, status, "application/problem+json")


def assigned(*ids: int | str) -> Reply:
    streams = [{"stream_id": str(each), "id": each, "url": f"http://radio.example/{each}"} for each in ids]
    return Reply({"status": "assigned", "assigned_streams": list(ids), "count": len(ids), "streams": streams})


NOTHING = Reply({"status": "no_streams", "assigned_streams": [], "message": "ask again later", "streams": []})


def echo(asked: Asked) -> Reply:
    return Reply({"status": "released", "released_streams": asked.body["stream_ids"]})


def unique_echo(asked: Asked) -> Reply:
    return Reply({"status": "released", "released_streams": sorted(set(asked.body["stream_ids"]))})


GOOD: dict[str, list[Reply] | Rule] = {
    "/api/workers/register": [Reply({"success": True})],
    "/register": [Reply({"status": "registered"})],
    "/api/heartbeat": [Reply({"success": True, "status": "acknowledged"})],
    "/heartbeat": [Reply({"status": "heartbeat_updated"})],
    "/streams/release": echo,
    "/api/streams/update": [Reply({"success": True})],
    "/health": [Reply({"status": "healthy"})],
    "/api/streams/assign": [NOTHING],
    "/streams/assign": [NOTHING],
}
"""What an orchestrator answers that has no streams."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed in the middle of their calls."""


class Scripted:
    """By path: replies one after the other, of which the last stays, or a rule. Others are 404."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str, list[Reply] | Rule] = dict(GOOD)
        self.asked: list[Asked] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                scripted._answer(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def say(self, path: str, *replies: Reply) -> None:
        """From now on."""
        with self._lock:
            self._rules[path] = list(replies)

    def rule(self, path: str, rule: Rule) -> None:
        with self._lock:
            self._rules[path] = rule

    def refuse_all(self, status: int = 503) -> dict[str, list[Reply] | Rule]:
        """Nothing succeeds any more; what `restore` takes."""
        with self._lock:
            before, self._rules = self._rules, defaultdict(lambda: [refused(status)])
            return before

    def restore(self, rules: dict[str, list[Reply] | Rule]) -> None:
        with self._lock:
            self._rules = rules

    def asks(self, path: str, *, since: float = 0.0) -> list[Asked]:
        with self._lock:
            return [each for each in self.asked if each.path == path and each.at >= since]

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        target = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        asked = Asked(
            time.monotonic(),
            handler.client_address[0],
            target.path,
            json.loads(content) if content else {},
            dict(parse_qsl(target.query)),
            dict(handler.headers),
        )
        with self._lock:
            self.asked.append(asked)
            reply = self._reply(asked)
        time.sleep(reply.hold)
        text = json.dumps(reply.body).encode()
        try:
            handler.send_response(reply.status)
            handler.send_header("Content-Type", reply.content_type)
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)
        except OSError:
            handler.close_connection = True  # who asked did not wait

    def _reply(self, asked: Asked) -> Reply:
        try:
            rule: Sequence[Reply] | Rule = self._rules[asked.path]
        except KeyError:
            return refused(404)
        if callable(rule):
            return rule(asked)
        return rule.pop(0) if isinstance(rule, list) and len(rule) > 1 else rule[0]
