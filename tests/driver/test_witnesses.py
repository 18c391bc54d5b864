"""A driver reads what clients write of themselves in the production database, and they outlive their silence here."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.database import db
from tests.driver.conftest import Jobs, StartDriver
from tests.driver.processes import wait_until
from tests.field.production import TABLE, write_heartbeat


def _client(jobs: Jobs, name: str, number: int) -> None:
    request = {"instance_id": name, "capacity": 5, "ip": f"192.0.2.{number}", "port": 8000}
    db.call(jobs.conn, "http_register", request=request, address=f"192.0.2.{number}", dialect="worker")


def test_a_driver_keeps_a_silent_client_whose_rows_advance_and_loses_the_one_beside_it(
    jobs: Jobs, start_driver: StartDriver, empty_database: str
) -> None:
    with psycopg.connect(empty_database) as conn:
        conn.execute(TABLE)
        conn.execute("create table music_log (id bigserial primary key, name text, identified_by text)")
    parts = {key: value for key, value in conninfo_to_dict(empty_database).items() if key != "password"}
    db.call(
        jobs.conn,
        "add_source",
        source="field",
        conninfo=make_conninfo(**parts),  # type: ignore[arg-type]  # libpq's dictionary is typed for all keys at once
        table_name="streams",
        heartbeats="server_heartbeats",
        music_log="music_log",
    )
    _client(jobs, "writes", 1)
    _client(jobs, "silent", 2)
    for setting, value in (("http_ask_rhythm", "1 second"), ("http_beat_timeout", "10 seconds")):
        jobs.execute("update {private}.setting set value = %s where name = %s", value, setting)
    jobs.execute("update {private}.job set schedule = '1 second' where job in ('read_witnesses', 'watch_instances')")
    for job in ("read_witnesses", "watch_instances"):
        jobs.make_due(job)

    driver = start_driver()

    def is_lost(name: str) -> bool:
        write_heartbeat(empty_database, "writes", "10.0.0.7", running=0, first_answer=0, factor=1.0)
        with psycopg.connect(empty_database) as conn:
            conn.execute("insert into music_log (name, identified_by) values ('Radio 1', 'writes')")
        jobs.execute("update {private}.witness set last_attempt_at = null")  # due at once
        [row] = db.view(jobs.conn, "instances", where={"instance_id": name})
        return bool(row["status"] == "inactive")

    wait_until(lambda: is_lost("silent"), seconds=60, what="one is lost")
    assert not is_lost("writes")
    assert jobs.execute("select name, written_by from {private}.witnessed_station") == [
        {"name": "Radio 1", "written_by": "writes"}
    ]
    [read] = db.view(jobs.conn, "sources", where={"source": "field"})
    assert {witness["consecutive_failures"] for witness in read["witnesses"].values()} == {0}

    with psycopg.connect(empty_database) as conn:
        conn.execute("drop table server_heartbeats")
    told = driver.wait_for_line(event="witness cannot be read", witness="heartbeats")
    assert told["message"] == "the source has no such table"
    wait_until(lambda: db.view(jobs.conn, "job_runs", where={"job": "read_witnesses", "outcome": "done"}))
    [of_the_job] = db.view(jobs.conn, "jobs", where={"job": "read_witnesses"})
    assert of_the_job["failures"] == 0
