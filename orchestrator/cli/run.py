"""orchestrator run: drive the jobs of the database."""

import asyncio
import os
from pathlib import Path

import click

from orchestrator.cli import options
from orchestrator.driver.driver import Driver
from orchestrator.driver.environment import BadVariable, start_options
from orchestrator.logs.log_file import Rotation


@click.command()
@click.option("--name", metavar="NAME", help="How this driver is called in the table of job runs (default: host:pid).")
@options.logs
@options.common
def run(target: options.Target, name: str | None, log_file: Path | None, log_rotation: Rotation) -> None:
    """Drive the jobs: watch instances, rebalance, finish hand-overs, synchronise streams.

    Start as many as you like, on as many hosts: they share the work and need no leader. A driver outlives its
    database: it reconnects for as long as it takes. SIGTERM or Ctrl-C ends it after the present job, a second one at
    once.

    At its start the operators' environment variables (IMBALANCE_THRESHOLD, HEARTBEAT_TIMEOUT and so on; see
    docs/operating/operators.md) are put into the settings. With --json the log lines are JSON.
    """
    options.log_to(log_file, log_rotation, as_json=target.json)
    try:
        chosen = start_options(os.environ)
    except BadVariable as error:
        raise click.UsageError(str(error)) from error
    driver = Driver(target.dsn, schema=target.schema, name=name, options=chosen, environment=os.environ)
    asyncio.run(driver.run())
