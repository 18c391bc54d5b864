"""What can be said of the files in deploy/ without a container engine: well-formed, whole, and no secret in them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from orchestrator.database.embedded import program_path
from tests.support import Database, Server

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
LOGINS = {"orchestrator_driver": "DRIVER", "orchestrator_http": "HTTP", "orchestrator_fingerv7": "WORKER"}


def test_the_compose_file_is_one() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([program, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"], check=True)


def test_every_variable_of_the_compose_file_is_explained_and_no_other() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    explained = set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    assert used == explained


def test_every_service_is_restarted_keeps_its_logs_small_and_may_end_in_its_time() -> None:
    services = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]
    for name, service in services.items():
        assert service["logging"]["options"] == {"max-size": "100m", "max-file": "7"}, name
        assert service["restart"] == ("no" if name in ("migrate", "logins") else "unless-stopped"), name
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or value.startswith("${"), f"{name}: {variable}"
    assert services["worker"]["network_mode"] == "service:wireguard"
    # longer than worker-shim's --drain-timeout and --stop-timeout together
    assert services["worker"]["stop_grace_period"] == "90s"
    for name in ("database", "driver-1", "driver-2", "serve", "wireguard"):
        assert services[name]["healthcheck"]["test"], name


def test_the_image_is_built_from_what_is_here_and_does_not_run_as_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text()
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path
            assert f"!{path}\n" in ignored, path
    assert re.search(r"^USER \d+$", text, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    installed = tmp_path / unit.name.replace("@", "@fingerv7-001")
    installed.write_text(unit.read_text().replace("/opt/radio-orchestrator/bin", str(programs)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", installed], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_logins_are_made_once_get_the_passwords_of_now_and_may_do_their_work(
    database: Database, server: Server
) -> None:
    if database.names.api != "orchestrator":
        pytest.skip("the file names the roles of the fleet that is called orchestrator")
    command: list[str | Path] = [program_path("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", database.dsn]
    conn = database.connect()
    known = []
    try:
        for number in range(2):
            passwords = {f"{name}_PASSWORD": f"unsaid-{number}'\"{name}" for name in LOGINS.values()}
            subprocess.run(
                [*command, f"--file={DEPLOY / 'logins.sql'}"],
                env={**os.environ, **passwords, "PGOPTIONS": "-c log_statement=all -c log_min_duration_statement=0"},
                check=True,
            )
            rows = conn.execute(
                "select rolname, rolpassword from pg_authid where rolname = any(%s)", [[*LOGINS]]
            ).fetchall()
            assert {row["rolname"] for row in rows} == LOGINS.keys()
            known.append({row["rolpassword"] for row in rows})
            assert all(password.startswith("SCRAM-SHA-256") for password in known[-1])
        assert not known[0] & known[1]
        may = conn.execute(
            """
            select r.rolname as login, array_agg(g.rolname::text order by g.rolname) as roles
            from pg_auth_members as m join pg_roles as r on r.oid = m.member join pg_roles as g on g.oid = m.roleid
            where r.rolname = any(%s) group by r.rolname
            """,
            [[*LOGINS]],
        ).fetchall()
        assert {row["login"]: row["roles"] for row in may} == {
            "orchestrator_driver": ["orchestrator_admin"],
            "orchestrator_http": ["orchestrator_reader", "orchestrator_worker"],
            "orchestrator_fingerv7": ["orchestrator_worker"],
        }
        log = Path(server.host) / "log"
        if log.exists():
            assert "unsaid-" not in log.read_text()
    finally:
        for login in LOGINS:
            conn.execute(f"drop role if exists {login}")
