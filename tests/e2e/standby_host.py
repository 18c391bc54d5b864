"""The example of a standby as a process; not the clock but the sound says which second it is, as in the lab.

python -m tests.e2e.standby_host DSN SCHEMA NAME HOST RESULTS
"""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import aiohttp

from orchestrator.lab.sound import WAV_HEADER_SIZE, Listener
from worker_shim import Worker

EXAMPLE = Path(__file__).parents[2] / "examples" / "standby"


def load() -> ModuleType:
    """The example, which is in no package."""
    spec = importlib.util.spec_from_file_location("standby", EXAMPLE / "standby.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(dsn: str, schema: str, name: str, host: str, results: str) -> None:
    """Take part until killed."""
    example = load()

    async def hear(url: str) -> AsyncIterator[object]:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, EOFError):
                async with aiohttp.ClientSession() as http, http.get(url) as response:
                    await response.content.readexactly(WAV_HEADER_SIZE)
                    listener = Listener()
                    async for piece in response.content.iter_any():
                        for second in listener.hear(piece):
                            yield example.Second(second.number, str(second.number).encode())
            await asyncio.sleep(0.2)

    vars(example).update(hear=hear, results=example.Results(results), SERVER_ID=name)
    Worker(dsn, name, 20, example.listen, schema=schema, host=host, make_before_break=True, standbys=True).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
