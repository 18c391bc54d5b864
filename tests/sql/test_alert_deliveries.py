"""Deliveries: each event of an alert goes to each target once, together with what else happened, and not too often."""

import json
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet, Row, refused


def _open(fleet: Fleet, code: str = "trouble", severity: str = "warning") -> int:
    fleet.query("select {p}.open_alert(%s, '', %s, 'something is wrong', %s)", code, severity, Jsonb({"a": 1}))
    return int(fleet.value("select max(alert_id) from {p}.alert where code = %s", code))


def _claim(fleet: Fleet, *targets: str, driver: str = "one") -> list[Row]:
    return fleet.admin("claim_alert_deliveries", targets=list(targets), driver=driver)


def _finish(fleet: Fleet, target: str, driver: str = "one", error: Any = None) -> Row:
    return fleet.one(
        "finish_alert_delivery", target=target, driver=driver, error=None if error is None else Jsonb(error)
    )


def _states(fleet: Fleet, target: str) -> list[str]:
    return [row["state"] for row in fleet.view("alert_deliveries", target=target)]


def test_what_is_claimed_says_all_that_a_message_needs(fleet: Fleet) -> None:
    alert_id = _open(fleet)
    opened_at = fleet.clock.now
    [row] = _claim(fleet, "log")
    assert row == {
        "target": "log",
        "alert_id": alert_id,
        "code": "trouble",
        "subject": "",
        "severity": "warning",
        "message": "something is wrong",
        "detail": {"a": 1},
        "event": "opened",
        "event_number": 0,
        "attempts": 1,
        "opened_at": opened_at,
        "happened_at": opened_at,
        "acknowledged_by": None,
        "resolved_at": None,
        "event_id": fleet.view("alerts")[0]["event_id"],
    }
    assert _finish(fleet, "log")["events"] == 1
    assert _claim(fleet, "log") == []
    assert _states(fleet, "log") == ["sent"]


def test_what_went_out_without_an_answer_is_unknown_and_what_comes_later_is_told(fleet: Fleet) -> None:
    _open(fleet, "first")
    _claim(fleet, "log")
    failed = fleet.one(
        "finish_alert_delivery", target="log", driver="one", error=Jsonb({"message": "no answer"}), unknown=True
    )
    assert (failed["state"], failed["consecutive_failures"]) == ("unknown", 1)
    _open(fleet, "second")
    fleet.clock.advance("1 hour")
    assert [row["code"] for row in _claim(fleet, "log")] == ["second"]
    assert _finish(fleet, "log")["consecutive_failures"] == 0
    assert sorted(_states(fleet, "log")) == ["sent", "unknown"]


def test_an_alert_that_is_open_is_not_opened_again(fleet: Fleet) -> None:
    assert _open(fleet) == _open(fleet)
    assert len(_claim(fleet, "log")) == 1


def test_a_target_hears_what_is_severe_enough_for_it(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="mail")  # from warning on
    fleet.one("set_alert_target", target="phone", minimum_severity="critical")
    fleet.one("set_alert_target", target="silent", enabled=False)
    for severity in ("info", "warning", "critical"):
        _open(fleet, severity, severity)
    heard = {
        target: sorted(row["code"] for row in _claim(fleet, target)) for target in ("log", "mail", "phone", "silent")
    }
    assert heard == {
        "log": ["critical", "info", "warning"],
        "mail": ["critical", "warning"],
        "phone": ["critical"],
        "silent": [],
    }


def test_everything_for_a_target_goes_out_together_and_not_too_often(fleet: Fleet) -> None:
    """One message to a target in alert_message_interval, however much happens; the log waits for nothing."""
    fleet.one("set_alert_target", target="mail")
    for code in ("a", "b", "c"):
        _open(fleet, code)
        fleet.clock.advance("1 second")
    assert [row["code"] for row in _claim(fleet, "mail")] == ["a", "b", "c"]
    _finish(fleet, "mail")
    _open(fleet, "d")
    assert [row["code"] for row in _claim(fleet, "mail", "log")] == ["a", "b", "c", "d"]  # that is the log
    _finish(fleet, "log")
    _open(fleet, "e")
    fleet.clock.advance("59 seconds")
    assert _claim(fleet, "mail") == []
    fleet.clock.advance("1 second")
    assert [row["code"] for row in _claim(fleet, "mail")] == ["d", "e"]


def test_one_target_is_claimed_at_a_time_the_longest_waiting_first(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="mail")
    _open(fleet, "a", "info")  # which is for the log alone
    fleet.clock.advance("1 second")
    _open(fleet, "b")
    assert {row["target"] for row in _claim(fleet, "mail", "log")} == {"log"}
    assert {row["target"] for row in _claim(fleet, "mail", "log", driver="two")} == {"mail"}
    assert _claim(fleet, "mail", "log", driver="three") == []


def test_nothing_is_claimed_for_a_target_that_is_being_told(fleet: Fleet) -> None:
    _open(fleet, "a")
    assert _claim(fleet, "log")
    _open(fleet, "b")
    assert _claim(fleet, "log", driver="two") == []
    _finish(fleet, "log")
    assert [row["code"] for row in _claim(fleet, "log", driver="two")] == ["b"]


def test_a_target_that_does_not_answer_is_tried_again_later_each_time_for_a_day(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="mail")
    _open(fleet)
    waits = []
    for attempt in range(1, 10):
        [row] = _claim(fleet, "mail")
        assert row["attempts"] == attempt
        failed = _finish(fleet, "mail", error={"message": "no answer"})
        assert (failed["state"], failed["consecutive_failures"]) == ("pending", attempt)
        waits.append((failed["retry_at"] - fleet.clock.now).total_seconds())
        fleet.clock.set(failed["retry_at"] - timedelta(milliseconds=1))
        assert _claim(fleet, "mail") == []
        fleet.clock.set(failed["retry_at"])
    for wait, longest in zip(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600], strict=True):
        assert 0.75 * longest <= wait <= longest
    fleet.clock.advance("1 day")
    assert _claim(fleet, "mail") == []
    assert _states(fleet, "mail") == ["failed"]
    _open(fleet, "another")
    assert len(_claim(fleet, "mail")) == 1
    _finish(fleet, "mail")
    [target] = fleet.view("alert_targets", target="mail")
    assert (target["consecutive_failures"], target["retry_at"], target["last_error"]) == (0, None, None)


def test_a_target_that_does_not_answer_keeps_no_other_waiting(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="mail")
    _open(fleet)
    assert _claim(fleet, "mail")
    _finish(fleet, "mail", error={"message": "no answer"})
    assert [row["target"] for row in _claim(fleet, "log", "mail")] == ["log"]


def test_what_its_driver_died_over_is_unknown_and_never_sent_again(fleet: Fleet) -> None:
    """Never twice for one event."""
    _open(fleet)
    assert _claim(fleet, "log", driver="dies")
    fleet.clock.advance("2 minutes")
    assert _claim(fleet, "log", driver="two") == []
    assert _states(fleet, "log") == ["sending"]
    fleet.clock.advance("1 second")
    assert _claim(fleet, "log", driver="two") == []
    assert _states(fleet, "log") == ["unknown"]
    assert _finish(fleet, "log", driver="dies", error={"message": "no answer"})["events"] == 0  # it only slept
    fleet.clock.advance("2 days")
    assert _claim(fleet, "log", driver="two") == []
    assert _states(fleet, "log") == ["unknown"]


def test_what_no_driver_had_an_address_for_has_failed_after_a_day(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="mail")
    _open(fleet)
    fleet.clock.advance("1 day 1 second")
    _claim(fleet, "log")
    [row] = fleet.view("alert_deliveries", target="mail")
    assert (row["state"], row["error"]) == ("failed", {"message": "no driver could reach this target"})


def test_another_driver_cannot_finish_what_this_one_claimed(fleet: Fleet) -> None:
    _open(fleet)
    _claim(fleet, "log", driver="one")
    assert _finish(fleet, "log", driver="two")["events"] == 0
    assert _states(fleet, "log") == ["sending"]
    assert _finish(fleet, "log", driver="one")["events"] == 1


def test_why_a_target_could_not_be_told_is_kept_without_its_secrets(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="chat")
    _open(fleet)
    _claim(fleet, "chat")
    _finish(fleet, "chat", error={"message": "POST https://hooks.slack.com/services/T0/hunter2 answered 404"})
    kept = [fleet.view(view) for view in ("alert_targets", "alert_deliveries", "incident_patterns")]
    assert "answered 404" in str(fleet.view("alert_targets", target="chat")[0]["last_error"])
    assert fleet.view("incident_patterns")[0]["pattern"] == "POST <address> answered <n>"
    assert "hunter2" not in json.dumps(kept, default=str)
    assert fleet.query("select * from {p}.failure_count") == []  # that is no failure of the fleet


def test_targets_are_made_changed_and_removed(fleet: Fleet) -> None:
    assert fleet.one("set_alert_target", target="mail") == {
        "target": "mail",
        "minimum_severity": "warning",
        "enabled": True,
    }
    fleet.one("set_alert_target", target="mail", minimum_severity="critical")
    fleet.one("set_alert_target", target="mail", enabled=False)
    [row] = fleet.view("alert_targets", target="mail")
    assert (row["minimum_severity"], row["enabled"], row["undelivered"]) == ("critical", False, 0)
    fleet.one("set_alert_target", target="mail", enabled=True)
    _open(fleet, severity="critical")
    assert fleet.one("remove_alert_target", target="mail") == {"target": "mail", "undelivered": 1}
    assert [row["target"] for row in fleet.view("alert_targets")] == ["log"]
    with refused("OR107"):
        fleet.admin("remove_alert_target", target="mail")
    with refused("OR101"):
        fleet.admin("remove_alert_target", target="log")


@pytest.mark.parametrize(
    "given", [{"target": "Mail"}, {"target": ""}, {"target": None}, {"target": "mail", "minimum_severity": "severe"}]
)
def test_a_target_needs_a_name_and_a_severity_that_exists(fleet: Fleet, given: dict[str, Any]) -> None:
    with refused("OR101"):
        fleet.admin("set_alert_target", **given)


def test_a_target_that_was_seen_to_is_tried_at_once(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="mail")
    _open(fleet)
    _claim(fleet, "mail")
    _finish(fleet, "mail", error={"message": "no answer"})
    assert _claim(fleet, "mail") == []
    fleet.one("set_alert_target", target="mail")
    assert len(_claim(fleet, "mail")) == 1


def test_a_disabled_target_is_told_nothing_even_of_what_waits(fleet: Fleet) -> None:
    _open(fleet)
    fleet.one("set_alert_target", target="log", enabled=False)
    assert _claim(fleet, "log") == []


def test_the_error_of_a_delivery_is_an_object(fleet: Fleet) -> None:
    with refused("OR101"):
        _finish(fleet, "log", error=["text"])
    with refused("OR107"):
        _finish(fleet, "silent")
