"""With psql alone: a DBA registers instances, adds streams, beats, kills, and watches the streams move."""

import os
import subprocess

from psycopg.conninfo import make_conninfo

from orchestrator.database.embedded import program_path
from tests.sql.conftest import Login
from tests.support import Clock, Database

PSQL = str(program_path("psql"))


class Psql:
    """Real psql, one session per script, as one login."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.dsn = dsn
        self.schema = schema

    def __call__(self, script: str) -> list[str]:
        """The rows that the script printed, columns parted by |."""
        run = self._run(script)
        assert run.returncode == 0, run.stderr
        return run.stdout.splitlines()

    def refused(self, script: str) -> str:
        """What psql says when the server refuses."""
        run = self._run(f"\\set VERBOSITY verbose\n{script}")
        assert run.returncode == 3, run.stdout  # psql's status for a failed script
        return run.stderr

    def _run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PSQL, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", self.dsn],
            input=script.replace("orchestrator.", f"{self.schema}."),
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PGAPPNAME": "psql"},
        )


def test_a_dba_runs_a_fleet_with_psql_alone(database: Database, clock: Clock, login: Login) -> None:
    """The SQL alone must be enough."""
    admin = login("admin").info
    dba = Psql(make_conninfo(database.dsn, user=admin.user, password=admin.password), database.names.api)
    dba("select orchestrator.request_job(job) from orchestrator.jobs where runs_in = 'database'")

    # register, add, see
    assert dba("select incarnation, status from orchestrator.register_instance('fv-1', 10)") == ["1|registered"]
    assert dba(
        """
        select count(*) from generate_series(1, 6) as n
        cross join lateral orchestrator.add_stream('http://radio.example/' || n, 'Radio ' || n)
        """
    ) == ["6"]
    assert dba("select instance_id, state, count(*) from orchestrator.streams group by 1, 2") == ["fv-1|assigned|6"]

    # a second one joins and gets half
    dba("select * from orchestrator.register_instance('fv-2', 10)")
    clock.advance("3 seconds")
    assert dba("select job, result ->> 'moves' from orchestrator.run_due_jobs() where job = 'settle'") == ["settle|3"]
    moving = dba("select stream_id from orchestrator.assignments where next_instance_id = 'fv-2' order by 1")
    stopped = f"p_stopped => array[{','.join(moving)}]"
    assert dba(f"select stopped from orchestrator.acknowledge('fv-1', 1, {stopped})") == ["3"]
    assert dba("select instance_id, assigned_streams from orchestrator.instances order by 1") == ["fv-1|3", "fv-2|3"]
    assert dba("select action, count(*) from orchestrator.heartbeat('fv-2', 1, 0) group by 1") == ["add|3"]

    # fv-1 is killed: it beats no more, fv-2 does
    for status in ("registered", "warning", "warning", "inactive"):
        clock.advance("89 seconds")
        dba("select * from orchestrator.heartbeat('fv-2', 1); select * from orchestrator.run_due_jobs()")
        assert dba("select status from orchestrator.instances where instance_id = 'fv-1'") == [status]
    assert dba("select instance_id, assigned_streams from orchestrator.instances order by 1") == ["fv-1|0", "fv-2|6"]
    assert dba("select rule, moves, least_moves from orchestrator.decisions order by decision_id desc limit 1") == [
        "silence|3|3"
    ]

    # and why
    [stream_id] = dba("select min(stream_id) from orchestrator.movements where rule = 'silence'")
    assert dba(f"select what, from_instance_id, to_instance_id from orchestrator.explain_stream({stream_id})") == [
        "now assigned|fv-2|",
        "silence|fv-1|fv-2",
        "placed||fv-1",
    ]
    assert dba("select distinct split_part(actor, ' ', 2) from orchestrator.decisions") == ["(psql)"]
    assert dba("select component, status from orchestrator.health() where status <> 'healthy'") == [
        "instances|degraded"
    ]


def test_a_refusal_in_psql_says_what_to_do(database: Database) -> None:
    psql = Psql(database.dsn, database.names.api)
    refusal = psql.refused("select * from orchestrator.register_instance('fv 1', 10)")
    assert "ERROR:  OR101: bad argument" in refusal
    assert "HINT:  an id of 1 to 48 letters" in refusal


def test_the_manual_is_in_the_database(database: Database) -> None:
    r"""Design §4: \df+ and \dv+ are a manual."""
    psql = Psql(database.dsn, database.names.api)
    text = "\n".join(psql("\\df+ orchestrator.*\n\\dv+ orchestrator.*"))
    for sentence in ("Move one stream to one instance", "Every station: what it is and who hears it now."):
        assert sentence in text
