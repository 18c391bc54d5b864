"""The two schemas as pg_dump sees them after a migration, kept beside this file so that a change is seen in review.

`python -m tests.migrate.snapshot` (make snapshot) writes it anew, from the embedded server.
"""

import re
import subprocess
from pathlib import Path

from orchestrator.database import embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from orchestrator.names import Names

FILE = Path(__file__).with_name("schema.snapshot.sql")

# What differs from one dump to the next, or only names the version that made it.
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n", re.MULTILINE)
# The text of a function is in sql/ already; how it looks from outside is what is kept here.
_BODY = re.compile(r"^    (AS (\$\w*\$).*?\2|(?:BEGIN ATOMIC)$.*?^END);$", re.MULTILINE | re.DOTALL)
_BLANK_LINES = re.compile(r"\n{3,}")


def of(dsn: str) -> str:
    """The snapshot of a database with a fleet called orchestrator."""
    names = Names.for_schema()
    dump = subprocess.run(
        [
            str(embedded.program_path("pg_dump")),
            *("--schema-only", "--no-owner", f"--schema={names.api}", f"--schema={names.private}", "--dbname", dsn),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return _BLANK_LINES.sub("\n\n", _BODY.sub("    AS …;", _NOISE.sub("", dump))).strip() + "\n"


def write() -> None:
    with temporary_server(settings={"fsync": "off"}) as server:
        migrate(server.dsn())
        FILE.write_text(of(server.dsn()))


if __name__ == "__main__":
    write()
