"""What a driver takes for a step of the server's clock, and what not."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.driver.server_clock import Reading, step_between

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


def _reading(server: float, asked: float, answered: float, *, stepped: float = 0) -> Reading:
    return Reading(MIDNIGHT + timedelta(seconds=server), timedelta(seconds=stepped), asked, answered)


BEFORE = _reading(1000, 5.0, 5.1)


@pytest.mark.parametrize(
    ("after", "step"),
    [
        (_reading(1010.05, 15.0, 15.1), 0),
        # an answer that was slow, on either way, or a process that was stopped meanwhile
        (_reading(1010, 15.0, 75.0), 0),
        (_reading(1069.9, 15.0, 75.0), 0),
        # it is at least what no round trip explains
        (_reading(4610.05, 15.0, 15.1), pytest.approx(3600, abs=0.2)),
        (_reading(-2589.95, 15.0, 15.1), pytest.approx(-3600, abs=0.2)),
        (_reading(4640, 15.0, 75.0), pytest.approx(3570, abs=0.2)),
        # a step that the database knows of is none
        (_reading(4610.05, 15.0, 15.1, stepped=3600), 0),
        # nor is one from before the first reading, which another driver has recorded since
        (_reading(1010.05, 15.0, 15.1, stepped=-3600), 0),
        # one of two that came meanwhile
        (_reading(4670.05, 15.0, 15.1, stepped=3600), pytest.approx(60, abs=0.2)),
        (_reading(1070.05, 15.0, 15.1, stepped=-3600), pytest.approx(60, abs=0.2)),
    ],
)
def test_a_step_is_what_no_round_trip_explains(after: Reading, step: float) -> None:
    assert step_between(BEFORE, after) == step
