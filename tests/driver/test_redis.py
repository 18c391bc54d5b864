"""What older dashboards look for in Redis: the keys, the channel and the payload of the hosts of old, and no secret."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.database import db
from orchestrator.driver.environment import BadVariable, RedisOptions, start_options
from orchestrator.driver.redis_signs import RedisSigns
from tests.driver.conftest import Jobs, StartDriver
from tests.driver.processes import wait_until
from tests.redis_server import PASSWORD, RedisServer, free_port
from tests.support import Database


@pytest.fixture
def server_of_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, free_port())
    yield server
    server.end()


@pytest.fixture
def instances(jobs: Jobs) -> Jobs:
    """A worker that hears two stations, and one that is gone."""
    db.call(jobs.conn, "register_instance", instance_id="7", max_streams=10)
    db.call(jobs.conn, "register_instance", instance_id="gone", max_streams=10)
    for name in ("Rádio Um", "Radio 2"):
        db.call(jobs.conn, "add_stream", url=f"http://radio.example.org/{name[-1]}", name=name)
    db.call(jobs.conn, "remove_instance", instance_id="gone")
    db.call(jobs.conn, "heartbeat", instance_id="7", incarnation=1, digest=0, report={"cpu_usage": 12.5})
    db.call(jobs.conn, "rebalance")
    given = db.call(jobs.conn, "get_assignments", instance_id="7", incarnation=1)
    ids, epochs = [row["stream_id"] for row in given], [row["epoch"] for row in given]
    db.call(jobs.conn, "acknowledge", instance_id="7", incarnation=1, started=ids, started_epochs=epochs)
    return jobs


def _write(database: Database, signs: RedisSigns) -> dict[str, Any] | None:
    return signs.write(database.connect("admin"))


def _heard_at(jobs: Jobs) -> int:
    [row] = jobs.execute(
        "select floor(extract(epoch from beat_at))::bigint as at from {private}.heartbeat where instance_id = '7'"
    )
    at = row["at"]
    assert isinstance(at, int)
    return at


def test_a_driver_writes_the_keys_and_the_channel_of_the_hosts_of_old(
    instances: Jobs, start_driver: StartDriver, server_of_redis: RedisServer
) -> None:
    server_of_redis.start()
    instances.make_due("write_redis")
    with server_of_redis.client() as client, client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("smf:server_heartbeats")
        assert channel.get_message(timeout=10) is None  # that it is subscribed

        driver = start_driver(REDIS_URL=server_of_redis.url, LOG_LEVEL="DEBUG")

        def heard() -> list[Any]:
            message = channel.get_message(timeout=1)
            return [message] if message else []

        [message] = wait_until(heard, what="a message")
        assert client.keys("*") == ["smf:server:7"]
        assert 100 < int(client.ttl("smf:server:7")) <= 120
        value = json.loads(str(client.get("smf:server:7")))
        names = ["Radio 2", "Rádio Um"]
        at = _heard_at(instances)
        assert value == {
            "server_id": "7", "last_ts": at, "ip_address": None, "processing_streams": 2,
            "processing_stream_names": names,
        }  # fmt: skip
        assert json.loads(message["data"]) == {
            "type": "heartbeat", "server_id": "7", "ts": at, "processing_streams": 2, "processing_stream_names": names,
            "cpu_percent": 12.5, "memory_percent": None, "ip_address": None,
        }  # fmt: skip
        wait_until(lambda: db.view(instances.conn, "jobs", where={"job": "write_redis", "last_outcome": "nothing"}))
        assert channel.get_message(timeout=1) is None, "one message for each"
    [job] = db.view(instances.conn, "jobs", where={"job": "write_redis"})
    assert job["schedule"] == "60 seconds"
    assert "ecret" not in driver.log.read_text()


def test_a_redis_that_is_away_is_told_once_and_holds_nothing_up(
    instances: Jobs, start_driver: StartDriver, server_of_redis: RedisServer
) -> None:
    """The password of its url is in no log and no record."""
    instances.execute("update {private}.job set schedule = '1 second' where job = 'write_redis'")
    instances.make_due("write_redis")
    instances.add("good_job", schedule="1 second")

    def runs() -> int:
        [job] = db.view(instances.conn, "jobs", where={"job": "write_redis"})
        count = job["runs"]
        assert isinstance(count, int)
        return count

    driver = start_driver(REDIS_URL=server_of_redis.url, LOG_LEVEL="DEBUG")

    driver.wait_for_line(event="Redis cannot be written")
    wait_until(lambda: runs() >= 3 and instances.ran("good_job") >= 3, what="both go on")
    assert len(driver.lines(event="Redis cannot be written")) == 1
    [run] = db.view(instances.conn, "job_runs", where={"job": "write_redis"})
    assert run["result"]["redis"] == "away"

    server_of_redis.start()
    driver.wait_for_line(event="Redis is back")
    with server_of_redis.client() as client:
        wait_until(lambda: client.exists("smf:server:7"), what="it is written")
    server_of_redis.end()
    wait_until(lambda: len(driver.lines(event="Redis cannot be written")) == 2, what="it is away again")

    seen = driver.log.read_text()
    for view in ("job_runs", "jobs", "alerts", "incident_patterns"):
        seen += str(db.view(instances.conn, view))
    assert "ecret" not in seen and "hush" not in seen


def test_the_variables_say_where_under_which_names_and_for_how_long(
    instances: Jobs, database: Database, server_of_redis: RedisServer
) -> None:
    server_of_redis.start()
    options = start_options(
        {
            "REDIS_URL": server_of_redis.url + "?protocol=2",
            "REDIS_KEY_PREFIX": "other:server",
            "REDIS_CHANNEL": "other",
            "REDIS_HEARTBEAT_TTL_SECS": "30",
        }
    )
    with server_of_redis.client() as client, client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("other")
        channel.get_message(timeout=10)
        assert _write(database, RedisSigns(options.redis)) is None
        assert client.keys("*") == ["other:server:7"]
        assert 20 < int(client.ttl("other:server:7")) <= 30
        assert channel.get_message(timeout=10) is not None


def test_what_the_variables_say_is_refused_by_their_names_and_the_url_is_shown_nowhere() -> None:
    with pytest.raises(BadVariable, match="REDIS_HEARTBEAT_TTL_SECS"):
        start_options({"REDIS_URL": "redis://x", "REDIS_HEARTBEAT_TTL_SECS": "soon"})
    assert start_options({"REDIS_URL": " "}).redis is None
    options = start_options({"REDIS_URL": "redis://me:hush@127.0.0.1/0?password=hush2"}).redis
    assert options is not None and "hush" not in repr(options)
    assert options.secrets == {"hush", "hush2"}
    assert RedisOptions("x", key_prefix="smf:server:").key("1") == "smf:server:1"


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:hu/sh@127.0.0.1/0",
        "redis://me:hush@127.0.0.1:port/0",
        "http://me:hush@127.0.0.1/0",
        "redis://[me:hush@127.0.0.1/0",
        "redis://me:hush@127.0.0.1/0?socket_timeout=hush",
        "unix://me:hush@/nowhere/hush.sock",
        "redis://me:hush@host.invalid/0",
        "hush",
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_quoting_it(instances: Jobs, database: Database, url: str) -> None:
    signs = RedisSigns(RedisOptions(url))
    with capture_logs() as logs:
        told = _write(database, signs)
        assert _write(database, signs) is None
    assert told is not None and told["redis"] == "away" and told["error"]
    assert len(logs) == 1
    assert "hush" not in f"{told} {logs}" and "hu/sh" not in f"{told} {logs}"


def test_a_wrong_password_is_told_without_quoting_it(
    instances: Jobs, database: Database, server_of_redis: RedisServer
) -> None:
    server_of_redis.start()
    told = _write(database, RedisSigns(RedisOptions(f"redis://:wr0ng@127.0.0.1:{server_of_redis.port}")))
    assert told is not None and "password" in told["error"] and "wr0ng" not in str(told) and PASSWORD not in str(told)


def test_a_redis_that_takes_the_connection_and_says_nothing_is_left_after_five_seconds(
    instances: Jobs, database: Database
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[object] = []
        threading.Thread(target=lambda: accepted.append(silent.accept()), daemon=True).start()
        began = time.monotonic()
        told = _write(database, RedisSigns(RedisOptions(f"redis://127.0.0.1:{silent.getsockname()[1]}")))
        assert told is not None and 4 < time.monotonic() - began < 20


def test_without_a_url_nothing_is_asked_of_the_database(database: Database) -> None:
    with capture_logs() as logs:
        assert RedisSigns(None).write(None) is None  # type: ignore[arg-type]  # it looks at no connection then
    assert logs == []
