"""Paths that once broke a law, as short as they could be made. What the explorer prints is put here."""

from __future__ import annotations

import pytest

from tests.explorer.actions import WITHHELD
from tests.explorer.conftest import Replay


@pytest.mark.skipif("restore" in WITHHELD, reason="epochs do not outlive a restore yet")
def test_one_epoch_for_two_processes(replay: Replay) -> None:
    """A process of the time after the backup, and one that registers after the restore."""
    replay(
        "make_before_break",
        ("back_up",),
        ("new", "b3", 1),
        ("beat", "b1"),
        ("restore",),
    )
