"""Moments as people write them on a command line: ISO 8601, a time of day, a day, or how long ago."""

import re
from datetime import datetime, time, timedelta
from typing import Any

import click

from orchestrator.units import UNITS

_SECONDS = {**dict(UNITS), "m": 60}
_PART = rf"(\d{{1,9}})\s*({'|'.join(_SECONDS)})"


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """A moment with a time zone: that which is written, else the local one of this machine (TZ).

    2026-11-30T03:00, 2026-11-30T03:00+01:00, 2026-11-30, 03:00 (the last one), now, today, yesterday, 8h, "1 h 30 min"
    (ago).
    """

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment_of(str(value).strip(), datetime.now().astimezone())
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no moment, such as 2026-11-30T03:00 (with or without a zone), 03:00, yesterday or 8h.",
                param,
                ctx,
            )


def moment_of(text: str, now: datetime) -> datetime:
    """What a text means at a moment that has a time zone.

    Raises:
        ValueError, OverflowError: it means nothing.
    """
    if text == "now":
        return now
    if text in ("today", "yesterday"):
        return _local(datetime.combine(now.date() - timedelta(days=text == "yesterday"), time()))
    if re.fullmatch(rf"{_PART}(\s*{_PART})*", text):
        return now - timedelta(seconds=sum(int(count) * _SECONDS[unit] for count, unit in re.findall(_PART, text)))
    if re.fullmatch(r"\d?\d:\d\d(:\d\d)?", text):
        at = _local(datetime.combine(now.date(), time.fromisoformat(text.rjust(len("00:00"), "0"))))
        return at if at <= now else _local(at.replace(tzinfo=None) - timedelta(days=1))
    return _local(datetime.fromisoformat(text))


def _local(at: datetime) -> datetime:
    """By this machine's time zone, which has an offset of its own on each day; what has no zone is of this one."""
    return at.astimezone()


def text_of(at: datetime) -> str:
    """By this machine's time zone, which is named: 2026-11-30 03:00:00+01:00 (CET)."""
    here = _local(at)
    return f"{here.isoformat(sep=' ', timespec='seconds')} ({here.tzname()})"
