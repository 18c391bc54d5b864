"""How long something took, on the terminal and on the page: the same words for the same units."""

from datetime import timedelta

import pytest

from orchestrator.cli.output import duration
from orchestrator.http.dashboard.page import age


@pytest.mark.parametrize(
    ("seconds", "on_the_terminal", "on_the_page"),
    [
        (0.25, "250 ms", "0 s"),
        (59, "59 s", "59 s"),
        (60, "1 min", "1 min 0 s"),
        (125, "2 min 5 s", "2 min 5 s"),
        (725, "12 min 5 s", "12 min"),
        (7200, "2 h", "2 h 0 min"),
        (93784, "1 d 2 h", "1 d 2 h"),
    ],
)
def test_a_time_is_told_in_its_largest_unit_and_the_next(
    seconds: float, on_the_terminal: str, on_the_page: str
) -> None:
    assert duration(timedelta(seconds=seconds)) == on_the_terminal
    assert age(seconds) == on_the_page


def test_a_time_before_has_a_sign_on_the_terminal() -> None:
    assert duration(timedelta(seconds=-125)) == "-2 min 5 s"
