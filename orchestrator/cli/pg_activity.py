"""pg_activity as `orchestrator top` runs it: statements without secrets, and without what a terminal would obey.

python -m orchestrator.cli.pg_activity [OPTION]... DSN
"""

from pgactivity import cli, utils

from orchestrator import printable

_clean = utils.clean_str  # what pg_activity passes each statement through before it shows it


def clean_str(statement: str) -> str:
    return printable.one_line(printable.without_secrets(_clean(statement)))


if __name__ == "__main__":
    utils.clean_str = clean_str
    cli.main()
