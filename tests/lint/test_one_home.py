"""One truth has one home: who holds a lock, which statuses live, what may be a name, what hides secrets."""

import re
from pathlib import Path

from orchestrator import templates
from orchestrator.names import NAME_PATTERN, is_name
from tests.rooms import sql_file_of
from tests.support import Database

TOP = Path(templates.__file__).parent
STATUSES = "registered|active|warning|inactive|recovering|draining|removed"
NAMES = [
    "a",
    "fingerv7-001",
    "0",
    "A.b_c-d",
    "x" * 48,
    "x" * 49,
    "",
    "-a",
    "_a",
    ".a",
    "a b",
    "ação",
    "a\n",
    "a/b",
    "a$",
]


def _sql_files_with(pattern: str) -> set[str]:
    """Files of sql/ in whose statements, not comments, it stands."""
    found = set()
    for path in templates.SQL_ROOT.rglob("*.sql"):
        if re.search(pattern, re.sub(r"--.*", "", path.read_text())):
            found.add(str(path.relative_to(templates.SQL_ROOT)))
    return found


def _python_files_with(pattern: str) -> set[str]:
    """Modules of orchestrator/ and worker_shim/ in which it stands."""
    roots = (TOP, TOP.parent / "worker_shim")
    files = [path for root in roots for path in root.rglob("*.py")]
    assert len(files) > 50
    return {str(path.relative_to(TOP.parent)) for path in files if re.search(pattern, path.read_text())}


def test_who_holds_a_lock_is_read_in_one_file() -> None:
    """The runner's own look needs no schema: a migration that installs it may wait, too."""
    home = str(sql_file_of("waiting_sessions").relative_to(templates.SQL_ROOT))
    assert _sql_files_with(r"\bpg_locks\b") == {home, "runner/blockers.sql"}
    assert _sql_files_with(r"\bpg_blocking_pids\b") == {home, "runner/sessions.sql"}
    assert _python_files_with(r"\bpg_(locks|blocking_pids)\b") == set()


def test_the_statuses_that_live_or_can_be_given_streams_are_spelled_out_nowhere() -> None:
    """They are the generated columns is_living and is_placeable of an instance."""
    pair = rf"in \(\s*'({STATUSES})',\s*'({STATUSES})'"
    spelled = _sql_files_with(pair)
    # what a beat may do at once, and which events the status of an instance sends on, are other questions
    assert spelled == {
        "dashboard/dashboard_parts.sql", "diagnosis/findings_database.sql", "heartbeat/heartbeat.sql",
        "heartbeat/status_events.sql", "instances/state_machine.sql",
    }  # fmt: skip
    three = rf"in \(\s*'({STATUSES})',\s*'({STATUSES})',\s*'({STATUSES})'"
    assert _sql_files_with(three) == {"heartbeat/status_events.sql"}
    assert _sql_files_with(r"'inactive',\s*'removed'") == set()


def test_a_living_instance_and_a_placeable_one_are_what_their_statuses_say(database: Database) -> None:
    private = database.names.private
    conn = database.connect()
    conn.execute(f"alter table {private}.instance disable trigger user")
    for status in STATUSES.split("|"):
        conn.execute(
            f"insert into {private}.instance"
            " (instance_id, status, status_event, status_changed_at, max_streams, owner_role, registered_at)"
            f" values ('{status}', '{status}', 'register', now(), 1, session_user, now())"
        )
    rows = conn.execute(f"select status, is_living, is_placeable from {private}.instance").fetchall()
    living = {row["status"] for row in rows if row["is_living"]}
    assert living == {"registered", "active", "warning", "recovering", "draining"}
    assert {row["status"] for row in rows if row["is_placeable"]} == {"registered", "active", "recovering"}


def test_what_may_be_a_name_is_said_once_in_sql_and_once_in_python() -> None:
    pattern = r"A-Za-z0-9\._-\]\{0,47\}"
    assert _sql_files_with(pattern) == {str(sql_file_of("is_name").relative_to(templates.SQL_ROOT))}
    assert _python_files_with(pattern) == {"orchestrator/names.py"}


def test_sql_and_python_and_the_tables_call_the_same_a_name(database: Database) -> None:
    private = database.names.private
    conn = database.connect()
    checked = conn.execute(
        "select pg_get_constraintdef(oid) as definition from pg_constraint"
        " where conname in ('instance_id_is_a_name', 'source_is_a_name') and connamespace = %s::regnamespace",
        [private],
    ).fetchall()
    assert len(checked) == 2
    assert all(f"'{NAME_PATTERN}'" in row["definition"] for row in checked)
    said = conn.execute(
        f"select n.name, {private}.is_name(n.name) as is_name from unnest(%s::text[]) as n(name)", [NAMES]
    )
    assert {row["name"]: row["is_name"] for row in said} == {name: is_name(name) for name in NAMES}
    assert [name for name in NAMES if is_name(name)] == NAMES[:5]


def test_secrets_are_hidden_by_one_function_in_sql_and_by_one_module_in_python() -> None:
    words = r"passphrase"
    assert _sql_files_with(words) == {str(sql_file_of("redact").relative_to(templates.SQL_ROOT))}
    assert _python_files_with(words) == {"orchestrator/redact.py"}
