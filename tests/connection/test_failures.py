"""What failed while the database could not be told (R4.2, R4.4)."""

import threading
from typing import Any

import psycopg

from orchestrator.errors import DatabaseUnavailable
from orchestrator.failures import MOST_KINDS, OVERFLOW, Failures

AWAY = DatabaseUnavailable("away")


def tell(failures: Failures) -> list[dict[str, Any]]:
    """Report, with success."""
    telling = failures.untold()
    described = failures.described(telling)
    failures.told(telling)
    return described


def test_failures_of_a_kind_are_counted_and_told_by_their_age() -> None:
    now = [100.0]
    failures = Failures(clock=lambda: now[0])
    for moment in (100.0, 130.0, 160.0):
        now[0] = moment
        failures.failed("connect", AWAY)
    failures.worked("connect")
    now[0] = 170.0

    assert tell(failures) == [
        {
            "function": "connect",
            "sqlstate": "08000",
            "message": "away",
            "count": 3,
            "first_ago": 70.0,
            "last_ago": 10.0,
            "consecutive": 3,
            "over": True,
        }
    ]
    assert tell(failures) == []


def test_success_ends_a_run_and_the_longest_is_told() -> None:
    failures = Failures()
    for _ in range(4):
        failures.failed("connect", AWAY)
    failures.worked("connect")
    failures.failed("connect", AWAY)
    failures.failed("connect", AWAY)

    [told] = tell(failures)

    assert (told["count"], told["consecutive"], told["over"]) == (5, 4, False)


def test_the_last_failure_of_a_run_is_kept_until_it_can_be_told_as_over() -> None:
    failures = Failures()
    failures.failed("connect", AWAY)
    assert tell(failures) == []
    failures.worked("connect")
    [told] = tell(failures)
    assert (told["count"], told["over"]) == (1, True)


def test_each_function_has_its_run_and_success_without_a_name_ends_them_all() -> None:
    failures = Failures()
    for number in range(7):
        failures.failed(f"call_{number % 2}", AWAY)
    assert failures.in_a_row == 4
    failures.worked("call_0")
    assert failures.in_a_row == 3
    failures.worked()
    assert failures.in_a_row == 0
    assert [told["consecutive"] for told in tell(failures)] == [4, 3]


def test_in_one_run_different_failures_follow_each_other() -> None:
    failures = Failures(one_run=True)
    for number in range(7):
        failures.failed(f"call_{number}", AWAY)
    assert failures.in_a_row == 7
    failures.worked()

    told = tell(failures)

    assert [each["consecutive"] for each in told] == [1, 2, 3, 4, 5, 6, 7]
    assert all(each["over"] for each in told)


def test_what_did_not_arrive_is_kept_with_what_came_since() -> None:
    failures = Failures()
    failures.failed("connect", AWAY)
    failures.worked()
    lost = failures.untold()
    failures.described(lost)
    failures.failed("connect", AWAY)
    failures.worked()

    [told] = tell(failures)

    assert (told["count"], told["consecutive"]) == (2, 1)


def test_what_came_after_a_report_had_been_written_is_not_forgotten_with_it() -> None:
    failures = Failures()
    failures.failed("connect", AWAY)
    failures.worked()
    telling = failures.untold()
    failures.failed("connect", AWAY)
    failures.told(telling)
    failures.worked()

    assert [told["count"] for told in tell(failures)] == [1]


def test_kinds_and_messages_are_bounded_and_the_rest_is_counted() -> None:
    failures = Failures()
    for number in range(MOST_KINDS + 50):
        failures.failed("f", DatabaseUnavailable(f"message {number} " + "x" * 1000))
    failures.worked()

    told = tell(failures)

    assert len(told) == MOST_KINDS
    assert sum(each["count"] for each in told) == MOST_KINDS + 50
    assert (told[-1]["function"], told[-1]["sqlstate"], told[-1]["message"]) == OVERFLOW
    assert max(len(each["message"]) for each in told) <= 500


def test_errors_of_the_driver_and_of_the_network_are_taken_as_they_come_on_one_line_without_secrets() -> None:
    failures = Failures()
    for error in (
        psycopg.OperationalError("connection to\n postgresql://me:hush@host/db failed"),
        psycopg.errors.LockNotAvailable("busy"),
        TimeoutError(),
    ):
        failures.failed("connect", error)
    failures.worked()

    assert [(each["sqlstate"], each["message"]) for each in tell(failures)] == [
        (None, "connection to postgresql://me:…@host/db failed"),
        ("55P03", "busy"),
        (None, "TimeoutError"),
    ]


def test_several_threads_lose_no_failure() -> None:
    failures = Failures(one_run=True)

    def fail() -> None:
        for _ in range(2000):
            failures.failed("connect", AWAY)

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures.worked()

    [told] = tell(failures)
    assert (told["count"], told["consecutive"]) == (8000, 8000)
