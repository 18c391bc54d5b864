"""orchestrator serve: the HTTP face."""

import os
from pathlib import Path

import click

from orchestrator.cli import options
from orchestrator.errors import OrchestratorError
from orchestrator.http.hosts import is_name
from orchestrator.logs.log_file import Rotation


def _names(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not is_name(name):
            raise click.BadParameter(f"{name!r} is no name of a host, such as radio.example.org", ctx, param)
    return names


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve on; others need an API key.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port to serve on.")
@click.option(
    "--api-keys-file",
    envvar="ORCHESTRATOR_API_KEYS_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="API keys, one a line; read again when the file changes. Also ORCHESTRATOR_API_KEYS_FILE.",
)
@click.option(
    "--allow-host", multiple=True, metavar="NAME", callback=_names,
    help="A name by which clients and browsers know this server, as it stands in their addresses; may be repeated. "
    "Without an API key no other is answered but those of this host. Also ORCHESTRATOR_HTTP_HOSTS, with commas.",
)  # fmt: skip
@click.option(
    "--connections", default=8, show_default=True, type=click.IntRange(1, 1000), help="Connections to the database."
)
@click.option(
    "--body-limit", default=1024 * 1024, show_default=True, type=click.IntRange(1, 2**31 - 1), metavar="BYTES",
    help="The largest body that a request may have.",
)  # fmt: skip
@click.option(
    "--rate-limit", default=100.0, show_default=True, type=options.Number(0), metavar="NUMBER",
    help="Requests a second from one address, twice as many at once; 0 for any number.",
)  # fmt: skip
@click.option(
    "--patience", default=30.0, show_default=True, type=options.Number(0.1, 86400), metavar="SECONDS",
    help="How long a client may take to send its request.",
)  # fmt: skip
@options.logs
@options.common
def serve(
    target: options.Target,
    host: str,
    port: int,
    api_keys_file: Path | None,
    allow_host: tuple[str, ...],
    connections: int,
    body_limit: int,
    rate_limit: float,
    patience: float,
    log_file: Path | None,
    log_rotation: Rotation,
) -> None:
    """Serve instances that only speak HTTP, dashboards and probes.

    The routes are in docs/reference/http.md and in /openapi.json. API keys come from ORCHESTRATOR_API_KEYS (separated
    by commas) and from --api-keys-file; without one, only this host may ask, under
    its own names. With --json the log lines are JSON.
    """
    try:
        from orchestrator.http import server
        from orchestrator.http.access import Limits
    except ModuleNotFoundError as error:
        raise OrchestratorError(
            f"the HTTP face needs {error.name}, which is not installed", hint="pip install 'radio-orchestrator[http]'"
        ) from error
    options.log_to(log_file, log_rotation, as_json=target.json)
    server.serve(
        target.dsn,
        schema=target.schema,
        options=server.Options(
            host=host,
            port=port,
            connections=connections,
            keys_file=api_keys_file,
            names=allow_host,
            limits=Limits(body=body_limit, rate=rate_limit, patience=patience),
        ),
        environment=os.environ,
    )
