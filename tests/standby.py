"""A streaming standby of an embedded server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import LiteralString

import psycopg

from orchestrator.database.embedded import PORT, Embedded, program_path


def start_standby(primary: Embedded, directory: Path) -> Embedded:
    """Copy the primary into a new directory and start the copy: from now on every commit waits until it is there, too.

    What was committed but not yet sent would be lost with the primary.
    """
    owner = primary.data_directory.stat()
    directory.mkdir(mode=0o700)
    shutil.chown(directory, owner.st_uid, owner.st_gid)
    subprocess.run(
        [
            str(program_path("pg_basebackup")),
            *("--dbname", primary.dsn(), "--pgdata", str(directory)),
            *("--write-recovery-conf", "--checkpoint", "fast"),
        ],
        check=True,
        user=owner.st_uid,
        group=owner.st_gid,
        capture_output=True,  # it warns of the socket, which lies beside the data
        cwd="/",
    )
    (directory / f".s.PGSQL.{PORT}.lock").unlink()
    standby = Embedded(directory, settings={"fsync": "off"}).start()
    configure(primary, "alter system set synchronous_standby_names = '*'")
    return standby


def promote(standby: Embedded) -> None:
    """The standby becomes the primary; returns when it may be written."""
    with psycopg.connect(standby.dsn(), autocommit=True) as conn:
        conn.execute("select pg_promote()")


def configure(server: Embedded, statement: LiteralString) -> None:
    """Change a setting of a running server."""
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute(statement)
        conn.execute("select pg_reload_conf()")
