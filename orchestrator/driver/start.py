"""The start of a driver: what the operators' environment variables say becomes settings, and a source."""

from collections.abc import Callable, Mapping

from orchestrator.database import db
from orchestrator.database.retry import is_retryable
from orchestrator.driver.environment import WantedSetting, wanted_settings
from orchestrator.driver.trouble import described, logged
from orchestrator.errors import OrchestratorError
from orchestrator.logs.log import get_logger

STARTUP = get_logger("STARTUP")
ERROR = get_logger("ERROR")


async def apply_environment(conn: db.AsyncConnection, environment: Mapping[str, str]) -> None:
    """Put the operators' environment variables into the settings. A refused one is logged and changes nothing.

    The settings hold each other in bounds (warning < timeout < removal), so that one may be refused before another
    has made room for it: what was refused is tried again for as long as anything gets through.
    """
    with logged("settings"):
        rows = await db.view_async(conn, "settings")
    interval = next(row["duration"] for row in rows if row["name"] == "heartbeat_interval")
    waiting = wanted_settings(environment, heartbeat_interval=interval)
    refused: dict[WantedSetting, OrchestratorError] = {}
    while waiting:
        refused = {}
        for wanted in waiting:
            try:
                [change] = await db.call_async(conn, "set_setting", name=wanted.setting, value=wanted.value)
            except OrchestratorError as error:
                if is_retryable(error):
                    raise
                refused[wanted] = error
            else:
                tell = STARTUP.debug if change["old_value"] == change["value"] else STARTUP.info
                tell("setting from the environment", variable=wanted.variable, **change)
        waiting = list(refused) if len(refused) < len(waiting) else []
    for wanted, refusal in refused.items():
        ERROR.error(
            "setting from the environment refused",
            variable=wanted.variable,
            setting=wanted.setting,
            value=wanted.value,
            **described(refusal),
        )


def add_source(connect: Callable[[str], db.Connection], environment: Mapping[str, str]) -> None:
    """Make the table that POSTGRES_HOST and the others describe a source of streams. A refused one is only logged."""
    from orchestrator.sources.address import ensure_environment_source

    try:
        with logged("add_source"), connect("add_source") as conn:
            if added := ensure_environment_source(conn, environment):
                STARTUP.info("source from the environment", source=added.name, table=added.table_name)
    except OrchestratorError as error:
        if is_retryable(error):
            raise


async def tell_health(conn: db.AsyncConnection) -> None:
    """Log the health check, component by component."""
    for row in await db.call_async(conn, "health"):
        tell = STARTUP.info if row["status"] == "healthy" else ERROR.error
        tell("health", **{key: value for key, value in row.items() if key != "response_time"})
