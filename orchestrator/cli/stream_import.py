"""orchestrator stream import: stations from a file."""

from functools import partial
from pathlib import PurePath
from typing import BinaryIO

import click

from orchestrator.cli import options, output
from orchestrator.cli.source import show_result
from orchestrator.errors import BadArgument
from orchestrator.names import is_name
from orchestrator.sources import playlist
from orchestrator.sources.entry import BadPlaylist
from orchestrator.sources.merge import import_entries, station_problems


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--source", "source_name", metavar="NAME", help="The source that the streams belong to.  [default: FILE's name]"
)
@click.option(
    "--format", "format_name", type=click.Choice(["m3u", "pls", "csv", "json"]), help="[default: from FILE's name]"
)
@click.option("--encoding", metavar="NAME", help="Such as latin-1.  [default: UTF-8; M3U and PLS also Latin-1]")
@click.option("--replace", is_flag=True, help="Remove the streams of this source that are not in FILE.")
@click.option("--force", is_flag=True, help="With --replace: however many they are.")
@click.option("--dry-run", is_flag=True, help="Only read FILE and tell its problems, as the database sees them.")
@options.common
def import_streams(
    target: options.Target,
    file: BinaryIO,
    source_name: str | None,
    format_name: playlist.Format | None,
    encoding: str | None,
    replace: bool,
    force: bool,
    dry_run: bool,
) -> None:
    """Import the stations of an M3U, PLS, CSV or JSON list; - reads standard input.

    A stream is known again by its id, or else its url: importing a file twice changes nothing. One problem anywhere,
    and nothing is imported.
    """
    filename = getattr(file, "name", "-")
    content = file.read()
    source_name = source_name or PurePath(filename).stem
    if not dry_run and not is_name(source_name):
        raise BadArgument(
            f"the file's name makes no name for a source: {source_name!r}",
            hint="give one with --source: letters, digits, dots, underscores and dashes",
        )
    with target.connect() as conn:
        try:
            entries = playlist.parse(
                content, filename, format_name=format_name, encoding=encoding, check=partial(station_problems, conn)
            )
        except BadPlaylist as error:
            if not target.json:
                for problem in error.problems:
                    output.line(f"{error.filename}:{problem.line}: {problem.text}", err=True)
                error.detail = None  # has just been told, line by line
            raise
        except LookupError as error:
            raise click.BadParameter(f"unknown encoding {encoding!r}", param_hint="--encoding") from error
        if dry_run:
            if target.json:
                output.as_json_text({"streams": len(entries)})
            else:
                click.echo(f"{len(entries)} streams, no problems")
            return
        with output.progress("streams", as_json=target.json) as tell:
            result = import_entries(conn, source_name, entries, replace=replace, force=force, tell=tell)
    show_result(result, as_json=target.json)
