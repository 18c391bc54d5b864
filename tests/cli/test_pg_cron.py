"""`orchestrator jobs install-pg-cron`, on Debian's PostgreSQL where its pg_cron is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from orchestrator.database import db
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from tests import hostile
from tests.cli.conftest import Cli
from tests.driver.processes import wait_until

POSTGRES_15 = Path("/usr/lib/postgresql/15")
PG_CRON = POSTGRES_15 / "lib" / "pg_cron.so"


@pytest.fixture
def with_pg_cron() -> Iterator[str]:
    if not PG_CRON.exists():
        pytest.skip("pg_cron is not installed (apt-get install postgresql-15-cron)")
    settings = {"shared_preload_libraries": "pg_cron", "cron.use_background_workers": "on", "fsync": "off"}
    with temporary_server(settings=settings, programs=POSTGRES_15 / "bin") as server:
        migrate(server.dsn())
        with db.connect(server.dsn(), application_name="test") as conn:
            conn.execute("create extension pg_cron")
        yield server.dsn()


def test_without_the_extension_it_is_refused(cli: Cli) -> None:
    answer = cli("jobs", "install-pg-cron", "--json")

    assert answer.exit_code == 1
    assert answer.error["message"] == "the extension pg_cron is not in this database"


@pytest.mark.slow  # pg_cron before 1.5 looks once a minute
def test_pg_cron_runs_the_jobs_of_the_database(cli: Cli, with_pg_cron: str) -> None:
    dsn = ("--dsn", with_pg_cron, "--schema", "orchestrator")
    with db.connect(with_pg_cron, application_name="test") as conn:
        # its sessions have the defaults of others
        for statement in hostile.set_for(sql.SQL("database postgres"), {**hostile.FORMS, **hostile.SERIALIZABLE}):
            conn.execute(statement)
        installed = cli("jobs", "install-pg-cron", "--schedule", "* * * * *", "--json", *dsn).json
        assert cli("jobs", "install-pg-cron", "--schedule", "* * * * *", "--json", *dsn).json == installed

        entries = conn.execute("select jobname from cron.job order by 1").fetchall()
        assert [entry["jobname"] for entry in entries] == ["orchestrator hold-ups", "orchestrator jobs"]
        runs = "select 1 from cron.job_run_details where command like %s and status = 'succeeded'"
        wait_until(lambda: conn.execute(runs, ["%end_hold_ups%"]).fetchall(), seconds=90)
        wait_until(lambda: db.view(conn, "jobs", where={"job": "settle"})[0]["runs"] > 0, seconds=90)
        assert db.view(conn, "job_runs", where={"outcome": "failed"}) == []

        assert cli("jobs", "install-pg-cron", "--remove", "--json", *dsn).json["removed"] is True
        assert conn.execute("select 1 from cron.job").fetchall() == []
