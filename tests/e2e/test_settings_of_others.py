"""Real processes on a server, a database or a login that somebody has set up in another fashion, from the start or by a
reload while all runs."""

import json
import locale
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from orchestrator.database.embedded import Embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import fast_directory, temporary_server
from orchestrator.names import Names
from tests import hostile
from tests.cli.conftest import cli_for
from tests.driver.processes import DriverProcess, wait_until
from tests.http.processes import HttpServer
from tests.pooler import Pooler, pgbouncer

WORKER = Path(sys.executable).with_name("worker-shim")
STATION = "Rádio São João — 98,5"

_LOOKS = (
    "status",
    "instance list",
    "instance show fv-1",
    "stream list",
    "stream explain 1",
    "alerts",
    "jobs list",
    "jobs runs --job settle",
    "source list",
    "settings list",
    "rebalance plan",
    "metrics",
    "health",
    "diagnose",
    "db status",
    "db check",
    "top --once",
)

# One each of what ended something before, and all at once.
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "all": hostile.ALL,
    "other forms": {**hostile.OTHER_FORMS, **hostile.REPEATABLE_READ},
    "intervalstyle": {"IntervalStyle": "iso_8601"},
    "datestyle": {"DateStyle": "SQL, DMY"},
    "serializable": hostile.SERIALIZABLE,
    "repeatable read": hostile.REPEATABLE_READ,
    "idle sessions end": {"idle_session_timeout": "1s"},
    # messages in Spanish, because PostgreSQL has them in more installations than those in Portuguese
    "languages": {
        "lc_messages": "es_ES.UTF-8",
        **dict.fromkeys(("lc_numeric", "lc_monetary", "lc_time"), "pt_BR.UTF-8"),
    },
}


def _is_installed(language: str) -> bool:
    try:
        before = locale.setlocale(locale.LC_MESSAGES)
        locale.setlocale(locale.LC_MESSAGES, language)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_MESSAGES, before)
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[Embedded]:
    programs = os.environ.get("ORCHESTRATOR_TEST_PROGRAMS")
    settings = {"fsync": "off", "full_page_writes": "off"}
    with temporary_server(
        within=fast_directory(), settings=settings, programs=Path(programs) if programs else None
    ) as server:
        yield server


@pytest.fixture
def superuser(server: Embedded) -> Iterator[psycopg.Connection[object]]:
    with psycopg.connect(server.dsn("template1"), autocommit=True, options="-c idle_session_timeout=0") as conn:
        yield conn


@pytest.fixture
def dsn(server: Embedded, superuser: psycopg.Connection[object], names: Names) -> Iterator[str]:
    """A fleet with two stations, in a database of its own."""
    superuser.execute("create database radio")
    dsn = server.dsn("radio")
    migrate(dsn, names.api)
    try:
        yield dsn
    finally:
        superuser.execute("drop database radio with (force)")


class Deployment:
    """A driver, a worker with a program for each stream, and the HTTP face."""

    def __init__(self, dsn: str, observer: str, names: Names, directory: Path, stack: ExitStack) -> None:
        self.names = names
        self.cli = cli_for(dsn, names.api)
        self.observer = stack.enter_context(db.connect(observer, schema=names.api, application_name="test"))
        self.driver = DriverProcess(dsn, names.api, directory / "driver.log")
        stack.callback(self.driver.end)
        self.worker_log = directory / "worker.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        command = [str(WORKER), "run", "--dsn", dsn, "--schema", names.api, "--instance-id", "fv-1"]
        command += ["--max-streams", "50", "--exec", "sleep 1000", "--on-exit", "leave"]
        with self.worker_log.open("w") as log:
            self.worker = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        stack.callback(self.worker.wait, 60)
        stack.callback(self.worker.terminate)
        self.http = HttpServer(dsn, names.api, directory / "http.log")
        stack.callback(self.http.stop)
        self.stations = 0

    def running(self) -> int:
        return len(db.view(self.observer, "assignments", where={"instance_id": "fv-1", "state": "running"}))

    def takes_a_station(self) -> None:
        """A station that is added by the command line is soon heard by the worker, under its name."""
        self.stations += 1
        answer = self.cli("stream", "add", f"http://radio.example.org/{self.stations}", "--name", STATION, "--json")
        assert answer.exit_code == 0, answer.stderr
        assert db.view(self.observer, "streams", where={"stream_id": self.stations})[0]["name"] == STATION
        wait_until(lambda: self.alive() and self.running() == self.stations, seconds=30, what="a station that is heard")

    def alive(self) -> bool:
        assert self.driver.process.poll() is None, self.driver.log.read_text()[-3000:]
        assert self.worker.poll() is None, self.worker_log.read_text()[-3000:]
        return True

    def works(self) -> None:
        self.takes_a_station()
        runs = self.runs()
        wait_until(lambda: self.alive() and self.runs() > runs + 2, seconds=30, what="jobs that run")
        for look in _LOOKS:
            for form in ((), ("--json",)):
                answer = self.cli(*look.split(), *form)
                # diagnose and health say by their exit what they found
                assert answer.exit_code == 0 or look in ("diagnose", "health"), (look, answer.stderr)
                assert "Traceback" not in answer.stderr
        answer = self.cli("settings", "set", "settle_window", "1 second", "--json")
        assert (answer.exit_code, answer.json["value"]) == (0, "00:00:01"), answer.stderr
        self.http.post("/register", instance_id="http-1", max_streams=1, capabilities=["audio_fingerprinting"])
        self.http.post("/heartbeat", instance_id="http-1", current_streams=0, timestamp="2026-01-02T03:04:05Z")
        for path in ("/instances", "/streams/status", "/metrics", "/health", "/status"):
            self.http.get(path)
        assert self.http.http.delete("/instances/http-1").status_code == 200
        self.alive()

    def runs(self) -> int:
        [row] = db.view(self.observer, "jobs", where={"job": "settle"})
        return int(row["runs"])

    def complaints(self) -> list[str]:
        """What the processes took for trouble."""
        said = [json.dumps(line) for line in self.driver.lines(level="error") if "alert_id" not in line]
        for log in (self.worker_log, self.http.log):
            said += [line for line in log.read_text().splitlines() if "level=ERROR" in line or "Traceback" in line]
        return said


Start = Callable[..., Deployment]


@pytest.fixture
def start(dsn: str, names: Names, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda as_login=dsn: Deployment(as_login, dsn, names, tmp_path, stack)


@pytest.mark.parametrize("name", _SETTINGS)
def test_a_reload_while_all_runs_ends_nothing(start: Start, superuser: psycopg.Connection[object], name: str) -> None:
    if missing := [each for key, each in _SETTINGS[name].items() if key.startswith("lc_") and not _is_installed(each)]:
        pytest.skip(f"this machine has not the locales {missing}")
    deployment = start()
    deployment.takes_a_station()
    with hostile.reloaded(superuser, _SETTINGS[name]):
        deployment.works()
    deployment.takes_a_station()
    assert deployment.complaints() == []
    # nothing was lost meanwhile, so nothing has changed hands
    assert db.view(deployment.observer, "decisions", where={"trigger": "lost"}) == []


@pytest.mark.parametrize("where", ["database", "login", "options"])
def test_a_fleet_starts_and_works_under_the_defaults_of_others(
    start: Start, superuser: psycopg.Connection[object], dsn: str, where: str
) -> None:
    if where == "options":
        deployment = start(make_conninfo(dsn, options=hostile.options(hostile.ALL)))
        deployment.works()
        assert deployment.complaints() == []
        return
    subject = sql.SQL("database radio" if where == "database" else "role postgres")
    superuser.execute("load 'plpgsql'")
    for statement in hostile.set_for(subject, hostile.ALL):
        superuser.execute(statement)
    try:
        deployment = start()
        deployment.works()
        assert deployment.complaints() == []
    finally:
        superuser.execute(sql.SQL("alter {} reset all").format(subject))


@pytest.mark.skipif(pgbouncer() is None, reason="pgbouncer is not installed")
@pytest.mark.parametrize("forms", [hostile.FORMS, hostile.OTHER_FORMS], ids=["forms", "other forms"])
def test_behind_a_pooler_where_nothing_can_be_set_all_works_too(
    start: Start, superuser: psycopg.Connection[object], server: Embedded, dsn: str, forms: Mapping[str, str]
) -> None:
    """A process of the server is another client's in a moment, so that none is given settings of ours."""
    with Pooler(str(server.socket_directory), "5432", "postgres", pool_size=5) as pooler:
        deployment = start(pooler.dsn(dsn))
        deployment.takes_a_station()
        with hostile.reloaded(superuser, forms):
            deployment.works()
        deployment.takes_a_station()
        assert deployment.complaints() == []


@pytest.mark.skipif(pgbouncer() is None, reason="pgbouncer is not installed")
def test_behind_a_pooler_a_snapshot_of_the_past_is_refused_in_a_sentence(
    superuser: psycopg.Connection[object], server: Embedded, dsn: str, names: Names
) -> None:
    superuser.execute("alter database radio set default_transaction_isolation to 'serializable'")
    with Pooler(str(server.socket_directory), "5432", "postgres", pool_size=5) as pooler:
        cli = cli_for(pooler.dsn(dsn), names.api)
        answer = cli("stream", "add", "http://radio.example.org/1", "--json")
        assert (answer.exit_code, answer.error["code"]) == (1, "OR101")
        assert "default_transaction_isolation" in answer.error["hint"]
        assert cli("status").exit_code == 0


def test_a_primary_that_is_frozen_is_waited_for(start: Start, superuser: psycopg.Connection[object]) -> None:
    """What a failover tool has frozen is not written to: all wait, workers go on, and nothing is lost meanwhile."""
    deployment = start()
    deployment.takes_a_station()
    with hostile.reloaded(superuser, {"default_transaction_read_only": "on"}):
        answer = deployment.cli("stream", "add", "http://radio.example.org/9", "--json")
        assert (answer.exit_code, answer.error["code"]) == (75, "25006")
        deployment.driver.wait_for_line(event="database left alone", seconds=60)
        assert deployment.cli("status", "--json").exit_code == 0
        assert deployment.running() == 1
        deployment.alive()
    deployment.takes_a_station()
    assert db.view(deployment.observer, "decisions", where={"trigger": "lost"}) == []
