"""How much a login can disturb: locks that it may take, transactions that it may leave open, notifications that it may
forge, calls that it may make too large. All others go on, and diagnose() says whose doing it is."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.driver.processes import DriverProcess, wait_until
from tests.security.target import OWN, OWN_BY_MANUAL, VICTIM, Connection, Target, code_of, connect, undone
from tests.shim.support import Fleet, Recorder, in_step, until

LIE = "orchestrator:migrate"


Another = Callable[..., Connection]


@pytest.fixture
def another(target: Target) -> Iterator[Another]:
    """Opens another connection of a login, with no limits of its own and a name of its choice."""
    with ExitStack() as closing:

        def connect_again(role: str, application_name: str = "psql") -> Connection:
            known = target.logins[role].info
            conn = connect(make_conninfo(known.dsn, password=known.password))
            closing.callback(conn.close)
            conn.execute("select set_config('application_name', %s, false)", [application_name])
            for limit in ("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout"):
                conn.execute("select set_config(name, '0', false) from pg_settings where name = %s", [limit])
            return conn

        yield connect_again


@contextmanager
def _meanwhile(conn: Connection, act: Callable[[], Any], target: Target) -> Iterator[threading.Thread]:
    """Something done in a thread that waits for a lock; it has to succeed in the end."""
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    waits = "select pid from pg_locks where pid = %s and waitstart < clock_timestamp() - interval '1 second'"
    wait_until(lambda: outcome or target.rows(waits, conn.info.backend_pid), seconds=10, what="a wait")
    assert outcome == []
    yield thread
    thread.join(30)
    assert not thread.is_alive()
    assert outcome == []


def _ended(target: Target, pid: int) -> dict[str, Any]:
    """What the job says of that process, as soon as it has ended it."""

    def watch() -> list[dict[str, Any]]:
        [row] = target.rows("select {p}.watch_transactions() as result")
        return [each for each in (row["result"] or {}).get("transactions", []) if each["pid"] == pid]

    ended: dict[str, Any] = wait_until(watch, what="an end")[0]
    return ended


@pytest.fixture
def impatient(target: Target) -> Iterator[None]:
    """A transaction is long after a second."""
    target.rows("update {p}.setting set value = '1 second' where name = 'transaction_timeout'")
    yield
    target.rows("update {p}.setting set value = '30 seconds' where name = 'transaction_timeout'")


# -- locks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "lock"), [("unprivileged", "pg_advisory_lock"), ("worker", "pg_advisory_lock_shared")]
)
def test_a_session_that_takes_the_key_of_decisions_for_itself_keeps_none_waiting_and_is_ended(
    target: Target, another: Another, role: str, lock: str
) -> None:
    """Any login may lock any key. Who decides has passed a gate before, and knows a stranger by that."""
    target.rows("update {p}.schema_migration set applied_at = applied_at - interval '1 day'")
    stranger, admin = another(role), target.logins["admin"]
    pid, login = stranger.info.backend_pid, stranger.info.user
    [key] = target.rows("select {p}.lock_key('decision') as key")
    stranger.execute(sql.SQL("select {}({})").format(sql.SQL(lock), sql.Literal(key["key"])))
    target.call(admin, "pause_balancing", {"p_reason": "a test"})
    [holder] = target.call(target.logins["worker"], "lock_holders", {})
    assert (holder["lock"], holder["pid"], holder["login"]) == ("key of decisions", pid, login)
    assert _ended(target, pid) == {
        "pid": pid,
        "login": login,
        "application_name": "psql",
        "state": "idle",
        "lock": "key of decisions",
        "ended": "terminated",
    }
    target.call(admin, "resume_balancing", {})
    assert target.rows(
        "select * from {a}.incident_patterns where pattern like 'terminated: a lock that is not its own%%'"
    )
    target.rows("select {p}.evaluate_alerts() as result")
    for found in ("severity, evidence as detail from {a}.diagnose()", "severity, detail from {a}.alerts"):
        [row] = target.rows(f"select {found} where code = 'decisions_held_up' and subject = %s", login)
        assert row["severity"] == "warning"
        [held] = row["detail"]["locks"]
        assert (held["lock"], held["ended"]) == ("key of decisions", "terminated")


def test_a_session_that_keeps_a_worker_from_tying_its_own_is_ended(target: Target, another: Another) -> None:
    stranger, victim = another("unprivileged"), target.logins["victim"]
    attach = {"p_instance_id": VICTIM, "p_incarnation": target.incarnations[VICTIM]}
    victim.execute("select pg_advisory_unlock_all()")
    [key] = target.rows("select {p}.session_lock_key(%s, %s) as key", VICTIM, target.incarnations[VICTIM])
    stranger.execute("select pg_advisory_lock(%s)", [key["key"]])
    with _meanwhile(victim, lambda: target.call(victim, "attach_session", attach), target):
        assert _ended(target, stranger.info.backend_pid)["lock"] == f"session of {VICTIM}"
    [instance] = target.rows("select has_session from {a}.instances where instance_id = %s", VICTIM)
    assert instance["has_session"]


def test_locks_that_are_not_ours_are_left_alone(target: Target, another: Another) -> None:
    stranger = another("unprivileged")
    stranger.execute("select pg_advisory_lock(1), pg_advisory_lock(1, 1), pg_advisory_lock_shared(2)")
    with undone(target.logins["admin"]):
        target.call(
            target.logins["admin"], "pause_balancing", {"p_reason": "a test"}
        )  # in a transaction, and not for long
        assert target.rows("select {p}.watch_transactions() as result") == [{"result": None}]
    stranger.close()


@pytest.mark.parametrize("name", ["psql", "", LIE])
def test_a_worker_that_decides_and_does_not_commit_is_ended_under_any_name(
    target: Target, another: Another, impatient: None, name: str
) -> None:
    """The name of a program is what it says of itself; locks are what it holds."""
    stranger, admin = another("worker", name), target.logins["admin"]
    stranger.autocommit = False
    own = {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    target.call(stranger, "release_streams", {**own, "p_streams": []})
    with _meanwhile(admin, lambda: target.call(admin, "pause_balancing", {"p_reason": "a test"}), target):
        ended = _ended(target, stranger.info.backend_pid)
    assert (ended["ended"], ended["application_name"]) == ("terminated", name)
    assert [each["pid"] for each in ended["blocking"]] == [admin.info.backend_pid]
    target.call(admin, "resume_balancing", {})


def test_a_worker_that_beats_and_does_not_commit_holds_up_no_job_for_long(
    target: Target, another: Another, impatient: None
) -> None:
    stranger = another("worker", LIE)
    stranger.autocommit = False
    own = {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    target.call(stranger, "heartbeat", own)
    victim = {"p_instance_id": VICTIM, "p_incarnation": target.incarnations[VICTIM]}
    target.call(target.logins["victim"], "heartbeat", victim)  # others are not kept waiting meanwhile
    assert _ended(target, stranger.info.backend_pid)["ended"] == "terminated"
    target.call(target.logins["worker"], "heartbeat", own)


def test_a_reader_in_an_open_transaction_keeps_no_session_from_deciding(target: Target) -> None:
    reader, admin = target.logins["reader"], target.logins["admin"]
    with undone(reader):
        reader.execute(sql.SQL("select * from {}").format(sql.Identifier(target.names.api, "streams")))
        target.call(reader, "diagnose", {})
        target.call(admin, "rebalance", {"p_reason": "a test"})
        target.call(admin, "run_due_jobs", {})
        held = target.rows(
            "select distinct mode from pg_locks where pid = %s and locktype = 'relation' and mode <> 'AccessShareLock'",
            reader.info.backend_pid,
        )
        assert held == []


def test_a_snapshot_of_the_past_decides_nothing(target: Target, another: Another) -> None:
    """A caller under another isolation level is refused, before the lock could make its snapshot old."""
    own = {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    for level in ("repeatable read", "serializable"):
        conn = another("worker")
        conn.execute("select set_config('default_transaction_isolation', %s, false)", [level])
        with pytest.raises(psycopg.Error) as caught:
            target.call(conn, "release_streams", {**own, "p_streams": []})
        assert caught.value.sqlstate == "OR101"
        conn.close()


def test_how_a_session_writes_and_reads_values_changes_no_answer(target: Target, another: Another) -> None:
    """Dates, intervals, time zones, nulls and quotes in every fashion that a login can set."""
    games = {
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "iso_8601",
        "TimeZone": "Pacific/Apia",
        "transform_null_equals": "on",
        "array_nulls": "off",
        "extra_float_digits": "-15",
        "bytea_output": "escape",
        "quote_all_identifiers": "on",
        "backslash_quote": "on",
        "escape_string_warning": "off",
        "lo_compat_privileges": "off",
        "row_security": "off",
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
        "from_collapse_limit": "1",
        "jit_above_cost": "0",
        "plpgsql.extra_errors": "all",
        "plpgsql.check_asserts": "off",
        "check_function_bodies": "off",
        "default_with_oids": "off",
        "orchestrator.now": "2000-01-01",
        "orchestrator.admin": "on",
    }
    plain, odd = another("admin"), another("admin")
    for name, value in games.items():
        try:
            odd.execute("select set_config(%s, %s, false)", [name, value])
        except psycopg.Error as error:
            assert error.sqlstate in ("42501", "42704", "22023"), name
    for conn in (plain, odd):
        conn.autocommit = False
    answers = []
    for conn in (plain, odd):
        for call in ("set_setting('heartbeat_interval', '20 seconds')", "schedule_job('purge_history', '17 3 * * *')"):
            conn.execute(sql.SQL("select from {}.{}").format(sql.Identifier(target.names.api), sql.SQL(call)))
        [job] = conn.execute(
            sql.SQL("select extract(epoch from next_run_at)::bigint as at from {} where job = 'purge_history'").format(
                sql.Identifier(target.names.api, "jobs")
            )
        ).fetchall()
        settings = conn.execute(
            sql.SQL("select name, extract(epoch from duration)::bigint as s from {} order by 1").format(
                sql.Identifier(target.names.api, "settings")
            )
        ).fetchall()
        shares = conn.execute(
            sql.SQL("select instance_id, assigned_streams, fair_share from {} order by 1").format(
                sql.Identifier(target.names.api, "instances")
            )
        ).fetchall()
        answers.append((job, settings, shares))
        conn.rollback()
        conn.close()
    assert answers[0] == answers[1]


# -- notifications -----------------------------------------------------------------------------------------------------


def test_a_notification_says_nothing_that_a_stranger_should_not_hear(target: Target) -> None:
    """Any login may LISTEN to any channel: what is sent is a decision's number, or a job's name."""
    stranger, admin = target.logins["unprivileged"], target.logins["admin"]
    for channel in ("wake", OWN, VICTIM):
        stranger.execute(sql.SQL("listen {}").format(sql.Identifier(f"{target.names.api}.{channel}")))
    target.call(admin, "add_stream", {"p_url": "http://radio.example.org/told", "p_name": "secret name"})
    target.call(admin, "request_job", {"p_job": "settle"})
    heard = list(stranger.notifies(timeout=5, stop_after=2))
    stranger.execute("unlisten *")
    assert len(heard) >= 2
    jobs = {row["job"] for row in target.rows("select job from {p}.job")}
    assert all(notification.payload.isdecimal() or notification.payload in jobs for notification in heard)


async def test_forged_notifications_harm_no_worker_and_no_driver(
    target: Target, another: Another, tmp_path: Path
) -> None:
    """A notification is a hint: its receiver asks the database."""
    fleet, names = Fleet(target.database.dsn, target.names), target.names
    recorder = Recorder()
    forger = another("unprivileged")
    driver = DriverProcess(target.database.dsn, names.api, tmp_path / "driver.log")
    storm = asyncio.Event()

    def blow() -> None:
        while not storm.is_set():
            for channel in ("wake", "forged"):
                for payload in ("", "0", "-1", "9" * 30, "'; select 1 --", "\\u0000", "{{ api }}", "x" * 7999):
                    forger.execute("select pg_notify(%s, %s)", [f"{names.api}.{channel}", payload])

    try:
        # as many at once as a transaction can hold, of which each would be a beat
        async with fleet.work("forged", recorder):
            await until(lambda: fleet.query("select 1 from {api}.instances where instance_id = 'forged'"))
            for channel in ("wake", "forged"):
                forger.execute(
                    "select pg_notify(%s, n::text) from generate_series(1, 20000) as n", [f"{names.api}.{channel}"]
                )
            blowing = asyncio.create_task(asyncio.to_thread(blow))
            [added] = fleet.add_streams(1)
            fleet.query("select * from {api}.move_stream(%(stream_id)s, 'forged')", stream_id=added)
            await until(lambda: added in recorder.running)
            held = {(each.stream_id, each.epoch) for each in recorder.running.values()}
            assert (added, next(epoch for stream_id, epoch in held if stream_id == added)) in held
            assert not recorder.doubled
            run = "select count(*) as runs from {private}.job_run where started_at > now()"
            before = fleet.query("select runs from {api}.jobs where job = 'check_balance'")[0]["runs"]
            await until(
                lambda: fleet.query("select runs from {api}.jobs where job = 'check_balance'")[0]["runs"] > before
            )
            assert fleet.query(run)
            storm.set()
            await blowing
            await in_step(fleet, "forged", recorder, len(recorder.running))
        assert driver.process.poll() is None
        # (on a machine that is slow enough it tells of the time when there was no driver yet)
        assert [line for line in driver.lines(level="error") if "alert_id" not in line] == []
    finally:
        storm.set()
        driver.end()
        fleet.close()


# -- calls without measure ---------------------------------------------------------------------------------------------

_MANY = list(range(1, 10002))
_LONG = "x" * 100_000
_WIDE = {str(number): "x" * 100 for number in range(1000)}
# an exponent of a few characters is a number of a hundred thousand digits when it is looked at
_BOMB = '{"a": [' + ", ".join(["1e131071"] * 1000) + "]}"
_ABSURD: dict[str, list[dict[str, Any]]] = {
    "register_instance": [
        {"p_max_streams": 1001},
        {"p_capabilities": ["audio_fingerprinting"] * 101},
        {"p_capabilities": ["audio_fingerprinting", "x" * 201]},
        {"p_version": _LONG},
        {"p_location": _LONG},
        {"p_metadata": json.dumps(_WIDE)},
        {"p_metadata": _BOMB},
        {"p_instance_id": _LONG},
        {"p_lease": "1000000 years"},
    ],
    "acknowledge": [
        {"p_started": _MANY, "p_started_epochs": _MANY},
        {"p_stopped": _MANY},
        {"p_failed": json.dumps([{"stream_id": number} for number in _MANY])},
    ],
    "report_streams": [{"p_streams": _MANY, "p_epochs": _MANY}],
    "release_streams": [{"p_streams": _MANY}, {"p_reason": _LONG}],
    "report_failures": [{"p_failures": json.dumps([{"message": "x"}] * 101)}],
    "suspend_instance": [{"p_for": "1000 years"}],
    "heartbeat": [
        {"p_report": json.dumps({"stalled": [{"stream_id": 1, "epoch": 1, "silent_for": 1}] * 1001})},
        {"p_report": json.dumps({"status": _LONG})},
        {"p_report": '{"cpu_usage": 1e131071}'},
        {"p_report": '{"timestamp": "infinity"}'},
    ],
    "http_heartbeat": [
        {"p_request": json.dumps({**Target.request(OWN_BY_MANUAL, []), "current_streams": _MANY}), "p_dialect": "main"}
    ],
    "http_register": [
        {"p_request": json.dumps({**Target.request(OWN_BY_MANUAL, []), "version": _LONG}), "p_dialect": "main"},
        {
            "p_request": json.dumps(
                {**Target.request(OWN_BY_MANUAL, []), "capabilities": ["audio_fingerprinting"] * 101}
            ),
            "p_dialect": "main",
        },
        {"p_request": json.dumps({**Target.request(OWN_BY_MANUAL, []), "max_streams": 10**30}), "p_dialect": "main"},
    ],
}


@pytest.mark.parametrize("function", _ABSURD)
def test_an_absurd_argument_is_refused_and_not_repeated(target: Target, function: str) -> None:
    conn = target.logins["worker"]
    before = target.snapshot()
    for absurd in _ABSURD[function]:
        with pytest.raises(psycopg.Error) as caught:
            target.call(conn, function, {**target.arguments(function, OWN), **absurd})
        assert caught.value.sqlstate in ("OR101", "22008"), (absurd.keys(), caught.value)
        assert len(caught.value.diag.message_detail or "") < 12000
    assert target.snapshot() == before


def test_a_long_error_is_kept_short(target: Target) -> None:
    arguments = target.arguments("acknowledge", OWN)
    [stream_id] = arguments["p_started"][:1]
    failed = [{"stream_id": stream_id, "error": _LONG}]
    with undone(target.logins["worker"]):
        target.call(target.logins["worker"], "acknowledge", {**arguments, "p_failed": json.dumps(failed)})
    assert code_of(target.logins["worker"], "select 1") == "00000"


# Texts on which a careless expression takes for ever.
_SPITEFUL = (
    "a://" * 1000,
    "a" * 4000 + "!",
    "://" * 1300,
    "password=" * 440,
    "password='" + "''" * 1900,
    'token="' + '"token="' * 500,
    "'" * 4000,
    "“" * 2000,
    "1" * 4000,
    "1." * 2000,
    "1:" * 2000,
    "f" * 3999 + "g",
    "2026-01-01T" * 360,
    " " * 4000,
    "http://" + "slack" * 790,
    "http://" + "a?" * 1900,
    "\\m" * 2000,
    "{{" * 2000,
)


def test_no_text_takes_an_expression_for_ever(target: Target, another: Another) -> None:
    """Messages of errors go through the expressions that hide secrets and find patterns; a hundred in one call."""
    conn = another("worker")
    conn.execute("set statement_timeout = '20s'")
    own = {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    failures = [
        {"function": text[:200], "message": text, "detail": text, "sqlstate": "XX000"} for text in (_SPITEFUL * 6)[:100]
    ]
    with undone(conn):
        [told] = target.call(conn, "report_failures", {**own, "p_failures": json.dumps(failures)})
    assert told["recorded"] == 100
    with undone(conn):
        for text in _SPITEFUL:
            for function, name in (("register_instance", "p_instance_id"), ("release_streams", "p_reason")):
                try:
                    target.call(conn, function, {**target.arguments(function, OWN), name: text})
                except psycopg.Error as error:
                    assert error.sqlstate == "OR101"
                    conn.rollback()
    conn.close()
