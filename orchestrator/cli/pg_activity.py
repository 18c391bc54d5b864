"""pg_activity as `orchestrator top` runs it: statements without secrets, and without what a terminal would obey.

python -m orchestrator.cli.pg_activity [OPTION]... DSN
"""

from pgactivity import cli, utils

from orchestrator.redact import one_line, redact

_clean = utils.clean_str  # what pg_activity passes each statement through before it shows it


def clean_str(statement: str) -> str:
    return one_line(redact(_clean(statement)))


if __name__ == "__main__":
    utils.clean_str = clean_str
    cli.main()
