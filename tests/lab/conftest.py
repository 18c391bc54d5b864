"""A ledger in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.database import db
from orchestrator.lab import ledger


@pytest.fixture
def ledger_dsn(empty_database: str) -> str:
    """An empty ledger."""
    ledger.install(empty_database)
    return empty_database


@pytest.fixture
def conn(ledger_dsn: str) -> Iterator[db.Connection]:
    """A session on the ledger."""
    with ledger.connect(ledger_dsn, "test") as conn:
        yield conn


@pytest.fixture
def other(ledger_dsn: str) -> Iterator[db.Connection]:
    """Another session on the same ledger."""
    with ledger.connect(ledger_dsn, "other test") as conn:
        yield conn
