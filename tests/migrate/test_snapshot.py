"""What a migration makes is what was reviewed."""

import difflib

import psycopg
import pytest

from orchestrator.install.migrate import migrate
from tests.migrate import snapshot


def test_the_schemas_are_as_in_the_snapshot(empty_database: str) -> None:
    with psycopg.connect(empty_database) as conn:
        if conn.info.server_version // 10000 != 18:
            pytest.skip("the snapshot is made on PostgreSQL 18")
    migrate(empty_database)
    kept, present = snapshot.FILE.read_text(), snapshot.of(empty_database)
    difference = "\n".join(
        difflib.unified_diff(kept.splitlines(), present.splitlines(), "kept", "present", lineterm="")
    )
    assert not difference, f"make snapshot writes it anew:\n{difference}"
