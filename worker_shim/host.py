"""A worker around a handler that is named, and not imported: its module needs to know nothing of the shim.

    python -m worker_shim.host MODULE:FACTORY --instance-id ID --max-streams N [OPTIONS] [-- ARGUMENTS]

`FACTORY(*ARGUMENTS, instance_id=ID)` returns an asynchronous context manager. What that yields is the handler:

    @asynccontextmanager
    async def create(directory: str, *, instance_id: str):
        async with open_results(directory, instance_id) as results:

            async def listen(stream, context):
                async for second in hear(stream.url):
                    results.note(stream.stream_id, stream.epoch, second)
                    context.processed()

            yield listen
            await results.flush()

It is entered before the worker registers, and left when every handler has ended and the orchestrator was told. A task
group that it opens ends the worker when one of its tasks fails.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import click

from orchestrator import process_list
from orchestrator.logs import log
from worker_shim.cli import Seconds, categorize, exit_when_refused
from worker_shim.worker import Worker

Factory = Callable[..., AbstractAsyncContextManager[Callable[..., Any]]]


def find_factory(name: str) -> Factory:
    """The factory that MODULE:FACTORY names.

    Raises:
        click.BadParameter: there is no such module, or it has none of that name.
    """
    module_name, _, attribute = name.partition(":")
    if not (module_name and attribute):
        raise click.BadParameter(f"{name!r} is not of the form MODULE:FACTORY.")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, and lacks one that it needs
        raise click.BadParameter(f"there is no module {module_name!r}.") from error
    if not hasattr(module, attribute):
        raise click.BadParameter(f"the module {module_name!r} has no {attribute!r}.")
    factory: Factory = getattr(module, attribute)
    return factory


async def host(factory: Factory, arguments: tuple[str, ...], instance_id: str, **options: Any) -> None:
    """Run a worker around the handler that the factory makes, until it is told to leave."""
    async with factory(*arguments, instance_id=instance_id) as handler:
        try:
            worker = Worker(instance_id=instance_id, handler=handler, **options)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        await worker.run_async(signals=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("factory", metavar="MODULE:FACTORY")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--instance-id", required=True, help="Name of this worker.")
@click.option("--max-streams", required=True, type=click.IntRange(1, 1000), help="Most at once.")
@click.option("--dsn", envvar="ORCHESTRATOR_DSN", default="", help="The orchestrator's database; else libpq's PG*.")
@click.option("--schema", envvar="ORCHESTRATOR_SCHEMA", default="orchestrator", show_default=True)
@click.option("--on-exit", type=click.Choice(["drain", "suspend", "leave"]), default="drain", show_default=True)
@click.option("--lease", type=Seconds(min=1), help="Stop all handlers before so many seconds without a beat are over.")
@click.option("--make-before-break", is_flag=True, help="The handler can hear a stream before it owns it.")
@click.option("--standbys", is_flag=True, help="It may be the standby of streams; needs --make-before-break.")
@click.option("--host", envvar="WORKER_HOST", help="Name of its machine; a container does not know it by itself.")
def main(factory: str, arguments: tuple[str, ...], instance_id: str, lease: float | None, **options: Any) -> None:
    """Run a worker around the handler that FACTORY of MODULE makes, until SIGTERM; ARGUMENTS are the factory's."""
    process_list.hide_password()
    make = find_factory(factory)
    log.set_up(name="", categorize=categorize)
    isolation = {"on_isolation": "stop", "lease": lease} if lease is not None else {}
    with exit_when_refused():
        asyncio.run(host(make, arguments, instance_id, **options, **isolation))


if __name__ == "__main__":
    main()
