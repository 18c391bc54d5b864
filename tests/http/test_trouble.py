"""The database goes away, the login may too little, the extra is missing."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.driver.processes import ORCHESTRATOR, wait_until
from tests.fleet import Fleet
from tests.http.clients import MainClient
from tests.http.conftest import PASSWORD, LoginDsn, Serve
from tests.http.processes import HttpServer, free_port
from tests.support import Database


def test_without_its_database_it_says_so_and_when_to_come_back(serve: Serve) -> None:
    """R5.2: the clients keep what they have and come back."""
    face = serve(dsn=make_conninfo(host="/nowhere", dbname="gone", user="planted-user"))
    for path in ("/readyz", "/health", "/status"):
        response = face.http.get(path)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.headers["content-type"] == "application/problem+json"
        assert "planted-user" not in response.text
    assert face.http.post("/heartbeat", json={"instance_id": "a"}).status_code == 503
    assert face.http.get("/livez").json() == {"status": "alive"}


def test_connections_that_were_cut_are_replaced(
    face: HttpServer, fleet: Fleet, superuser: psycopg.Connection[object]
) -> None:
    """R5.1"""
    client = MainClient(face, "http-1")
    client.register()
    cut = superuser.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orchestrator:http'"
    )
    assert cut.rowcount >= 1
    wait_until(
        lambda: (
            superuser.execute(
                "select from pg_stat_activity where application_name = 'orchestrator:http' and datname = %s",
                [conninfo_to_dict(fleet.database.dsn)["dbname"]],
            ).rowcount
            == 0
        ),
        what="the connections are gone",
    )
    assert client.beat() == []


def test_what_fails_for_contention_is_tried_three_times(face: HttpServer, fleet: Fleet) -> None:
    """R2.3"""
    fleet.query("create sequence {p}.tries")
    fleet.query("grant usage on sequence {p}.tries to public")
    fleet.query(
        """
        create or replace function {a}.is_current(p_stream_id bigint, p_epoch bigint) returns boolean
            language plpgsql volatile security definer
        as $$
        begin
            if nextval('{p}.tries') not in (3, 7) then
                raise exception using errcode = '40001', message = 'another was first';
            end if;
            return false;
        end
        $$
        """
    )
    assert face.http.get("/readyz").status_code == 200, "the third try"
    refused = face.http.get("/readyz")
    assert (refused.status_code, refused.json()["code"]) == (503, "40001"), "three of three"


def test_it_may_not_speak_for_instances_of_another_login(serve: Serve, fleet: Fleet, login_dsn: LoginDsn) -> None:
    mine, other = serve(), serve(dsn=login_dsn("worker", "reader"))
    MainClient(mine, "http-1").register()
    mine.post("/register", server_id="server-1", max_streams=10)
    for path, body in (
        ("/heartbeat", {"instance_id": "http-1"}),
        ("/register", {"instance_id": "http-1", "max_streams": 5}),
        ("/register", {"server_id": "server-1", "max_streams": 5}),
        ("/streams/assign", {"server_id": "server-1", "requested_count": 1}),
        ("/streams/release", {"server_id": "server-1", "stream_ids": [1]}),
        ("/heartbeat", {"server_id": "server-1", "current_streams": 0}),
    ):
        refused = other.http.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "OR106"), path
    assert fleet.instance("http-1")["incarnation"] == 1


def test_an_instance_that_listens_by_now_is_not_spoken_for(face: HttpServer, fleet: Fleet, login_dsn: LoginDsn) -> None:
    """The process was replaced by one with the shim, by the same login."""
    client = MainClient(face, "http-1")
    client.register()
    fleet.query("update {p}.instance set owner_role = session_user")
    fleet.register("http-1", takeover=True)
    response = face.http.post("/heartbeat", json={"instance_id": "http-1"})
    assert (response.status_code, response.json()["code"]) == (404, "OR103")


def test_a_login_without_a_role_is_told_which_it_needs(serve: Serve, login_dsn: LoginDsn) -> None:
    face = serve(dsn=login_dsn())
    refused = face.http.get("/status")
    assert refused.status_code == 403
    assert "roles" in refused.json()["detail"]


def test_what_the_database_breaks_at_is_not_shown(face: HttpServer, fleet: Fleet) -> None:
    fleet.query("alter table {p}.http_session rename to planted_secret_table")
    response = face.http.post("/heartbeat", json={"instance_id": "a"})
    fleet.query("alter table {p}.planted_secret_table rename to http_session")
    assert response.status_code == 500
    assert response.json().keys() == {"type", "title", "status", "code", "request_id"}
    assert response.json()["title"] == "internal error"
    assert "planted_secret_table" not in response.text
    assert "http_session" in face.log.read_text(), "operators see it"


def test_the_command_serves_and_ends_on_sigterm(database: Database, login_dsn: LoginDsn, tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "serve.log"
    command = [str(ORCHESTRATOR), "serve", "--port", str(port), "--json", "--schema", database.names.api]
    environment = {**os.environ, "ORCHESTRATOR_DSN": login_dsn("worker", "reader"), "ORCHESTRATOR_API_KEYS": "k1"}
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stderr=stderr, env=environment)
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(answers, seconds=120, what="it serves")
        assert httpx.get(f"http://127.0.0.1:{port}/status").status_code == 401
    finally:
        process.terminate()
        assert process.wait(60) in (0, -15)
    assert '"event": "serving HTTP"' in log.read_text()
    assert "Traceback" not in log.read_text()
    assert PASSWORD not in log.read_text()


def test_without_the_extra_the_command_names_it(tmp_path: Path) -> None:
    """An installation that has only what the package itself needs."""
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('uvicorn', 'pydantic', 'starlette'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from orchestrator.cli import main\n"
        "main(['serve'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'radio-orchestrator[http]'" in done.stderr
    assert "Traceback" not in done.stderr
