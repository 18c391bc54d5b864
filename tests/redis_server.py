"""A real redis-server on a port of the loopback, with a password, for as long as a test lasts."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from orchestrator.lab.waiting import wait_until

# planted: with the characters that an address has to encode
PASSWORD = "hush/5@:" + secrets.token_hex(4)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


@dataclass
class RedisServer:
    within: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "Debian's redis-server is not installed"
        # read from its input, so that no process list has the password
        options = (
            f'port {self.port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nsave ""\nappendonly no\ndir {self.within}\n'
            "daemonize no\n"
        )
        with (self.within / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert self.process.stdin is not None
        self.process.stdin.write(options.encode())
        self.process.stdin.close()
        wait_until(self._answers, seconds=30, what="redis-server answers")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.within / "redis.log").read_text()
        with suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        return redis.Redis(
            host="127.0.0.1", port=self.port, password=PASSWORD, decode_responses=True, socket_timeout=10
        )

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
