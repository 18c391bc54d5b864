"""Servers as processes of their own."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from orchestrator.http import server
from orchestrator.logs import log
from tests.driver.processes import wait_until


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class HttpServer:
    """A server, and a client of it.

    It is forked, because importing its libraries anew for each test would take longer than the tests.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        log_file: Path,
        *,
        options: server.Options | None = None,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.log = log_file
        chosen = server.Options(**{**vars(options or server.Options()), "port": self.port})
        self.process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(dsn, schema, log_file, chosen, dict(environment or {})), daemon=True
        )
        self.process.start()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=60)
        wait_until(self._answers, what=f"{self.url}/livez")

    def _answers(self) -> bool:
        assert self.process.is_alive(), self.log.read_text()
        try:
            return self.http.get("/livez").status_code == 200
        except httpx.TransportError:
            return False

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """What a request that has to succeed is answered with."""
        response = self.http.post(path, json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        response = self.http.get(path, params=query)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def stop(self) -> None:
        self.http.close()
        if self.process.is_alive():
            self.process.terminate()
        self.process.join(30)
        assert not self.process.is_alive()


def _serve(dsn: str, schema: str, log_file: Path, options: server.Options, environment: dict[str, str]) -> None:
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    log.set_up(level="DEBUG")
    server.serve(dsn, schema=schema, options=options, environment=environment)
