"""The host programs: what makes a process of a client module, and which stations it hears."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NoReturn

from tests.field.hearing import Hearing, StreamId, Table
from tests.field.production import write_heartbeat
from tests.field.resilient import Identity, Resilient, ServerSpeech, WorkerSpeech
from tests.field.server_module import CHECK_EVERY, ServerModule, WorkerModule
from tests.field.wire import Notes, Pace, Wire

ASK_EVERY = 3.0
BEAT_EVERY = 30.0, 60.0
PRODUCTION_BEAT_EVERY = 60.0
RESTART_AFTER = 30 * 60.0, 31 * 60.0
GONE_AFTER = 2.0, 6.0


@dataclass(frozen=True)
class Setup:
    """What a host is started with."""

    me: Identity
    pace: Pace
    notes: Notes
    wire: Wire
    read_table: Callable[[], Table]
    production: str | None
    """The database of the table, where there is one."""
    directory: Path


class Host:
    """A process from its start to its end, or to the next one in its place."""

    restarts: ClassVar[bool] = True
    """Whether it replaces itself every half hour."""
    patience: ClassVar[float | None] = GONE_AFTER[1]
    """For its last words."""

    def __init__(self, setup: Setup) -> None:
        self.me, self.pace, self.notes, self.read_table = setup.me, setup.pace, setup.notes, setup.read_table
        self.hearing = Hearing(setup.notes)
        self.is_leaving = False

    async def run(self) -> NoReturn:
        loop, leaves = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, leaves.set)
        loop.add_signal_handler(signal.SIGUSR1, self._restart)
        loop.add_reader(0, self._obey)
        if self.restarts:
            loop.call_later(self.pace.real(random.uniform(*RESTART_AFTER)), self._restart)
        self.notes.heard("begin")
        life, left = asyncio.create_task(self.live()), asyncio.create_task(leaves.wait())
        done, _ = await asyncio.wait({life, left}, return_when=asyncio.FIRST_COMPLETED)
        if life in done:
            life.result()
            raise RuntimeError("a host does not end by itself")
        self.is_leaving = True  # a call that is under way may still be answered
        gone_at = self.pace.now() + random.uniform(*GONE_AFTER)
        with suppress(TimeoutError):
            # half a second for calls that time does not speed
            await asyncio.wait_for(self.leave(), self.pace.real(self.patience) + 0.5 if self.patience else None)
        await self.pace.sleep(max(0.0, gone_at - self.pace.now()))
        self.notes.heard("end")
        os._exit(0)

    async def live(self) -> None:
        raise NotImplementedError

    async def leave(self) -> None:
        """Asked to end, it says what it has to say."""

    async def obey(self, words: list[str]) -> None:
        """What a test wants the program around the module to do."""
        raise NotImplementedError

    async def every(self, seconds: float | tuple[float, float], act: Callable[[], Awaitable[None]]) -> None:
        """Again and again until it leaves, the first time at once."""
        low, high = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        while not self.is_leaving:
            await act()
            await self.pace.sleep(random.uniform(low, high))
        await asyncio.Event().wait()

    def _restart(self) -> None:
        """The same process, a new program: no goodbye."""
        if self.is_leaving:
            return
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until the new one listens
        self.notes.heard("end")
        os.execv(sys.executable, [sys.executable, "-m", "tests.field", *sys.argv[1:]])

    def _obey(self) -> None:
        said = os.read(0, 1 << 20).decode()
        if not said:
            os._exit(1)  # whoever started it is gone
        for line in said.splitlines():
            self._errand = asyncio.ensure_future(self.obey(line.split()))


class ResilientHost(Host):
    """What the hosts on the resilient module have in common: their start, their beats, their end."""

    speech: ClassVar[type[WorkerSpeech]] = WorkerSpeech

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.production = setup.production
        self.module = Resilient(setup.wire, setup.pace, setup.me, self.speech(setup.me), directory=setup.directory)

    async def live(self) -> None:
        await self.module.register()
        self.table = self.read_table()
        await self.module.register()
        first = await self.module.request_streams()
        self.begin(first)
        self.first_answer = len(first)
        await asyncio.gather(
            self.every(BEAT_EVERY, self._beat),
            self._ask_while_registered(),
            self.every(PRODUCTION_BEAT_EVERY, self._beat_in_production),
        )

    def begin(self, first: list[StreamId]) -> None:
        raise NotImplementedError

    async def ask(self) -> bool:
        """Ask and act on it; whether to ask again."""
        raise NotImplementedError

    async def leave(self) -> None:
        if not self.module.is_local:
            await self.module.release_streams(list(self.module.assigned_streams))

    async def obey(self, words: list[str]) -> None:
        assert words[0] == "release"
        await self.module.release_streams([int(each) for each in words[1:]])

    async def _beat(self) -> None:
        await self.module.send_heartbeat()
        await self.module.look_at_health_if_due()

    async def _beat_in_production(self) -> None:
        if self.production is not None:
            await asyncio.to_thread(
                write_heartbeat,
                self.production,
                self.me.name,
                self.me.ip,
                running=len(self.hearing.running),
                first_answer=self.first_answer,
                factor=self.pace.factor,
            )

    async def _ask_while_registered(self) -> None:
        while self.module.is_registered and not self.is_leaving:
            if not await self.ask():
                self.notes.said(remark="the asking loop has ended")
                break
            await self.pace.sleep(ASK_EVERY)
        await asyncio.Event().wait()


class PlainHost(ResilientHost):
    """As the module was meant: it runs its list."""

    def begin(self, first: list[StreamId]) -> None:
        self._follow()

    async def ask(self) -> bool:
        await self.module.request_streams()
        self._follow()
        return True

    async def obey(self, words: list[str]) -> None:
        await super().obey(words)
        self._follow()

    def _follow(self) -> None:
        self.hearing.run_exactly(self.table.indexes_of(self.module.assigned_streams))


class RealHost(ResilientHost):
    """As the field's program does: what it starts with is what it hears, and one more at most."""

    def begin(self, first: list[StreamId]) -> None:
        for index in self.table.indexes_of(first):
            self.hearing.start(index)

    async def ask(self) -> bool:
        await self.module.request_streams()
        missing = [i for i in self.table.indexes_of(self.module.assigned_streams) if i not in self.hearing.running]
        if missing:
            self.hearing.start(missing[0])
        return not missing


class FirstRealHost(RealHost):
    """Of the module's first days: its loop ends before it asks a second time."""

    speech = ServerSpeech

    async def ask(self) -> bool:
        return False


class PlainServerHost(Host):
    """Runs the list of the server module, and so stops what the books take from it."""

    restarts = False
    patience = None
    module_type: ClassVar[type[ServerModule]] = ServerModule

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.module = self.module_type(setup.wire, setup.pace, setup.me)

    async def live(self) -> None:
        self.table = self.read_table()
        await self.module.register()
        await asyncio.gather(self.every(ASK_EVERY, self._ask), self.every(CHECK_EVERY, self._beat))

    async def leave(self) -> None:
        await self.module.release_streams(list(self.module.assigned_streams))

    async def obey(self, words: list[str]) -> None:
        assert words[0] == "release"
        await self.module.release_streams([int(each) for each in words[1:]])
        self._follow()

    async def _ask(self) -> None:
        if self.module.is_registered:
            await self.module.request_streams()
            self._follow()

    async def _beat(self) -> None:
        if self.module.is_registered:
            if not await self.module.send_heartbeat():
                await self.module.register()
            await self.module.check()
            self._follow()

    def _follow(self) -> None:
        self.hearing.run_exactly(self.table.indexes_of(self.module.assigned_streams))


class PlainWorkerHost(PlainServerHost):
    """The worker module in its own loop, which registers whenever it is not registered or a beat failed."""

    module_type = WorkerModule

    async def live(self) -> None:
        self.table = self.read_table()
        await self.module.register()
        await asyncio.gather(self.every(ASK_EVERY, self._ask), self.every(60.0, self._beat))

    async def _beat(self) -> None:
        if not self.module.is_registered or not await self.module.send_heartbeat():
            await self.module.register()
        await self.module.check()
        self._follow()


class OldHost(Host):
    """On the server module: starts its first answer; after that what it hears and what it says go apart."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.module = ServerModule(setup.wire, setup.pace, setup.me)

    async def live(self) -> None:
        await self.module.register()
        self.table = self.read_table()
        if self.module.is_registered:
            for index in self.table.indexes_of(await self.module.request_streams()):
                self.hearing.start(index)
        await asyncio.gather(self.every(BEAT_EVERY, self._beat), self._ask_from_now_on())

    async def leave(self) -> None:
        await self.module.release_streams([str(index) for index in sorted(self.hearing.running)])

    async def obey(self, words: list[str]) -> None:
        assert words[0] == "release"
        await self.module.release_streams(words[1:])

    async def _ask_from_now_on(self) -> None:
        await self.pace.sleep(ASK_EVERY)
        await self.every(ASK_EVERY, self._ask)

    async def _ask(self) -> None:
        """Only an answer that repeats all that it runs makes it start one of the new ones."""
        if not self.module.is_registered:
            return
        answer = set(self.table.indexes_of(await self.module.request_streams()))
        new = sorted(answer - self.hearing.running)
        if new and self.hearing.running <= answer:
            self.hearing.start(new[0])

    async def _beat(self) -> None:
        if self.module.is_registered:
            await self.module.send_heartbeat()
            await self.module.check()
