from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from orchestrator.database import db
from tests.driver.processes import DriverProcess
from tests.shim.conftest import pooler as pooler  # a PgBouncer in transaction mode
from tests.support import Database, query

StartDriver = Callable[..., DriverProcess]


@pytest.fixture
def start_driver(database: Database, tmp_path: Path) -> Iterator[StartDriver]:
    """Starts `orchestrator run` on the test's database; ends all of them after the test."""
    started: list[DriverProcess] = []

    def start(*, dsn: str = database.dsn, **environment: str) -> DriverProcess:
        log = tmp_path / f"driver-{len(started) + 1}.log"
        started.append(DriverProcess(dsn, database.names.api, log, environment=environment))
        return started[-1]

    yield start
    for driver in started:
        driver.end()


class Jobs:
    """The test's own jobs beside, or instead of, those of the system."""

    def __init__(self, conn: db.Connection) -> None:
        self.conn = conn
        self.execute("create table {private}.ran (job text, at timestamptz default clock_timestamp())")
        self.execute("grant all on {private}.ran to {owner}")

    def execute(self, text: str, *parameters: object) -> list[db.Row]:
        return query(self.conn, text, self.conn.names, parameters)

    def put_off_all(self) -> None:
        """Nothing is due for hours."""
        self.execute("update {private}.job set next_run_at = {private}.now() + interval '5 hours'")

    def add(self, job: str, body: str = "", *, schedule: str = "5 hours", runs_in: str = "database") -> None:
        """A job that is due now: it notes that it ran, then does `body` (PL/pgSQL)."""
        self.conn.execute(
            sql.SQL(
                """
                create function {private}.{job}() returns jsonb language plpgsql as $function$
                begin
                    insert into {private}.ran (job) values ({name});
                    {body}
                    return {result}::jsonb;
                end $function$;
                alter function {private}.{job}() owner to {owner};
                insert into {private}.job (job, schedule, function_name, runs_in, next_run_at, description)
                values ({name}, {schedule}, {name}, {runs_in}, {private}.now(), 'a test');
                """
            ).format(
                private=sql.Identifier(self.conn.names.private),
                owner=sql.Identifier(self.conn.names.owner),
                job=sql.Identifier(job),
                name=sql.Literal(job),
                body=sql.SQL(body.replace("{private}", self.conn.names.private)),
                result=sql.Literal('{"counted": {"things": 3}}'),
                schedule=sql.Literal(schedule),
                runs_in=sql.Literal(runs_in),
            )
        )

    def ran(self, job: str | None = None) -> int:
        [row] = self.execute("select count(*) from {private}.ran where job = coalesce(%s, job)", job)
        count = row["count"]
        assert isinstance(count, int)
        return count

    def make_due(self, job: str) -> None:
        self.execute("update {private}.job set next_run_at = {private}.now() where job = %s", job)

    def waiting_drivers(self) -> int:
        """How many drivers wait in a job, for a lock or in pg_sleep()."""
        [row] = self.execute(
            """
            select count(*) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
                and query like '%%run_next_job%%' and state = 'active' and wait_event_type in ('Lock', 'Timeout')
            """
        )
        count = row["count"]
        assert isinstance(count, int)
        return count


@pytest.fixture
def jobs(database: Database) -> Jobs:
    """No job is due but those that the test adds."""
    jobs = Jobs(database.connect())
    jobs.put_off_all()
    return jobs
