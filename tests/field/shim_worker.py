"""A worker of our own beside the deployed clients, whose notes the judge reads as theirs.

python -m tests.field.shim_worker DSN SCHEMA INSTANCE_ID MAX_STREAMS NOTES
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.field.hearing import Hearing
from tests.field.wire import Notes
from worker_shim import Context, Stream, Worker


def main(dsn: str, schema: str, instance_id: str, max_streams: str, notes: str) -> None:
    hearing = Hearing(Notes(Path(notes)))

    async def listen(stream: Stream, context: Context) -> None:
        index = int(stream.url.rpartition("/")[2])
        hearing.start(index)
        try:
            await asyncio.Event().wait()
        finally:
            hearing.stop(index)

    Worker(dsn, instance_id, int(max_streams), listen, schema=schema).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
