"""What a planned move costs in seconds of audio, counted in the ledger of a real fleet."""

import pytest

from bench.hand_over import measure_mode

pytestmark = pytest.mark.slow


def test_join_rebalance_and_drain_lose_no_second_and_write_none_twice() -> None:
    acts = measure_mode("make_before_break", stations=8)
    assert [(act["act"], act["seconds_lost"], act["seconds_written_twice"]) for act in acts] == [
        ("join", 0, 0),
        ("rebalance", 0, 0),
        ("drain", 0, 0),
    ]
    assert all(act["moves"] for act in acts)
