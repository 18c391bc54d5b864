"""Writes the keys and the channel of Redis by which older dashboards know the instances, as the hosts of old did.

What a key says is one function of the database, `signs_of_life`. Redis is told, never asked: while it is away nothing
else is, and the log says so once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.database import db
from orchestrator.database.retry import Round
from orchestrator.driver.environment import RedisOptions
from orchestrator.logs.log import get_logger
from orchestrator.redact import redact_error

if TYPE_CHECKING:
    import redis

ANSWER_WITHIN_SECONDS = 5.0

_log = get_logger("INSTANCE")


@dataclass
class RedisSigns:
    """What one driver knows of the Redis of its environment; without one it does nothing."""

    options: RedisOptions | None
    _trouble: str | None = field(default=None, init=False)
    """Why it could not be written the last time."""

    def write(self, conn: db.Connection) -> dict[str, Any] | None:
        """Write every living instance. Returns what has changed about Redis since the last time; None: nothing."""
        if self.options is None:
            return None
        rows = Round().run(db.call, conn, "signs_of_life")
        if not rows:
            return None
        trouble = self._try_to_write(self.options, rows)
        before, self._trouble = self._trouble, trouble
        if (before is None) == (trouble is None):
            return None
        if trouble is None:
            _log.info("Redis is back", instances=len(rows))
            return {"redis": "back", "instances": len(rows)}
        _log.warning("Redis cannot be written", error=trouble, hint="see REDIS_URL; it is tried again each minute")
        return {"redis": "away", "error": trouble}

    def _try_to_write(self, options: RedisOptions, rows: Sequence[db.Row]) -> str | None:
        """Why it did not work; None: it did."""
        try:
            import redis
        except ImportError:
            return "the program for it is not installed: pip install 'radio-orchestrator[redis]'"
        try:
            client = _client(options)
        except ValueError:
            return (
                "REDIS_URL cannot be read: redis://…, rediss://… or unix://… is wanted"  # its text may quote a password
            )
        try:
            with client, client.pipeline(transaction=False) as pipeline:
                for row in rows:
                    pipeline.set(options.key(row["server_id"]), json.dumps(kept(row)), ex=options.ttl_seconds)
                    pipeline.publish(options.channel, json.dumps(published(row)))
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            text = redact_error(error)
            return type(error).__name__ if any(secret in text for secret in options.secrets) else text[:300]
        return None


def _client(options: RedisOptions) -> "redis.Redis":
    """Every operation ends in time, and none is tried again: the next run of the job is the next try."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        options.url,
        socket_timeout=ANSWER_WITHIN_SECONDS,
        socket_connect_timeout=ANSWER_WITHIN_SECONDS,
        retry=Retry(NoBackoff(), 0),
        client_name="orchestrator",
    )


def kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """The value of an instance's key."""
    keys = ("server_id", "last_ts", "ip_address", "processing_streams", "processing_stream_names")
    return {key: row[key] for key in keys}


def published(row: Mapping[str, Any]) -> dict[str, Any]:
    """The message about an instance."""
    keys = ("processing_streams", "processing_stream_names", "cpu_percent", "memory_percent", "ip_address")
    return {"type": "heartbeat", "server_id": row["server_id"], "ts": row["last_ts"], **{key: row[key] for key in keys}}
