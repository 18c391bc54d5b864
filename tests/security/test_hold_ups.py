"""Who can hold a decision up: a failover beside strangers and workers that keep locks, with a real driver."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.driver.processes import DriverProcess, wait_until
from tests.security.target import OWN, VICTIM, Connection, Target, connect

MOST_SECONDS = 20
"""The longest time by which anyone may delay a failover."""
GRACE_SECONDS = 1
LOOK_SECONDS = 1
"""A driver looks every second."""
_numbers = count(2)


class Attack:
    """Connections of one login that do something again and again, and connect again when they are ended."""

    def __init__(
        self, target: Target, role: str, connections: int, does: Callable[["Attack", Connection], object]
    ) -> None:
        self.target, self.role, self._does = target, role, does
        self._known = target.logins[role].info
        self._over = threading.Event()
        self.acted = [threading.Event() for _ in range(connections)]
        self._threads = [threading.Thread(target=self._go_on, args=[acted], daemon=True) for acted in self.acted]

    @property
    def login(self) -> str:
        return self._known.user

    def call(self, conn: Connection, call: str, **arguments: object) -> None:
        own = {"id": OWN, "incarnation": self.target.incarnations[OWN]}
        schema = sql.Identifier(self.target.names.api)
        conn.execute(sql.SQL("select from {}.").format(schema) + sql.SQL(call), {**own, **arguments})

    def _go_on(self, acted: threading.Event) -> None:
        while not self._over.is_set():
            with suppress(psycopg.Error):
                conn = connect(make_conninfo(self._known.dsn, password=self._known.password))
                conn.autocommit = False
                limits = [
                    "idle_in_transaction_session_timeout",
                    "statement_timeout",
                    "transaction_timeout",
                    "lock_timeout",
                ]
                conn.execute("select set_config(name, '0', false) from pg_settings where name = any(%s)", [limits])
                conn.commit()
                with conn:
                    while not self._over.is_set():
                        self._does(self, conn)
                        acted.set()
                        conn.rollback()

    def pause(self, seconds: float) -> None:
        self._over.wait(seconds)

    def __enter__(self) -> "Attack":
        for thread in self._threads:
            thread.start()
        assert self.acted[0].wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(70)


def _decide(attack: Attack, conn: Connection) -> None:
    attack.call(conn, "release_streams(%(id)s, %(incarnation)s, '{}')")


def _decides_and_sleeps(attack: Attack, conn: Connection) -> None:
    _decide(attack, conn)
    attack.acted[0].set()
    conn.execute("select pg_sleep(4)")


def _decides_and_idles(attack: Attack, conn: Connection) -> None:
    _decide(attack, conn)
    attack.acted[0].set()
    attack.pause(60)


def _decides_and_sleeps_in_one_statement(attack: Attack, conn: Connection) -> None:
    attack.acted[0].set()
    own = [OWN, attack.target.incarnations[OWN]]
    schema = sql.Identifier(attack.target.names.api)
    conn.execute(
        sql.SQL(
            "select {}.release_streams(%s, %s, '{{}}'), 1 union all select null, length(pg_sleep(60)::text)"
        ).format(schema),
        own,
    )


def _confirms_and_idles(attack: Attack, conn: Connection) -> None:
    attack.call(conn, "acknowledge(%(id)s, %(incarnation)s, '{}', '{}')")
    attack.acted[0].set()
    attack.pause(60)


def _beats_and_idles(attack: Attack, conn: Connection) -> None:
    attack.call(conn, "heartbeat(%(id)s, %(incarnation)s)")
    attack.acted[0].set()
    attack.pause(60)


def _fails_and_idles(attack: Attack, conn: Connection) -> None:
    failures = '[{"function": "heartbeat", "sqlstate": "55P03", "message": "x", "consecutive": 9}]'
    attack.call(conn, "report_failures(%(id)s, %(incarnation)s, %(failures)s)", failures=failures)
    attack.acted[0].set()
    attack.pause(60)


def _key(attack: Attack) -> int:
    [row] = attack.target.rows("select {p}.lock_key('decision') as key")
    key: int = row["key"]
    return key


def _takes_the_key_and_is_busy(attack: Attack, conn: Connection) -> None:
    conn.execute("select pg_advisory_lock(%s)", [_key(attack)])
    conn.commit()
    attack.acted[0].set()
    while True:
        conn.execute("select 1")
        conn.execute("select pg_sleep(0.001)")


def _takes_the_key_in_pulses(attack: Attack, conn: Connection) -> None:
    conn.execute("select pg_advisory_xact_lock_shared(%s)", [_key(attack)])
    attack.acted[0].set()
    attack.pause(0.9)


ATTACKS: dict[str, tuple[str, int, Callable[[Attack, Connection], object], bool]] = {
    "a stranger takes the key for its session and is busy": ("unprivileged", 1, _takes_the_key_and_is_busy, True),
    "strangers take the key in pulses": ("unprivileged", 3, _takes_the_key_in_pulses, False),
    "a worker decides and sleeps for 4 s": ("worker", 3, _decides_and_sleeps, True),
    "a worker decides and does not commit": ("worker", 3, _decides_and_idles, True),
    "a worker decides and sleeps in one statement": ("worker", 3, _decides_and_sleeps_in_one_statement, True),
    "a worker confirms and does not commit": ("worker", 3, _confirms_and_idles, True),
    "a worker beats and does not commit": ("worker", 3, _beats_and_idles, False),
    "a worker fails and does not commit": ("worker", 3, _fails_and_idles, False),
}


@contextmanager
def _driver(target: Target, directory: Path) -> Iterator[None]:
    driver = DriverProcess(target.database.dsn, target.names.api, directory / "driver.log")
    try:
        driver.wait_for_line(event="connected")
        yield
    finally:
        driver.end()


@contextmanager
def _pg_cron(target: Target, _directory: Path) -> Iterator[None]:
    """What pg_cron does from its version 1.5 on, which Debian's is not: each entry every second, in a session each."""
    over = threading.Event()

    def call(function: str) -> None:
        with connect(target.database.dsn) as conn:
            while not over.wait(1):
                with suppress(psycopg.Error):  # the next second comes
                    target.call(conn, function, {})

    threads = [threading.Thread(target=call, args=[function]) for function in ("run_due_jobs", "end_hold_ups")]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


RUNNERS = {"a driver": _driver, "pg_cron": _pg_cron}
TRIED = [
    *(("a driver", attack) for attack in ATTACKS),
    ("pg_cron", "a stranger takes the key for its session and is busy"),
    ("pg_cron", "a worker decides and does not commit"),
]


@pytest.fixture
def long_ago(target: Target) -> None:
    """The fleet was installed a day ago, and has seen no attack in the last hour."""
    target.rows("update {p}.setting set value = %s where name = 'disconnect_grace'", f"{GRACE_SECONDS} seconds")
    target.rows("update {p}.schema_migration set applied_at = applied_at - interval '1 day'")
    target.rows("delete from {p}.hold_up")
    target.rows("select {p}.evaluate_alerts() as result")


def _is_named(target: Target, login: str, named: str) -> bool:
    return login in {row["subject"] for row in target.rows(named)}


@pytest.mark.usefixtures("long_ago")
@pytest.mark.parametrize(("runner", "attack"), TRIED)
def test_no_login_delays_a_failover_for_long_and_each_that_tries_is_named(
    target: Target, tmp_path: Path, runner: str, attack: str
) -> None:
    """R1.2, R2.1"""
    role, connections, does, is_named = ATTACKS[attack]
    known = target.logins["victim"].info
    victim = connect(make_conninfo(known.dsn, password=known.password))
    number = next(_numbers)
    name = f"{VICTIM}-{number}"
    [row] = target.call(victim, "register_instance", {"p_instance_id": name, "p_max_streams": 1000})
    target.call(target.logins["admin"], "set_capacity", {"p_instance_id": OWN, "p_max_streams": 1000})
    for instance_id, incarnation, conn in (
        (name, row["incarnation"], victim),
        (OWN, target.incarnations[OWN], target.logins["worker"]),
    ):
        own = {"p_instance_id": instance_id, "p_incarnation": incarnation}
        target.call(conn, "attach_session", own)
        target.call(conn, "heartbeat", own)
    for station in range(3):
        target.call(target.logins["admin"], "add_stream", {"p_url": f"http://radio.example.org/{number}/{station}"})
    held = "select count(*) as streams from {p}.assignment where instance_id = %s"
    has_session = "select 1 from {a}.instances where instance_id = %s and has_session"

    with RUNNERS[runner](target, tmp_path), ExitStack() as attacking:
        wait_until(lambda: target.rows(held, name)[0]["streams"] > 0)
        wait_until(lambda: target.rows(has_session, name))
        attackers = attacking.enter_context(Attack(target, role, connections, does))
        began = time.monotonic()
        victim.close()
        wait_until(
            lambda: target.rows(held, name)[0]["streams"] == 0,
            seconds=GRACE_SECONDS + MOST_SECONDS + 60,
            what="a failover",
        )
        took = time.monotonic() - began
        if is_named:
            for named in (
                "select subject from {a}.diagnose() where code = 'decisions_held_up'",
                "select subject from {a}.alerts where code = 'decisions_held_up' and resolved_at is null",
            ):
                wait_until(partial(_is_named, target, attackers.login, named), seconds=30, what=named)
    assert took < GRACE_SECONDS + LOOK_SECONDS + MOST_SECONDS
