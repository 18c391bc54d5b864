"""R6.2: settings that make no sense, alone or together."""

import pytest

from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis


def _write(fleet: Fleet, name: str, value: str) -> None:
    """Past set_setting, as only the owner can."""
    fleet.query("update {p}.setting set value = %s where name = %s", value, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heartbeat_interval", "00:01:00"),
        ("heartbeat_warning", "00:10:00"),
        ("heartbeat_timeout", "00:01:30"),
        ("removal_timeout", "00:04:00"),
        ("max_lease", "00:00:59"),
    ],
)
def test_a_broken_timing_inequality_is_mended_by_resetting_one_setting(
    fleet: Fleet, diagnosis: Diagnosis, name: str, value: str
) -> None:
    """R6.2"""
    _write(fleet, name, value)
    finding = diagnosis.cures("settings_contradict", "settings of heartbeats")
    assert finding["severity"] == "critical"
    assert finding["evidence"][name] == value
    assert len(finding["evidence"]) == 5
    assert fleet.value("select {p}.setting_interval(%s)::text", name) != value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("restart_grace", "10 seconds"),
        ("handoff_timeout", "6 minutes"),
        ("transaction_timeout", "3 seconds"),
        ("network_timeout", "5 minutes"),
        ("stall_timeout", "20 seconds"),
        ("alert_message_interval", "2 hours"),
    ],
)
def test_settings_that_do_not_fit_together_are_found_and_mended(
    fleet: Fleet, diagnosis: Diagnosis, name: str, value: str
) -> None:
    """R6.2: allowed, each for itself, and unwise together."""
    fleet.set(name, value)
    diagnosis.cures("settings_contradict", f"setting {name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settle_window", "2 hours"),
        ("imbalance_threshold", "3"),
        ("strategy", "by feeling"),
        ("max_stream_difference", "0"),
        ("heartbeat_warning", "soon"),
    ],
)
def test_a_value_out_of_bounds_is_found_and_reset(fleet: Fleet, diagnosis: Diagnosis, name: str, value: str) -> None:
    """R6.2"""
    _write(fleet, name, value)
    diagnosis.cures("setting_out_of_bounds", f"setting {name}")


def test_a_lease_of_less_than_two_beats_is_found(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.register("fv-1", lease="60 seconds")
    fleet.register("fv-2", lease="64 seconds")
    diagnosis.sees_no("lease_too_short")
    fleet.set("heartbeat_interval", "31 seconds")
    finding = diagnosis.cures("lease_too_short", "instance fv-1")
    assert finding["repair"].endswith("set_setting('heartbeat_interval', '00:00:30')")


def test_a_lease_longer_than_max_lease_is_found(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.register("fv-1", lease="61 seconds")
    fleet.register("fv-2", lease="60 seconds")
    diagnosis.sees_no("lease_too_long")
    fleet.set("max_lease", "60 seconds")
    finding = diagnosis.cures("lease_too_long", "instance fv-1")
    assert finding["repair"].endswith("set_setting('max_lease', '00:01:01')")


@pytest.mark.own_database  # a query that is planned anew reads the setting
def test_a_setting_that_cannot_be_read_does_not_hide_the_other_findings(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.admin("pause_balancing")
    _write(fleet, "settle_window", "soon")
    finding = diagnosis.sees("part_failed", "findings_waiting")
    assert finding["evidence"] == {"sqlstate": "22007"}
    diagnosis.sees("balancing_paused")
    diagnosis.do(diagnosis.sees("setting_out_of_bounds", "setting settle_window")["repair"])
    assert diagnosis.codes() == ["balancing_paused"]
