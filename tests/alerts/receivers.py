"""What stands at the other end of an alert: a webhook that behaves as told, and a mail server."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

from aiohttp import web
from aiosmtpd.controller import Controller

TOKEN = "hush-hush-token"
"""Stands in every address of these tests, and must never be seen again."""

Behaviour = Literal["answer", "refuse", "hang", "die"]


@dataclass
class Webhook:
    """Notes each message that reached it; then answers, refuses it with 500, says nothing until told, or dies in the
    middle of its answer."""

    behaviour: Behaviour = "answer"
    messages: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook/{TOKEN}"

    def told(self, word: str) -> int:
        """How many times the word stood in a message's text."""
        return sum(message["message"].count(word) for message in list(self.messages))

    def go_on(self) -> None:
        """Answer those who wait, and all from now on."""
        self.behaviour = "answer"
        self._loop.call_soon_threadsafe(self._go_on.set)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        self.messages.append(await request.json())
        behaviour = self.behaviour
        if behaviour == "hang":
            await self._go_on.wait()
        if behaviour == "refuse":
            return web.Response(status=500, text=f"no, {TOKEN}")
        if behaviour == "die":
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 20")
            request.transport.close()
        return web.Response(text="thanks")

    @contextmanager
    def running(self) -> Iterator["Webhook"]:
        application = web.Application()
        application.router.add_post("/hook/{token}", self._receive)
        runner = web.AppRunner(application, shutdown_timeout=0.1)

        async def start() -> None:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]

        self._loop.run_until_complete(start())
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            yield self
        finally:
            self.go_on()
            asyncio.run_coroutine_threadsafe(runner.cleanup(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()


class Mailbox:
    """A mail server; `refusal` is what it says to the text of a message, if anything."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusal: str | None = None

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        if self.refusal is not None:
            return self.refusal
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yields an apprise URL."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        controller = Controller(self, hostname="127.0.0.1", port=port)
        controller.start()
        try:
            yield f"mailto://127.0.0.1:{port}?from=orchestrator@example.org&to=night@example.org"
        finally:
            controller.stop()
