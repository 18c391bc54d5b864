"""`orchestrator db render`: a DBA installs and upgrades with psql alone."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.database import embedded
from orchestrator.install import check, script
from tests.migrate.conftest import Fleet


def _psql(dsn: str, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(embedded.program_path("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )


def _render(fleet: Fleet) -> str:
    return script.render(fleet.names.api, **fleet.roots)


def test_the_script_installs_and_the_program_finds_everything_in_order(fleet: Fleet) -> None:
    script = _render(fleet)
    assert "{{" not in script
    assert "{%" not in script
    done = _psql(fleet.dsn, script)
    assert (done.returncode, done.stderr) == (0, "")
    assert fleet.check() == []
    assert fleet.migrate().nothing_to_do
    assert [applied.name for applied in fleet.status().applied] == ["0001_note"]


def test_the_script_may_run_again_and_upgrade(fleet: Fleet) -> None:
    _psql(fleet.dsn, _render(fleet))
    fleet.run("insert into {private}.note values (1, 'kept')")
    assert _psql(fleet.dsn, _render(fleet)).returncode == 0
    fleet.write("migrations/0002_more.sql", "alter table {{ private }}.note add column more text default 'more';")
    fleet.replace("sql/views/notes.sql", "n.body", "n.body, n.more")
    done = _psql(fleet.dsn, _render(fleet))
    assert (done.returncode, done.stderr) == (0, "")
    assert fleet.run("select * from {api}.notes") == [{"note_id": 1, "body": "KEPT", "more": "more"}]
    assert fleet.check() == []


def test_the_script_upgrades_what_the_program_installed(fleet: Fleet) -> None:
    fleet.migrate()
    fleet.replace("sql/api/read_note.sql", "p_note_id", "p_id")
    assert _psql(fleet.dsn, _render(fleet)).returncode == 0
    assert fleet.check() == []


def test_the_script_refuses_a_database_that_is_newer(fleet: Fleet) -> None:
    old = _render(fleet)
    fleet.write("migrations/0002_more.sql", "create table {{ private }}.more (id integer);")
    fleet.migrate()
    done = _psql(fleet.dsn, old)
    assert done.returncode != 0
    assert "the database has migration 2 and this script knows only those up to 1" in done.stderr


def test_an_error_undoes_all_of_it(fleet: Fleet) -> None:
    fleet.write("sql/views/notes.sql", "create view {{ api }}.notes as select nothing;")
    assert _psql(fleet.dsn, _render(fleet)).returncode != 0
    assert fleet.status().installed is False


def test_the_real_files_go_through_psql(empty_database: str) -> None:
    done = _psql(empty_database, script.render())
    assert (done.returncode, done.stderr) == (0, "")
    assert check.check(empty_database) == []


def test_the_fence_goes_through_psql_twice(empty_database: str) -> None:
    fence = script.render_fence("results_fence")
    for _ in range(2):
        assert _psql(empty_database, fence).returncode == 0
    with psycopg.connect(empty_database) as conn:
        row = conn.execute("select count(*) from pg_proc where pronamespace = 'results_fence'::regnamespace").fetchone()
        assert row is not None
        assert row[0] > 0


@pytest.mark.slow
def test_the_wheel_migrates_from_an_empty_environment_outside_of_the_repository(
    empty_database: str, tmp_path: Path
) -> None:
    repository = Path(__file__).parents[2]
    run = subprocess.check_call
    run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(repository)],
        stdout=subprocess.DEVNULL,
    )
    run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")])
    (wheel,) = tmp_path.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "venv/bin/python"), "install", "--no-compile"]
    pip += ["--quiet", "--disable-pip-version-check"]
    run([*pip, "-c", str(repository / "constraints.txt"), str(wheel)])
    orchestrator = str(tmp_path / "venv/bin/orchestrator")
    target = ["--dsn", make_conninfo(empty_database), "--schema", "from_wheel"]
    run([orchestrator, "db", "migrate", *target], cwd=tmp_path)
    run([orchestrator, "db", "check", *target], cwd=tmp_path)
    rendered = subprocess.check_output([orchestrator, "db", "render", "--fence"], cwd=tmp_path, text=True)
    assert "create schema" in rendered
