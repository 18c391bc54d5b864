"""An instance that one login registered cannot be spoken for by another."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.lint.test_catalog import WORKER
from tests.security.target import (
    ADDRESS,
    OWN,
    OWN_BY_MANUAL,
    OWN_OVER_HTTP,
    VICTIM,
    VICTIM_BY_MANUAL,
    VICTIM_OVER_HTTP,
    Connection,
    Target,
    undone,
)

ANOTHERS = "OR106"
OVER_HTTP = sorted(function for function in WORKER - {"http_present"} if function.startswith("http_"))
OF_ONE_S_OWN = {"detach_session"}  # it gives back what the calling session holds, and nothing else
BY_ID = sorted(
    WORKER - set(OVER_HTTP) - {"http_present", "assert_current", "is_current", "lock_holders"} - OF_ONE_S_OWN
)


def _refusal(target: Target, conn: Connection, function: str, arguments: dict[str, Any]) -> str | None:
    with pytest.raises(psycopg.Error) as caught:
        target.call(conn, function, arguments)
    return caught.value.sqlstate


@pytest.mark.parametrize("epoch", [1, 2**40, 2**62])
def test_no_report_changes_anything_about_streams_that_the_instance_never_had(target: Target, epoch: int) -> None:
    """Said in every way in which a worker says what it runs: no epoch rises, no owner changes, no other is blamed."""
    worker, own = target.logins["worker"], {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    [row] = target.rows(
        "select array_agg(stream_id order by stream_id) as ids from {p}.assignment where instance_id = %s", VICTIM
    )
    streams: list[int] = row["ids"]
    tables = [
        row["table"]
        for row in target.rows(
            "select c.relname as table from pg_attribute as a join pg_class as c on c.oid = a.attrelid "
            "where c.relnamespace = %s::regnamespace and c.relkind = 'r' and a.attname = 'stream_id' order by 1",
            target.names.private,
        )
    ]
    assert {"assignment", "stream", "withdrawal", "stall", "station_fault", "refusal"} <= set(tables)

    def known() -> dict[str, list[Any]]:
        return {
            table: target.rows(f"select to_jsonb(t) as row from {{p}}.{table} as t where stream_id = any(%s)", streams)
            for table in tables
        }

    before = known()
    epochs = [epoch] * len(streams)
    failed = json.dumps([{"stream_id": stream, "epoch": epoch, "error": "x"} for stream in streams])
    stalled = [{"stream_id": stream, "epoch": epoch, "silent_for": 900} for stream in streams]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("heartbeat", {"p_digest": 1, "p_report": json.dumps({"stalled": stalled, "current_streams": len(streams)})}),
        ("report_streams", {"p_streams": streams, "p_epochs": epochs}),
        ("acknowledge", {"p_started": streams, "p_started_epochs": epochs}),
        ("acknowledge", {"p_started": [], "p_started_epochs": [], "p_stopped": streams}),
        ("acknowledge", {"p_started": [], "p_started_epochs": [], "p_failed": failed}),
        ("release_streams", {"p_streams": streams}),
        *(("renew_epoch", {"p_stream_id": stream, "p_above": epoch - 1}) for stream in streams),
    ]
    for function, arguments in calls:
        target.call(worker, function, {**own, **arguments})
        assert known() == before, function
    requests = [json.dumps(Target.request(name, streams)) for name in (OWN_OVER_HTTP, OWN_BY_MANUAL)]
    for function in OVER_HTTP:
        for request in requests:
            with suppress(psycopg.Error):
                target.call(worker, function, {**target.arguments(function, OWN), "p_request": request})
            assert known() == before, function


def test_every_function_that_names_an_instance_is_tried_here(target: Target) -> None:
    taking = {
        name: {parameter.name for parameter in parameters}
        for name, parameters in target.parameters.items()
        if name in WORKER
    }
    assert sorted(name for name, names in taking.items() if "p_instance_id" in names) == sorted({*BY_ID, *OF_ONE_S_OWN})
    assert sorted(name for name, names in taking.items() if "p_request" in names) == OVER_HTTP


@pytest.mark.parametrize("function", BY_ID)
def test_a_worker_cannot_speak_for_the_instance_of_another_login(target: Target, function: str) -> None:
    before = target.snapshot()
    arguments = target.arguments(function, VICTIM)
    assert _refusal(target, target.logins["worker"], function, arguments) == ANOTHERS
    if "p_takeover" in arguments:
        assert _refusal(target, target.logins["worker"], function, {**arguments, "p_takeover": False}) == ANOTHERS
    assert target.snapshot() == before
    with undone(target.logins["victim"]):
        target.call(target.logins["victim"], function, arguments)  # it is the login, and nothing else


@pytest.mark.parametrize("function", sorted(OF_ONE_S_OWN))
def test_what_concerns_the_calling_session_does_nothing_to_another(target: Target, function: str) -> None:
    before = target.snapshot()
    with undone(target.logins["worker"]):
        [row] = target.call(target.logins["worker"], function, target.arguments(function, VICTIM))
    assert not any(row if isinstance(row, tuple) else row.values())
    assert target.snapshot() == before


@pytest.mark.parametrize("function", OVER_HTTP)
def test_nor_over_http(target: Target, function: str) -> None:
    before = target.snapshot()
    dialects = ["main", "server", "worker"] if "p_dialect" in target.arguments(function) else [None]
    for dialect in dialects:
        request = Target.request(VICTIM_BY_MANUAL if dialect == "main" else VICTIM_OVER_HTTP, [1, 2])
        arguments = {"p_request": json.dumps(request)} | ({"p_dialect": dialect} if dialect else {})
        if "p_address" in target.arguments(function):
            arguments["p_address"] = ADDRESS  # the right one makes no difference
        assert _refusal(target, target.logins["worker"], function, arguments) == ANOTHERS, dialect
    assert target.snapshot() == before
    with undone(target.logins["victim"]):
        target.call(target.logins["victim"], function, arguments)


def test_what_a_worker_says_of_streams_that_are_anothers_changes_nothing(target: Target) -> None:
    """It may confirm, stop, fail, release and find silent what it likes under its own name."""
    before = target.of_the_victim()
    theirs = target.arguments("report_streams", VICTIM)["p_streams"]
    assert theirs
    conn, own = target.logins["worker"], {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    failed = [{"stream_id": stream_id, "epoch": 1, "error": "planted"} for stream_id in theirs]
    silent = [{"stream_id": stream_id, "epoch": 1, "silent_for": 100000} for stream_id in theirs]
    started = {"p_started": theirs, "p_started_epochs": [1] * len(theirs)}
    for _ in range(5):
        [said] = target.call(
            conn, "acknowledge", {**own, **started, "p_stopped": theirs, "p_failed": json.dumps(failed)}
        )
        assert said == {"started": 0, "stopped": 0, "failed": 0, "ignored": 3 * len(theirs)}
    assert target.call(conn, "release_streams", {**own, "p_streams": theirs}) == []
    target.call(conn, "heartbeat", {**own, "p_report": json.dumps({"stalled": silent, "progressing": 0})})
    target.call(conn, "report_streams", {**own, "p_streams": theirs, "p_epochs": [1] * len(theirs)})
    assert target.of_the_victim() == before
    target.call(target.logins["worker"], "acknowledge", target.arguments("acknowledge", OWN))


def test_a_lie_about_epochs_changes_nothing_about_the_streams_of_others(target: Target) -> None:
    """It is believed of the liar's own streams alone, and not far ahead of the clock."""
    theirs = target.arguments("report_streams", VICTIM)["p_streams"]
    conn, own = target.logins["worker"], {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]}
    state = "select to_jsonb(a) as row from {p}.assignment as a where instance_id = %s order by stream_id"
    before = target.rows(state, VICTIM)
    for epoch in (1000, 2**50, 2**63 - 1):
        target.call(conn, "report_streams", {**own, "p_streams": theirs, "p_epochs": [epoch] * len(theirs)})
    assert target.rows(state, VICTIM) == before
    assert target.rows("select from {p}.decision where rule = 'epoch ahead'") == []
    target.call(target.logins["worker"], "acknowledge", target.arguments("acknowledge", OWN))


# -- the session's lock ------------------------------------------------------------------------------------------------


def _session_key(target: Target) -> int:
    [row] = target.rows("select {p}.session_lock_key(%s, %s) as key", VICTIM, target.incarnations[VICTIM])
    return int(row["key"])


@pytest.fixture
def hung_up(target: Target) -> Iterator[None]:
    """The victim's connection is gone for the test."""
    victim = target.logins["victim"]
    victim.execute("select pg_advisory_unlock_all()")
    yield
    target.call(victim, "attach_session", {"p_instance_id": VICTIM, "p_incarnation": target.incarnations[VICTIM]})
    target.rows("select {p}.watch_instances()")


@pytest.mark.parametrize("role", ["worker", "unprivileged"])
def test_a_stranger_that_holds_the_lock_of_a_session_does_not_keep_it_alive(
    target: Target, hung_up: None, role: str
) -> None:
    """The key is no secret, and any login may lock it."""
    stranger = target.logins[role]
    stranger.execute("select pg_advisory_lock_shared(%s)", [_session_key(target)])
    target.rows("select {p}.watch_instances()")
    [instance] = target.rows("select has_session, session_lost_at from {a}.instances where instance_id = %s", VICTIM)
    assert not instance["has_session"]
    assert instance["session_lost_at"] is not None
    # nor keeps a new process out; a beat in the meantime would
    target.rows("update {p}.heartbeat set beat_at = beat_at - interval '1 hour' where instance_id = %s", VICTIM)
    target.rows("update {p}.instance set lease = null where instance_id = %s", VICTIM)
    with undone(target.logins["victim"]):
        target.call(target.logins["victim"], "register_instance", {"p_instance_id": VICTIM, "p_max_streams": 10})
    stranger.execute("select pg_advisory_unlock_all()")
    if role == "worker":
        target.call(stranger, "attach_session", {"p_instance_id": OWN, "p_incarnation": target.incarnations[OWN]})
    target.call(
        target.logins["victim"],
        "heartbeat",
        {"p_instance_id": VICTIM, "p_incarnation": target.incarnations[VICTIM]},
    )


# -- names that only look alike ----------------------------------------------------------------------------------------


def test_under_no_collation_is_one_name_taken_for_another(target: Target) -> None:
    """A text brings the caller's collation along into our comparisons; 'VICTIM-1' = 'victim-1' under one of these."""
    conn = target.logins["worker"]
    try:
        conn.execute(
            "create collation loose (provider = icu, locale = 'und-u-ks-level1-ka-shifted', deterministic = false)"
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no ICU")
    twin = VICTIM.upper()
    [row] = target.call(conn, "register_instance", {"p_instance_id": twin, "p_max_streams": 10})
    assert row["incarnation"] == target.incarnations[VICTIM]
    before = target.of_the_victim()
    answers = {}
    for function in sorted(WORKER):
        parameters = target.parameters.get(function, [])
        texts = [parameter.name for parameter in parameters if parameter.type == "text"]
        arguments = {**target.arguments(function, twin), "p_incarnation": row["incarnation"]}
        for text in texts:
            call = sql.SQL("select * from {}({})").format(
                sql.Identifier(target.names.api, function),
                sql.SQL(", ").join(
                    sql.SQL("{} => {}::{}{}").format(
                        sql.Identifier(parameter.name),
                        sql.Literal(arguments[parameter.name]),
                        sql.SQL(parameter.type),
                        sql.SQL(' collate "loose"' if parameter.name == text else ""),
                    )
                    for parameter in parameters
                ),
            )
            try:
                conn.execute(call)
                answers[function, text] = "00000"
            except psycopg.Error as error:
                answers[function, text] = error.sqlstate or "?"
            assert target.of_the_victim() == before, (function, text)
    assert {code for (function, _), code in answers.items() if function in BY_ID} == {"OR101"}, answers
    # a collation that tells texts apart concerns no one
    query = sql.SQL('select * from {}({} collate "C", {})').format(
        sql.Identifier(target.names.api, "get_assignments"), sql.Literal(twin), sql.Literal(row["incarnation"])
    )
    conn.execute(query)
    target.call(conn, "deregister_instance", {"p_instance_id": twin, "p_incarnation": row["incarnation"]})
    conn.execute("drop collation loose")
