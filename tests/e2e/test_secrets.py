"""Secrets planted wherever they can get in, everything run through the real programs: none is found again (R2.4)."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.cli import main
from orchestrator.database import db
from tests.alerts.receivers import Webhook
from tests.driver.processes import ORCHESTRATOR, wait_until
from tests.http.processes import free_port
from tests.support import Database, Server, statement

pytestmark = pytest.mark.slow

WORKER_SHIM = ORCHESTRATOR.with_name("worker-shim")
SECRET = re.compile(r"hush[\w-]*")
"""All that is planted begins so, and must be found nowhere."""

STREAM_URL = "http://listener:hush-stream-login@127.0.0.1:1/live?token=hush-stream-token"
PROGRAM = "import os, sys; sys.exit('@' not in os.environ['STREAM_URL'])"


_OF_THE_MACHINE = ("PG", "POSTGRES_", "LOG_")
"""What the variables begin with that no program of this test takes over from its environment."""


class Findings:
    """What was written or shown, by where."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.found: list[str] = []

    def look(self, where: str, what: object) -> None:
        text = what if isinstance(what, str) else json.dumps(what, default=str)
        self.looked_at += bool(text.strip())
        for match in SECRET.finditer(text):
            self.found.append(f"{where}: …{text[max(match.start() - 80, 0) : match.end() + 20]}…")


class System:
    """One database with a worker's, a driver's and a server's processes, none of which may tell what it knows."""

    def __init__(self, database: Database, server: Server, directory: Path, findings: Findings) -> None:
        self.database, self.server, self.directory, self.findings = database, server, directory, findings
        self.parts = conninfo_to_dict(database.dsn)
        self.with_password = make_conninfo(database.dsn, password="hush-dsn")
        password_file = directory / "pgpass"
        password_file.write_text("*:*:*:*:hush-pgpass\n")
        password_file.chmod(0o600)
        (directory / "keys").write_text("hush-key-of-the-file\n")
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(_OF_THE_MACHINE)},
            "ORCHESTRATOR_SCHEMA": database.names.api,
            "LOG_LEVEL": "DEBUG",
            "PGPASSFILE": str(password_file),
            "PGPASSWORD": "hush-pgpassword",
            "POSTGRES_PASSWORD": "hush-source",
            "ORCHESTRATOR_API_KEYS": "hush-api-key",
            "ORCHESTRATOR_API_KEYS_FILE": str(directory / "keys"),
            "ORCHESTRATOR_ALERT_URL_MAIL": "mailto://user:hush-smtp@127.0.0.1:1?from=a@example.org&to=b@example.org",
            "ORCHESTRATOR_ALERT_URL_CHAT": "gotify://127.0.0.1:1/hush-gotify-token",
            "REDIS_URL": "redis://user:hush-redis@127.0.0.1:1/0",
            "ORCHESTRATOR_ALERT_URL_BAD": "nonsense://hush-bad-address/hush",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = Path(server.host) / "log"
        self._logged_before = self._log.stat().st_size if self._log.exists() else 0

    def logged(self) -> str:
        """What PostgreSQL has logged of this database since the test began; another test may have used it before."""
        if not self._log.exists():
            return ""
        with self._log.open(errors="replace") as log:
            log.seek(self._logged_before)
            return "".join(line for line in log if f"@{self.parts['dbname']} " in line)

    def start(self, name: str, *command: str | Path, **environment: str) -> Path:
        """A process that runs on; returns the log in which everything that it writes goes."""
        log = self.directory / f"{name}.log"
        with log.open("wb") as output:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment | environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return log

    def run(self, *arguments: str, status: int | tuple[int, ...], **environment: str) -> None:
        """A command, whose end is known, as a process of its own."""
        done = subprocess.run(
            [ORCHESTRATOR, *arguments],
            env={"ORCHESTRATOR_DSN": self.with_password, **self.environment, **environment},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        self._look_at(arguments, status, done.returncode, done.stdout, done.stderr)

    def run_here(self, *arguments: str, status: int | tuple[int, ...], **environment: str) -> None:
        """The same in this process, which is quicker. A DSN in the arguments would start this process anew."""
        foreign = {key: None for key in os.environ if key.startswith(_OF_THE_MACHINE)}
        done = CliRunner(
            env={**foreign, "ORCHESTRATOR_DSN": self.with_password, **self.environment, **environment}
        ).invoke(main, arguments)
        assert isinstance(done.exception, SystemExit | None), done.exc_info
        self._look_at(arguments, status, done.exit_code, done.stdout, done.stderr)

    def _look_at(
        self, arguments: Sequence[str], expected: int | tuple[int, ...], status: int, stdout: str, stderr: str
    ) -> None:
        where = f"orchestrator {' '.join(arguments)}"
        assert status in (expected if isinstance(expected, tuple) else (expected,)), f"{where}: {stderr}"
        assert "Traceback" not in stderr, stderr
        self.findings.look(f"{where} (stderr)", stderr)
        self.findings.look(where, stdout)

    def look_at_command_lines(self) -> None:
        """Of every process that runs on, and of its children."""
        for name, process in self.processes.items():
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for member in family:
                with_arguments = Path(f"/proc/{member.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                self.findings.look(f"command line of {name}", with_arguments)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def system(database: Database, server: Server, tmp_path: Path) -> Iterator[System]:
    findings = Findings()
    system = System(database, server, tmp_path, findings)
    try:
        yield system
    finally:
        system.close()


def _plant(system: System, conn: db.Connection) -> None:
    """Work that fails in every way, each with a secret in it."""
    private, owner = sql.Identifier(conn.names.private), sql.Identifier(conn.names.owner)
    conn.execute(
        sql.SQL(
            """
            create function {private}.bad_job() returns jsonb language plpgsql as $$
            begin
                raise exception using
                    errcode = '22023', message = 'cannot reach postgresql://me:hush-message@db/x',
                    detail = 'password=hush-detail', hint = 'look at https://hooks.example.org/services/hush-hint';
            end $$;
            alter function {private}.bad_job() owner to {owner};
            insert into {private}.job (job, schedule, function_name, runs_in, next_run_at, description) values
                ('bad_job', '1 second', 'bad_job', 'database', {private}.now(), 'fails'),
                ('unknown', '1 hour', 'unknown', 'driver', {private}.now(), 'for unknown reasons');
            update {private}.job set schedule = '1 second', next_run_at = {private}.now()
                where job in ('evaluate_alerts', 'deliver_alerts', 'sync_source');
            """
        ).format(private=private, owner=owner)
    )
    for name, value in (
        ("alert_message_interval", "0 s"),
        ("failures_before_move", "1"),
        ("stations_blamed_after", "1"),
    ):
        db.call(conn, "set_setting", name=name, value=value)
    for target in ("ops", "mail", "chat", "bad"):
        db.call(conn, "set_alert_target", target=target)
    db.call(
        conn,
        "add_stream",
        url=STREAM_URL,
        name="Radio One",
        metadata={"password": "hush-metadata", "login": {"api_token": "hush-nested"}},
    )
    db.call(conn, "add_stream", url="http://127.0.0.1:1/2", required_capabilities=["hd"])
    db.call(
        conn,
        "add_source",
        source="gone",
        conninfo="host=127.0.0.1 port=1 user=u dbname=x",
        table_name="t",
        sync_interval="1 s",
    )


NOT_REACHED = (
    "postgresql://me:hush-uri@127.0.0.1:1/x",
    "host=db.invalid password=hush-host dbname=x",
    "postgresql://me:hush/slash@127.0.0.1:1/x",
    "postgresql://me:hush@at@127.0.0.1:1/x",
    "postgresql//me:hush-colon@db/x",
    "host=db password=two hush-words",
    "password='hush-quote host=x",
    "host=/nowhere sslmode=none password=hush-mode",
)
REFUSED_DSNS = (*(("status", "--dsn", dsn) for dsn in NOT_REACHED), ("db", "migrate", "--dsn", NOT_REACHED[0]))
REFUSED = (
    ("source", "add", "other", "--from", "host=db password=hush-from dbname=x", "--table", "t"),
    ("source", "add", "other", "--from", "postgresql://u:hush-from@db/x", "--table", "t"),
    ("source", "add", "other", "--from", "host=db hush from", "--table", "t"),
    ("source", "sync", "gone"),
    ("stream", "add", "ftp://u:hush-refused@x/y?token=hush-refused"),
    ("stream", "add", STREAM_URL, "--metadata", '{"token": "hush-again"}'),  # it is there
    ("stream", "add", "http://radio.example.org", "--metadata", '{"token": "hush-half'),
    ("settings", "set", "strategy", "password=hush-setting"),
    *(("alerts", "test", name) for name in ("bad", "mail", "chat")),
    ("instance", "show", "fv-9"),
    ("event", "00000000"),
)
ANSWERED = (
    *(("status",), ("diagnose",), ("diagnose", "--json"), ("health",), ("event", "--json"), ("settings", "list")),
    *(("alerts", "--json"), ("alerts", "targets"), ("alerts", "deliveries", "--json"), ("alerts", "test", "ops")),
    *(("jobs", "list", "--json"), ("jobs", "runs", "--json"), ("source", "list", "--json"), ("rebalance", "plan")),
    *(("instance", "list"), ("instance", "show", "fv-1"), ("stream", "explain", "1")),
    *(("db", "status"), ("db", "render"), ("db", "render", "--fence")),
)


def _run_commands(system: System, **environment: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda arguments: system.run(*arguments, status=(1, 2, 75), **environment), REFUSED_DSNS))
    for arguments in REFUSED:
        system.run_here(*arguments, status=(1, 2, 75), **environment)
    for arguments in ANSWERED:
        system.run_here(*arguments, status=(0, 1), **environment)  # unhealthy is an answer too
    names = system.database.names
    with system.database.connect(autocommit=False) as holder:
        holder.execute(statement("alter function {api}.add_stream set lock_timeout = '50ms'", names))
        holder.commit()
        holder.execute(statement("select {private}.lock_decisions()", names))
        system.run_here("stream", "add", STREAM_URL + "&x=2", "--metadata", '{"password": "hush-lock"}', status=75)
        holder.rollback()


def _ask_over_http(system: System, url: str) -> None:
    with httpx.Client(base_url=url) as http:
        wait_until(lambda: _answers(http), what="the server answers")
        for key in ("hush-wrong-key", "hush-api-key", "hush-key-of-the-file"):
            for body in (
                {"instance_id": "x y", "metadata": {"password": "hush-body"}},
                {"server_id": "web-1", "max_streams": 3},
            ):
                answer = http.post("/register?token=hush-query", json=body, headers={"X-API-Key": key})
                system.findings.look("POST /register", answer.text if answer.status_code >= 400 else "registered")
            answer = http.post(
                "/heartbeat", content=b'{"password": "hush-half', headers={"Authorization": f"Bearer {key}"}
            )
            system.findings.look("POST /heartbeat", answer.text)
            for path in ("/health", "/metrics", "/instances", "/status", "/openapi.json"):
                answer = http.get(path, auth=("any", key))
                system.findings.look(f"GET {path}", answer.text)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _look_at_the_record(system: System, conn: db.Connection) -> None:
    """What the database keeps and shows."""
    for view in (
        "alerts", "alert_deliveries", "alert_targets", "decisions", "events", "failing_stations", "failure_streaks",
        "incident_patterns", "jobs", "job_runs", "locks", "repairs", "settings", "sources", "stalled_streams", "fleet",
    ):  # fmt: skip
        system.findings.look(f"view {view}", db.view(conn, view))
    for function in ("diagnose", "health"):
        system.findings.look(f"{function}()", db.call(conn, function))
    private = sql.Identifier(conn.names.private)
    for table in ("job_run", "incident_pattern", "failure_streak", "alert", "alert_target", "refusal", "source"):
        rows = conn.execute(sql.SQL("select * from {}.{}").format(private, sql.Identifier(table))).fetchall()
        assert rows or table in ("refusal", "failure_streak"), table
        system.findings.look(f"table {table}", rows)
    # the superuser sees all, a reader no more
    sessions = conn.execute("select pid, query from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
    assert len(sessions) > 5
    system.findings.look("pg_stat_activity", sessions)


def test_no_secret_reaches_a_log_an_error_a_process_list_or_the_record(system: System) -> None:
    conn = system.database.connect()
    _plant(system, conn)
    port = free_port()
    with Webhook().running() as webhook, ExitStack() as stack:
        ops = webhook.url.replace("//", "//hook:hush-webhook-login@")
        stack.callback(system.close)
        run, work = (ORCHESTRATOR, "run"), (WORKER_SHIM, "run", "--max-streams", "5", "--instance-id")
        dsn = ("--dsn", system.with_password)
        source = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1", "POSTGRES_USER": "u", "POSTGRES_DB": "x"}
        by_environment = {"ORCHESTRATOR_DSN": system.with_password, **source, "DB_TABLE_NAME": "t"}
        own_file = system.directory / "own.log"
        program = f'{sys.executable} -c "{PROGRAM}"'
        logs = [
            own_file,
            system.start("driver", *run, *dsn, "--json", ORCHESTRATOR_ALERT_URL_OPS=ops),
            system.start("driver-2", *run, "--log-file", own_file, ORCHESTRATOR_ALERT_URL_OPS=ops, **by_environment),
            system.start("serve", ORCHESTRATOR, "serve", "--port", str(port), f"--dsn={system.with_password}"),
            system.start("worker", *work, "fv-1", *dsn, "--exec", program),
            system.start("listening", *work, "fv-2", *dsn, "--exec", "sleep 60", LOG_FORMAT="json"),
            system.start(
                "nowhere", *work, "fv-3", "--dsn", "postgresql://me:hush-x@127.0.0.1:1/x", "--exec", "sleep 60"
            ),
        ]
        _ask_over_http(system, f"http://127.0.0.1:{port}")
        wait_until(lambda: db.view(conn, "failing_stations"), what="the station is blamed")
        wait_until(lambda: webhook.told("station_failing") and webhook.told("job_failing"), what="the webhook is told")
        wait_until(lambda: db.view(conn, "alerts", where={"code": "source_lost"}), what="the source is lost")
        wait_until(lambda: [t for t in db.view(conn, "alert_targets") if t["last_error"]], what="a target fails")
        system.look_at_command_lines()
        _run_commands(system, ORCHESTRATOR_ALERT_URL_OPS=ops)
        _look_at_the_record(system, conn)
        system.look_at_command_lines()
        assert all(process.poll() is None for process in system.processes.values()), "all of them still run"
        for process in system.processes.values():
            process.send_signal(signal.SIGTERM)
        system.findings.look("the webhook's messages", [message["message"] for message in webhook.messages])
        for name in ("driver", "serve"):
            system.processes[name].wait(60)
    for log in logs:
        system.findings.look(log.name, log.read_text())
    system.findings.look("PostgreSQL's log", system.logged())

    assert system.findings.looked_at > 70
    assert not system.findings.found, "\n".join(system.findings.found)
