"""Reading the operators' environment variables."""

from datetime import timedelta

import pytest

from orchestrator.driver.environment import BadVariable, StartOptions, WantedSetting, start_options, wanted_settings

INTERVAL = timedelta(seconds=30)


def test_numbers_of_time_are_seconds_and_other_words_go_through() -> None:
    wanted = wanted_settings(
        {"HEARTBEAT_TIMEOUT": "180", "HEARTBEAT_WARNING_THRESHOLD": "2 minutes"}, heartbeat_interval=INTERVAL
    )

    assert wanted == [
        WantedSetting("HEARTBEAT_TIMEOUT", "heartbeat_timeout", "180 seconds"),
        WantedSetting("HEARTBEAT_WARNING_THRESHOLD", "heartbeat_warning", "2 minutes"),
    ]


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert wanted_settings({"HEARTBEAT_TIMEOUT": "", "IMBALANCE_THRESHOLD": " "}, heartbeat_interval=INTERVAL) == []
    assert start_options({"RUN_MIGRATIONS": "", "MAX_WORKERS": ""}) == StartOptions()


def test_missed_heartbeats_give_way_to_the_warning_threshold() -> None:
    missed = {"MAX_MISSED_HEARTBEATS": "3"}

    assert wanted_settings(missed, heartbeat_interval=INTERVAL) == [
        WantedSetting("MAX_MISSED_HEARTBEATS", "heartbeat_warning", "90 seconds")
    ]
    assert [
        wanted.variable
        for wanted in wanted_settings({**missed, "HEARTBEAT_WARNING_THRESHOLD": "80"}, heartbeat_interval=INTERVAL)
    ] == ["HEARTBEAT_WARNING_THRESHOLD"]


def test_start_options_are_read() -> None:
    assert start_options(
        {
            "RUN_MIGRATIONS": "true",
            "RUN_HEALTH_CHECK": "Yes",
            "POSTGRES_STARTUP_TIMEOUT": "60",
            "APP_STARTUP_TIMEOUT": "90.5",
            "EXPONENTIAL_BACKOFF": "off",
            "MAX_WORKERS": "2",
        }
    ) == StartOptions(
        run_migrations=True,
        run_health_check=True,
        postgres_startup_timeout=60.0,
        app_startup_timeout=90.5,
        exponential_backoff=False,
        max_workers=2,
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RUN_MIGRATIONS", "perhaps"),
        ("MAX_WORKERS", "0"),
        ("MAX_WORKERS", "many"),
        ("POSTGRES_STARTUP_TIMEOUT", "-1"),
        ("APP_STARTUP_TIMEOUT", "soon"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(variable: str, value: str) -> None:
    with pytest.raises(BadVariable, match=f"{variable} must be .*'{value}'"):
        start_options({variable: value})
