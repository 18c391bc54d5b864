"""No secret reaches a log or a table (R2.4): Python's redaction and SQL's, held to one table of planted shapes."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from psycopg import sql
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.errors import BadArgument, OrchestratorError
from orchestrator.logs import log
from orchestrator.redact import names_secret, redact, redact_in
from tests.security.planted_secrets import INNOCENT, KEYWORDS, PLANTED, SECRET
from tests.support import Database

Redact = Callable[[list[str]], list[str]]

# one of each shape, each with another keyword
SAMPLE = [planted.text for planted in PLANTED[:: len(KEYWORDS) * 2 + 1]] + [planted.text for planted in PLANTED[-70:]]

HOSTILE = [
    "a" * 10**6,
    "a." * 500_000,
    "token=" * 170_000,
    "token" + " " * 10**6,
    "password='" + "\\" * 999_999,
    "password='" + "''" * 500_000 + "\\",
    "key=" + "}" * 10**6,
    "key=,&;" * 140_000,
    'key=\\"' * 160_000,
    "key" + "\\" * 10**6,
    "key=" + ("&" + "a" * 60) * 16_000,
    "token=$a$" + "$" * 10**6,
    "://" * 330_000,
    "://x:" * 200_000,
    "://x:" + "@a" * 500_000,
    "%3a%2f%2f" * 110_000,
    "https://" + "slack" * 200_000,
    "%41" * 330_000,
    "%25" * 330_000 + "41",
    "-----BEGIN PRIVATE KEY-----" * 37_000,
    "-----BEGIN" + " A" * 500_000,
]


@pytest.fixture
def in_sql(database: Database) -> Redact:
    conn = database.connect()
    query = sql.SQL(
        "select {}.redact(t.text) as text from unnest(%s::text[]) with ordinality as t(text, n) order by t.n"
    ).format(sql.Identifier(database.names.private))
    return lambda texts: [row["text"] for row in conn.execute(query, [texts])]


def in_python(texts: list[str]) -> list[str]:
    return [redact(text) for text in texts]


@pytest.fixture(params=["python", "sql"])
def redacted(request: pytest.FixtureRequest) -> Redact:
    return in_python if request.param == "python" else request.getfixturevalue("in_sql")


def test_no_planted_secret_survives(redacted: Redact) -> None:
    shown = redacted([planted.text for planted in PLANTED])
    survived = [
        (planted.text, text)
        for planted, text in zip(PLANTED, shown, strict=True)
        if any(secret in text for secret in planted.secrets)
    ]
    assert survived == []


def test_innocent_texts_stay_as_they_are(redacted: Redact) -> None:
    assert redacted(list(INNOCENT)) == list(INNOCENT)


def test_what_was_redacted_once_stays_equal(redacted: Redact) -> None:
    once = redacted([planted.text for planted in PLANTED])
    assert all(SECRET not in text for text in redacted(once))


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:20].replace("\0", "0"))
def test_a_hostile_text_of_a_megabyte_takes_no_longer_than_its_length_tells(hostile: str) -> None:
    """Twice the text takes about twice the time, not four times: nothing backtracks without bound."""
    started = time.process_time()
    redact(hostile[: len(hostile) // 8])
    eighth = time.process_time() - started
    started = time.process_time()
    redact(hostile)
    whole = time.process_time() - started
    assert whole < max(24 * eighth, 1.0)
    assert whole < 20


def test_sql_reads_no_more_than_4000_characters(in_sql: Redact) -> None:
    started = time.monotonic()
    shown = in_sql([text[:8000] for text in HOSTILE])
    assert time.monotonic() - started < 10
    assert max(map(len, shown)) <= 4100
    assert all(SECRET not in text for text in in_sql(["x" * 3990 + f" token={SECRET}", "x" * 4000 + SECRET]))


def test_a_key_of_json_that_names_a_secret_hides_all_that_it_holds(database: Database) -> None:
    conn = database.connect()
    query = sql.SQL("select {0}.redact_in(%s) as flat, {0}.redact_json(%s) as deep").format(
        sql.Identifier(database.names.private)
    )
    for name in (form for keyword in KEYWORDS for form in (keyword, keyword.upper(), f"x-{keyword}")):
        assert names_secret(name)
        held = {name: SECRET, "deep": [{name: {"a": [SECRET]}}], "none": {name: None}, "author": "me"}
        hidden = {name: "…", "deep": [{name: "…"}], "none": {name: None}, "author": "me"}
        assert redact_in(held) == hidden
        row = conn.execute(query, [Jsonb({name: f"a b {SECRET}", "author": "me"}), Jsonb(held)]).fetchone()
        assert row == {"flat": {name: "…", "author": "me"}, "deep": hidden}


# ---------------------------------------------------------------------------
# Through calls that fail
# ---------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["json", "logfmt"])
def log_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The log of this process, as it is written."""
    path = tmp_path / "orchestrator.log"
    root = logging.getLogger("orchestrator")
    before = root.handlers[:], root.propagate, root.level
    root.handlers = []  # which set_up would close
    log.set_up(level="DEBUG", as_json=request.param, file=path)
    yield path
    structlog.reset_defaults()
    root.handlers[0].close()
    root.handlers, root.propagate, root.level = before


def test_a_failed_call_logs_no_secret_of_its_arguments(database: Database, log_file: Path) -> None:
    reader, admin = database.connect("reader"), database.connect("admin")
    for text in SAMPLE:
        with pytest.raises(OrchestratorError) as refused:
            db.call(
                reader,
                "add_stream",
                url=text,
                name=text,
                required_capabilities=[text],
                metadata={"url": text, "in": [text]},
            )
        assert SECRET not in str(refused.value)
        with pytest.raises(OrchestratorError):
            db.call(reader, "sync_streams", source="radios", rows=Jsonb([{"external_id": "1", "url": text}]))
        with pytest.raises(BadArgument) as refused:
            db.call(admin, "add_stream", url=f"ftp://x {text}")
        assert SECRET not in f"{refused.value} {refused.value.detail}"
        with pytest.raises(OrchestratorError):
            db.view(reader, "streams", where={"address": text})
    written = log_file.read_text()
    assert written.count("call failed") == 4 * len(SAMPLE)
    assert [line for line in written.splitlines() if SECRET in line] == []


def test_a_failed_call_logs_none_of_an_address_with_auth_and_sig_and_key(database: Database, log_file: Path) -> None:
    with pytest.raises(OrchestratorError):
        db.call(
            database.connect("reader"),
            "add_stream",
            url="http://radio.example.org/?auth=a1b2c3&sig=d4e5f6&key=a7b8c9&x=1",
        )
    written = log_file.read_text()
    assert "radio.example.org" in written
    assert not [secret for secret in ("a1b2c3", "d4e5f6", "a7b8c9") if secret in written]


def test_what_fails_leaves_no_secret_in_any_table(database: Database) -> None:
    admin, worker = database.connect("admin"), database.connect("worker")
    started = db.call(worker, "register_instance", instance_id="a-1", max_streams=1000)[0]
    for n in range(len(SAMPLE)):
        db.call(admin, "add_stream", url=f"http://radio.example.org/{n}")
    db.call(admin, "add_source", source="radios", conninfo="host=db.example.org", table_name="streams")
    incarnation = started["incarnation"]
    owned = db.call(worker, "get_assignments", instance_id="a-1", incarnation=incarnation)
    assert len(owned) == len(SAMPLE)
    database.connect().execute(
        sql.SQL("update {}.setting set value = '1' where name = 'consecutive_failures_alert'").format(
            sql.Identifier(database.names.private)
        )
    )
    for stream, text in zip(owned, SAMPLE, strict=True):
        error = {"code": "XX000", "message": text, "detail": text, "hint": text}
        failure = {"function": text, "sqlstate": "XX000", "message": text, "detail": text, "consecutive": 9}
        failed = {"stream_id": stream["stream_id"], "epoch": stream["epoch"], "reason": text}
        db.call(worker, "report_failures", instance_id="a-1", incarnation=incarnation, failures=Jsonb([failure]))
        db.call(worker, "acknowledge", instance_id="a-1", incarnation=incarnation, failed=Jsonb([failed]))
        db.call(admin, "record_failures", reporter="driver:x", failures=Jsonb([failure]))
        db.call(admin, "record_sync_failure", source="radios", error=error)
        db.call(admin, "rebalance", reason=text)
        db.call(admin, "request_job", job="sync_source")
        run = db.call(admin, "run_next_job", driver="driver", outside=True)
        while run and run[0]["job"] != "sync_source":
            run = db.call(admin, "run_next_job", driver="driver", outside=True)
        db.call(admin, "finish_job", job_run_id=run[0]["job_run_id"], error=error)
    assert _found(database) == {}


def _found(database: Database) -> dict[str, list[Any]]:
    """Rows of our tables in which the secret stands."""
    conn = database.connect()
    tables = [
        row["relname"]
        for row in conn.execute(
            "select relname from pg_class where relkind = 'r' and relnamespace = %s::regnamespace",
            [database.names.private],
        )
    ]
    assert len(tables) > 30
    found = {
        table: [row["row"] for row in conn.execute(_rows_with_secret(database, table), [f"%{SECRET}%"])]
        for table in tables
    }
    return {table: rows for table, rows in found.items() if rows}


def _rows_with_secret(database: Database, table: str) -> sql.Composed:
    return sql.SQL("select t.row from (select to_jsonb(t)::text as row from {} as t) as t where t.row like %s").format(
        sql.Identifier(database.names.private, table)
    )
