"""The help text of every command, kept beside this file, so that a change of the command line is seen in review.

`python -m tests.cli.golden` (make snapshot) writes them anew.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from orchestrator.cli import main
from worker_shim.cli import main as worker_shim

DIRECTORY = Path(__file__).with_name("help")


def help_texts() -> dict[str, str]:
    """File name → help text, for each command and group: "orchestrator-stream-add.txt"."""
    texts = *_help_of(main, None, "orchestrator"), *_help_of(worker_shim, None, "worker-shim")
    return {f"{name.replace(' ', '-')}.txt": text for name, text in texts}


def _help_of(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    settings = {**command.context_settings, "terminal_width": 100, "max_content_width": 100}
    ctx = click.Context(command, parent, name, **settings)
    yield ctx.command_path, command.get_help(ctx) + "\n"
    if isinstance(command, click.Group):
        for child_name in command.list_commands(ctx):
            child = command.get_command(ctx, child_name)
            if child is not None and not child.hidden:
                yield from _help_of(child, ctx, child_name)


def write() -> None:
    texts = help_texts()
    DIRECTORY.mkdir(exist_ok=True)
    for stale in {path.name for path in DIRECTORY.glob("*.txt")} - texts.keys():
        (DIRECTORY / stale).unlink()
    for name, text in texts.items():
        (DIRECTORY / name).write_text(text)


if __name__ == "__main__":
    write()
