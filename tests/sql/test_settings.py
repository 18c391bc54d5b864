"""Settings: typed, bounded, and refused when they do not fit together."""

from tests.fleet import Fleet, refused

DEFAULTS = {
    "imbalance_threshold": "0.20",
    "max_stream_difference": "2",
    "heartbeat_interval": "30 seconds",
    "heartbeat_warning": "90 seconds",
    "heartbeat_timeout": "300 seconds",
    "max_lease": "300 seconds",
    "disconnect_grace": "10 seconds",
    "rebalance_cooldown": "300 seconds",
    "transaction_timeout": "30 seconds",
    "network_timeout": "30 seconds",
    "removal_timeout": "24 hours",
    "handoff_timeout": "30 seconds",
    "settle_window": "2 seconds",
    "restart_grace": "60 seconds",
    "max_moves_per_rebalance": "0",
    "strategy": "capacity",
    "history_retention": "30 days",
}


def _value(fleet: Fleet, name: str) -> str:
    [row] = fleet.view("settings", name=name)
    return str(row["value"])


def test_the_defaults_are_those_of_the_requirements(fleet: Fleet) -> None:
    """Mission, "Defaults"; design §6."""
    rows = {row["name"]: row for row in fleet.view("settings")}
    assert DEFAULTS.items() <= {name: row["value"] for name, row in rows.items()}.items()
    assert all(row["value"] == row["default_value"] and row["description"] for row in rows.values())


def test_every_default_is_within_its_own_bounds_and_fits_the_others(fleet: Fleet) -> None:
    for row in fleet.view("settings"):
        [answer] = fleet.admin("set_setting", name=row["name"], value=row["default_value"])
        assert answer["name"] == row["name"]


def test_a_change_says_old_and_new_and_who(fleet: Fleet) -> None:
    row = fleet.one("set_setting", name="settle_window", value="5 seconds")
    assert row == {"name": "settle_window", "old_value": "2 seconds", "value": "00:00:05"}
    [seen] = fleet.view("settings", name="settle_window")
    assert seen["duration"].total_seconds() == 5
    assert seen["changed_at"] == fleet.clock.now
    assert "postgres" in seen["changed_by"]
    assert "postgres" not in (fleet.view("settings", name="strategy")[0]["changed_by"] or "")


def test_a_change_that_breaks_an_inequality_is_refused_with_the_inequality(fleet: Fleet) -> None:
    """Design §6: 2 × heartbeat_interval ≤ heartbeat_warning < heartbeat_timeout < removal_timeout; max_lease too."""
    fleet.set("removal_timeout", "1 hour")
    for name, value, inequality in (
        ("heartbeat_interval", "46 seconds", "2 × heartbeat_interval ≤ heartbeat_warning (2 × 00:00:46 ≤ 00:01:30)"),
        ("heartbeat_warning", "59 seconds", "2 × heartbeat_interval ≤ heartbeat_warning (2 × 00:00:30 ≤ 00:00:59)"),
        ("heartbeat_warning", "300 seconds", "heartbeat_warning < heartbeat_timeout (00:05:00 < 00:05:00)"),
        ("heartbeat_timeout", "90 seconds", "heartbeat_warning < heartbeat_timeout (00:01:30 < 00:01:30)"),
        ("heartbeat_timeout", "1 hour", "heartbeat_timeout < removal_timeout (01:00:00 < 01:00:00)"),
        ("removal_timeout", "300 seconds", "heartbeat_timeout < removal_timeout (00:05:00 < 00:05:00)"),
        ("max_lease", "59 seconds", "2 × heartbeat_interval ≤ max_lease (2 × 00:00:30 ≤ 00:00:59)"),
        ("max_lease", "1 hour", "max_lease < removal_timeout (01:00:00 < 01:00:00)"),
    ):
        before = _value(fleet, name)
        with refused("OR108") as refusal:
            fleet.set(name, value)
        assert refusal.value.message == f"the settings would not fit together: {inequality}"
        assert _value(fleet, name) == before
    for name, value in (("heartbeat_warning", "60 seconds"), ("heartbeat_timeout", "61 seconds")):
        fleet.set(name, value)


def test_bounds_are_part_of_the_setting_and_kept(fleet: Fleet) -> None:
    for name, value in (
        ("disconnect_grace", "46 seconds"),  # R1.2: within 60 s
        ("disconnect_grace", "-1 second"),
        ("imbalance_threshold", "0"),
        ("imbalance_threshold", "1.01"),
        ("imbalance_threshold", "NaN"),
        ("max_stream_difference", "0"),
        ("max_stream_difference", "2.5"),
        ("max_moves_per_rebalance", "-1"),
        ("strategy", "random"),
        ("strategy", ""),
        ("settle_window", "soon"),
        ("settle_window", "infinity"),
        ("heartbeat_interval", ""),
        ("max_stream_difference", "two"),
        ("strategy", None),
        ("settle_window", None),
    ):
        before = _value(fleet, name)
        with refused("OR108"):
            fleet.admin("set_setting", name=name, value=value)
        assert _value(fleet, name) == before
    fleet.set("disconnect_grace", "45 seconds")
    fleet.set("disconnect_grace", "0 seconds")


def test_numbers_and_intervals_are_read_in_any_of_their_forms(fleet: Fleet) -> None:
    fleet.set("max_stream_difference", "3.0")
    fleet.set("imbalance_threshold", "25e-2")
    fleet.set("heartbeat_warning", "00:01:40")
    assert fleet.value("select {p}.setting_number('max_stream_difference')") == 3
    assert float(_value(fleet, "imbalance_threshold")) == 0.25
    assert [row["duration"].total_seconds() for row in fleet.view("settings", name="heartbeat_warning")] == [100]


def test_an_unknown_setting_is_refused(fleet: Fleet) -> None:
    for name in ("colour", "", None):
        with refused("OR107"):
            fleet.admin("set_setting", name=name, value="1")
