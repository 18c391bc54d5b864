"""What is tried again: one table for the driver, the command line, the HTTP face and the worker shim (R2.3)."""

from contextlib import suppress
from http import HTTPStatus

import psycopg
import pytest
from psycopg import errors as native
from tenacity import wait_none

from orchestrator import errors, sqlstates
from orchestrator.database import db
from orchestrator.database.retry import Round, is_contention, is_retryable
from orchestrator.http.problems import from_error
from orchestrator.sqlstates import RULES, Reaction, is_retried, reaction_to
from tests.support import Database
from worker_shim.retry import one_round

EVERY_CODE = sorted(
    {kind.sqlstate for kind in vars(native).values() if isinstance(getattr(kind, "sqlstate", None), str)}
    | set(errors.type_by_code)
    | {"OR199", "OR299", "OR399", "OR499", "OR999", "57P05", "25P04"}
)


def raised(sqlstate: str) -> psycopg.Error:
    """As psycopg raises it."""
    try:
        error = native.lookup(sqlstate)()
    except KeyError:
        error = psycopg.DatabaseError()
    error.sqlstate = sqlstate
    return error


async def tries_of_the_shim(error: psycopg.Error) -> int:
    """How often a round of the shim tries what always fails so."""
    tries = 0
    with suppress(psycopg.Error):
        async for attempt in one_round().copy(wait=wait_none()):
            with attempt:
                tries += 1
                raise error
    return tries


def test_every_code_of_postgresql_is_among_those_that_are_tried() -> None:
    assert len(EVERY_CODE) > 250


@pytest.mark.parametrize("sqlstate", EVERY_CODE)
async def test_driver_command_line_http_and_shim_react_alike(sqlstate: str) -> None:
    reaction = reaction_to(sqlstate)
    retried = reaction is not Reaction.GIVE_UP
    error = errors.from_database(raised(sqlstate))
    answer = from_error(error)

    assert is_retryable(error) is retried, "the driver"
    assert is_contention(error) is (reaction is Reaction.RETRY), "over the same connection"
    assert (error.exit_code == 75) is retried, "the command line"
    assert (answer.status is HTTPStatus.SERVICE_UNAVAILABLE) is retried, "HTTP"
    assert ("Retry-After" in (answer.headers or {})) is retried, "HTTP"
    assert await tries_of_the_shim(raised(sqlstate)) == (3 if retried else 1), "the shim"


@pytest.mark.parametrize(
    ("sqlstate", "reaction"),
    [
        ("40001", Reaction.RETRY),
        ("40P01", Reaction.RETRY),
        ("55P03", Reaction.RETRY),
        ("57014", Reaction.RETRY),
        ("53100", Reaction.RETRY),
        ("53200", Reaction.RETRY),
        ("OR201", Reaction.RETRY),
        ("53300", Reaction.RECONNECT),
        ("08006", Reaction.RECONNECT),
        ("25006", Reaction.RECONNECT),
        ("25P03", Reaction.RECONNECT),
        ("25P04", Reaction.RECONNECT),
        ("57P01", Reaction.RECONNECT),
        ("57P05", Reaction.RECONNECT),
        ("57P04", Reaction.GIVE_UP),
        ("25P02", Reaction.GIVE_UP),
        ("OR101", Reaction.GIVE_UP),
        ("OR301", Reaction.GIVE_UP),
        ("OR401", Reaction.GIVE_UP),
        ("OR901", Reaction.GIVE_UP),
        ("22023", Reaction.GIVE_UP),
        ("23505", Reaction.GIVE_UP),
        ("28P01", Reaction.GIVE_UP),
        ("3D000", Reaction.GIVE_UP),
        ("42501", Reaction.GIVE_UP),
        ("XX000", Reaction.GIVE_UP),
    ],
)
def test_what_is_tried_again_and_over_which_connection(sqlstate: str, reaction: Reaction) -> None:
    assert reaction_to(sqlstate) is reaction
    assert reaction_to(raised(sqlstate)) is reaction


def test_every_rule_is_reached_and_has_a_reason() -> None:
    assert {sqlstates.rule_of(code) for code in EVERY_CODE} == {*RULES.values(), sqlstates.OTHERWISE}
    assert all(rule.why for rule in RULES.values())


def test_what_has_no_code_is_a_lost_connection_or_a_mistake() -> None:
    lost = (psycopg.OperationalError("x"), psycopg.InterfaceError("x"), TimeoutError(), ConnectionResetError())
    assert {reaction_to(error) for error in lost} == {Reaction.RECONNECT}
    assert not is_retried(ValueError()) and not is_retried(psycopg.ProgrammingError("a mistake"))


def test_a_connection_that_leads_to_a_read_only_server_is_dropped_and_the_call_succeeds_over_a_new_one(
    database: Database,
) -> None:
    """R5.1: as after a failover, where a name leads to the standby for a while."""
    conn = database.connect()
    conn.execute("set default_transaction_read_only = on")
    used = [conn]

    def add() -> list[db.Row]:
        if used[-1].closed:
            used.append(database.connect())
        return db.call(used[-1], "add_stream", url="http://radio.example/1")

    assert len(Round(first_wait=0.001).run(add)) == 1
    assert len(used) == 2


async def test_asyncio_drops_it_too(database: Database) -> None:
    conn = await db.connect_async(database.dsn, schema=database.names.api, application_name="async")
    await conn.execute("set default_transaction_read_only = on")

    with pytest.raises(errors.DatabaseUnavailable) as caught:
        await db.call_async(conn, "add_stream", url="http://radio.example/1")

    assert conn.closed
    assert (caught.value.code, "target_session_attrs" in (caught.value.hint or "")) == ("25006", True)


def test_a_lock_that_was_not_free_costs_no_connection(database: Database) -> None:
    holder, waiter = database.connect(autocommit=False), database.connect()
    holder.execute(f"select {database.names.private}.lock_decisions()")

    with pytest.raises(errors.LockNotAvailable):
        db.call(waiter, "pause_balancing", reason="x")

    assert not waiter.closed
    holder.rollback()
