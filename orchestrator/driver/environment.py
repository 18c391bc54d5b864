"""The environment variables that operators already use, read in one place.

Some are settings and go into the database, its only home for them (`wanted_settings`); the rest say how a driver
starts (`StartOptions`). A variable that is empty counts as not set: compose files pass those.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import unquote

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NUMBER = re.compile(r"\d+(\.\d+)?")


class BadVariable(ValueError):
    """A variable holds something that cannot be read; the message names it."""


@dataclass(frozen=True)
class WantedSetting:
    """What a variable asks for: the setting's new value as `set_setting` takes it."""

    variable: str
    setting: str
    value: str


@dataclass(frozen=True)
class RedisOptions:
    """Where older dashboards look, and under which names. The url may hold a password."""

    url: str = field(repr=False)
    key_prefix: str = "smf:server"
    channel: str = "smf:server_heartbeats"
    ttl_seconds: int = 120

    def key(self, server_id: str) -> str:
        return f"{self.key_prefix.rstrip(':')}:{server_id}"

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be quoted of the url: its login and its options, as they stand there and as they are meant."""
        address = self.url.partition("://")[2]
        login, _, _ = address.rpartition("@")
        parts = [*login.split(":", 1)[1:], *re.findall(r"(?i)[?&]password=([^&#]*)", address)]
        return frozenset({*parts, *map(unquote, parts)} - {""})


@dataclass(frozen=True)
class StartOptions:
    """How a driver starts; timeouts in seconds, None for no limit."""

    run_migrations: bool = False
    run_health_check: bool = False
    postgres_startup_timeout: float | None = None
    app_startup_timeout: float | None = None
    exponential_backoff: bool = True
    max_workers: int = 4
    redis: RedisOptions | None = None


def wanted_settings(environment: Mapping[str, str], *, heartbeat_interval: timedelta) -> list[WantedSetting]:
    """The settings that the environment asks for. `heartbeat_interval` is the present one, which gives
    MAX_MISSED_HEARTBEATS its length in time."""
    present = {name: value.strip() for name, value in environment.items() if value.strip()}
    wanted: list[WantedSetting] = []

    def want(variable: str, setting: str, *, seconds: bool = False) -> None:
        if variable in present:
            value = present[variable]
            # A bare number is seconds, as in the field's compose files; "5 minutes" goes through as it is.
            wanted.append(
                WantedSetting(variable, setting, f"{value} seconds" if seconds and _NUMBER.fullmatch(value) else value)
            )

    want("IMBALANCE_THRESHOLD", "imbalance_threshold")
    want("MAX_STREAM_DIFFERENCE", "max_stream_difference")
    want("HEARTBEAT_TIMEOUT", "heartbeat_timeout", seconds=True)
    want("HEARTBEAT_WARNING_THRESHOLD", "heartbeat_warning", seconds=True)
    if "MAX_MISSED_HEARTBEATS" in present and "HEARTBEAT_WARNING_THRESHOLD" not in present:
        missed = present["MAX_MISSED_HEARTBEATS"]
        # What is no whole number goes through as it is: the database refuses it with a sentence of its own.
        length = f"{int(missed) * heartbeat_interval.total_seconds():g} seconds" if missed.isdecimal() else missed
        wanted.append(WantedSetting("MAX_MISSED_HEARTBEATS", "heartbeat_warning", length))
    return wanted


def start_options(environment: Mapping[str, str]) -> StartOptions:
    """Read the start options; raises BadVariable."""
    present = {name: value.strip() for name, value in environment.items() if value.strip()}
    default = StartOptions()
    return StartOptions(
        run_migrations=_boolean(present, "RUN_MIGRATIONS", default.run_migrations),
        run_health_check=_boolean(present, "RUN_HEALTH_CHECK", default.run_health_check),
        postgres_startup_timeout=_seconds(present, "POSTGRES_STARTUP_TIMEOUT"),
        app_startup_timeout=_seconds(present, "APP_STARTUP_TIMEOUT"),
        exponential_backoff=_boolean(present, "EXPONENTIAL_BACKOFF", default.exponential_backoff),
        max_workers=_whole_number(present, "MAX_WORKERS", default.max_workers, minimum=1),
        redis=_redis_options(present),
    )


def _redis_options(present: Mapping[str, str]) -> RedisOptions | None:
    if "REDIS_URL" not in present:
        return None
    return RedisOptions(
        url=present["REDIS_URL"],
        key_prefix=present.get("REDIS_KEY_PREFIX", RedisOptions.key_prefix),
        channel=present.get("REDIS_CHANNEL", RedisOptions.channel),
        ttl_seconds=_whole_number(present, "REDIS_HEARTBEAT_TTL_SECS", RedisOptions.ttl_seconds, minimum=1),
    )


def _boolean(present: Mapping[str, str], variable: str, default: bool) -> bool:
    value = present.get(variable)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise BadVariable(f"{variable} must be true or false, not {value!r}")


def _seconds(present: Mapping[str, str], variable: str) -> float | None:
    value = present.get(variable)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise BadVariable(f"{variable} must be a number of seconds, not {value!r}")
    return float(value)


def _whole_number(present: Mapping[str, str], variable: str, default: int, *, minimum: int) -> int:
    value = present.get(variable)
    if value is None:
        return default
    if not value.isdecimal() or int(value) < minimum:
        raise BadVariable(f"{variable} must be a whole number of at least {minimum}, not {value!r}")
    return int(value)
