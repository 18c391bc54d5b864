"""Texts that were written to be taken for something else: by SQL, by a template, by a shell. Each goes through every
text of every function, through HTTP and through the command line, and is refused or kept as it was given."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.cli import main
from orchestrator.database import db
from orchestrator.errors import BadArgument, UnusableSource
from orchestrator.http.access import Limits
from orchestrator.http.routes import ROUTES
from orchestrator.http.server import Options
from orchestrator.names import Names
from orchestrator.sources.sync import sync
from tests.http.processes import HttpServer
from tests.security.target import FUNCTIONS, OWN, Target, may_call

_PWN = "create table public.planted ()"
HOSTILE = (
    "'",
    '"',
    "\\",
    "''; " + _PWN + "; --",
    "'; " + _PWN + "; select '",
    "\\'; " + _PWN + "; --",
    "'); " + _PWN + "; --",
    '"; ' + _PWN + "; --",
    "$$; " + _PWN + "; $$",
    "$function$; " + _PWN + "; $function$",
    "$do$; " + _PWN + "; $do$",
    "*/ " + _PWN + " /*",
    "-- comment\n" + _PWN,
    "%I %L %s %1$s %% %",
    "{{ owner }} {% raw %} {# #}",
    "{api} {0} {}",
    "${HOME} `id` $(id) ; id | id & id > /tmp/planted",
    "\x01\x02\x07\x08\x1b[31m\x7f\x9b31m",
    "a\r\nb\tc",
    "ＳＥＬＥＣＴ ʼ ＇ ＂ ； －－ ‮ ​ ﻿",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "x" * 10_240,
    "_%'",
    "NaN",
    "null",
    "-1",
)
DEEP = "[" * 1000 + "]" * 1000
# What a text that was run instead of read would end with: errors of syntax and of names, and what is no fault.
_CONFUSED = ("42", "XX", "P0", "2F", "39")


def _code(target: Target, conn: psycopg.Connection[Any], function: str, arguments: dict[str, Any]) -> str:
    conn.autocommit = False
    try:
        target.call(conn, function, arguments)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    finally:
        conn.rollback()
        conn.autocommit = True
    return "00000"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_hostile_text_is_refused_or_done_as_it_says_and_nothing_else(target: Target, function: str) -> None:
    role = "worker" if may_call("worker", function) else "admin"
    conn, sensible = target.logins[role], target.arguments(function, OWN)
    before = target.of_the_victim()
    for parameter in target.parameters.get(function, []):
        hostile: list[Any] = []
        if parameter.type == "text":
            hostile = list(HOSTILE)
        elif parameter.type == "text[]":
            hostile = [[text] for text in HOSTILE] + [["audio_fingerprinting", text] for text in HOSTILE[:5]]
        elif parameter.type == "jsonb":
            shapes = [shape for text in HOSTILE for shape in _shapes(text, sensible[parameter.name])]
            hostile = [DEEP, '{"a":' * 1000 + "1" + "}" * 1000, *map(json.dumps, shapes)]
        for value in hostile:
            code = _code(target, conn, function, {**sensible, parameter.name: value})
            assert not code.startswith(_CONFUSED), (parameter.name, value, code)
    assert target.of_the_victim() == before
    assert target.rows("select to_regclass('public.planted') as planted") == [{"planted": None}]


def _shapes(text: str, sensible: str | None) -> Iterator[Any]:
    """A text in the place of each value of a sensible document, as its key, and in a document of its own."""
    yield text
    yield {text: text}
    yield [{text: text, "stream_id": text, "error": text, "message": text, "action": text, "op": text}]
    if sensible is not None:
        document = json.loads(sensible)
        if isinstance(document, dict):
            for key in document:
                yield {**document, key: text}
            yield {key: {text: [text]} for key in document}


# -- kept as given -----------------------------------------------------------------------------------------------------


def _visible(text: str) -> str:
    """What of it an address may hold."""
    return "".join(letter for letter in text if letter.isprintable() and not letter.isspace())


def test_what_is_accepted_is_given_back_as_it_was_given(target: Target) -> None:
    admin, worker = target.logins["admin"], target.logins["worker"]

    def view(name: str, **where: Any) -> dict[str, Any]:
        [condition], [value] = where.keys(), where.values()
        query = sql.SQL("select * from {} where {} = %s").format(
            sql.Identifier(target.names.api, name), sql.Identifier(condition)
        )
        [row] = admin.execute(query, [value]).fetchall()
        return row

    for number, text in enumerate(text[:150] for text in HOSTILE):  # what is longer is refused
        admin.autocommit = worker.autocommit = False
        [added] = target.call(
            admin,
            "add_stream",
            {
                "p_url": f"http://radio.example.org/{number}?q=" + _visible(text),
                "p_name": f"x{text}x",
                "p_region": text,
                "p_required_capabilities": [text],
                "p_metadata": json.dumps({text: text}),
                "p_external_id": text,
            },
        )
        stream = view("streams", stream_id=added["stream_id"])
        assert stream["url"].endswith(_visible(text))
        assert stream["name"] == f"x{text}x"
        assert stream["region"] == text
        assert stream["required_capabilities"] == [text]
        assert stream["metadata"] == {text: text}
        assert stream["external_id"] == text[:2000]
        target.call(admin, "pause_balancing", {"p_reason": text})
        assert view("fleet", balancing_paused=True)["paused_reason"] == text
        target.call(admin, "diagnose", {})
        target.call(admin, "explain_stream", {"p_stream_id": added["stream_id"]})
        target.call(admin, "http_metrics", {})
        admin.rollback()
        if len(text) <= 200:
            registration = {
                "p_instance_id": "faithful",
                "p_max_streams": 1,
                "p_capabilities": ["audio_fingerprinting", text],
                "p_version": text,
                "p_location": text,
                "p_metadata": json.dumps({text: text}),
            }
            target.call(worker, "register_instance", registration)
            worker.commit()
            instance = view("instances", instance_id="faithful")
            assert (instance["version"], instance["location"]) == (text, text)
            assert (instance["capabilities"], instance["metadata"]) == (["audio_fingerprinting", text], {text: text})
            [row] = target.call(worker, "register_instance", {**registration, "p_takeover": True})
            target.call(
                worker, "deregister_instance", {"p_instance_id": "faithful", "p_incarnation": row["incarnation"]}
            )
            worker.commit()
            admin.rollback()
        admin.autocommit = worker.autocommit = True


# -- identifiers of a source -------------------------------------------------------------------------------------------


def test_a_source_whose_table_and_columns_have_hostile_names_is_read_and_nothing_else_is_run(target: Target) -> None:
    names = [text for text in HOSTILE if 0 < len(text.encode()) <= 60]
    admin = db.connect(target.database.dsn, schema=target.names.api, application_name="test")
    for number, text in enumerate(names):
        name = f"hostile-{number}"
        table = sql.Identifier("public", f"t{text}")
        columns = [sql.Identifier(f"{text}{suffix}") for suffix in "iun"]
        target.superuser.execute(sql.SQL("create table {} ({} bigint, {} text, {} text)").format(table, *columns))
        target.superuser.execute(
            sql.SQL("insert into {} values (7, 'http://radio.example.org/h', {})").format(table, sql.Literal(text))
        )
        try:
            db.call(
                admin,
                "add_source",
                source=name,
                conninfo=target.database.dsn,
                table_name=f"public.t{text}",
                column_map={"external_id": f"{text}i", "url": f"{text}u", "name": f"{text}n"},
            )
            result = sync(admin, name, environment={})
            assert result.inserted == 1, text
            [stream] = db.view(admin, "streams", where={"source": name})
            assert stream["name"] == text
        finally:
            target.superuser.execute(sql.SQL("drop table {}").format(table))
        for bad in ({"table_name": text}, {"column_map": {"url": text}}, {"column_map": {text: "url"}}):
            given: dict[str, Any] = {"conninfo": target.database.dsn, "table_name": "pg_class", **bad}
            db.call(admin, "add_source", source=name, **given)
            with pytest.raises(UnusableSource):
                sync(admin, name, environment={})
        db.call(admin, "remove_source", source=name, remove_streams=True)
    admin.close()
    assert target.rows("select to_regclass('public.planted') as planted") == [{"planted": None}]


# -- repairs -----------------------------------------------------------------------------------------------------------


def test_a_repair_of_what_has_a_hostile_name_repairs_exactly_that(target: Target) -> None:
    kept = target.catalog()
    names = [text for text in HOSTILE if 0 < len(text.encode()) <= 60]
    for text in names:
        for schema, statement in (
            (target.names.api, "create table {0}.{1} (x integer)"),
            (target.names.private, "create view {0}.{1} as select 1 as x"),
            (target.names.private, "create function {0}.{1}({1} integer) returns void language sql as ''"),
            (target.names.private, "create index {1} on {0}.heartbeat (beat_at)"),
        ):
            name = text if "index" not in statement else f"i{text}"
            target.superuser.execute(sql.SQL(statement).format(sql.Identifier(schema), sql.Identifier(name)))
    count = "select (select count(*) from pg_class) + (select count(*) from pg_proc) as objects"
    [left] = target.rows(count)
    findings = [
        row
        for row in target.rows("select * from {a}.diagnose()")
        if row["code"] == "heartbeat_not_hot"
        or (row["code"] == "schema_left_over" and not row["subject"].startswith("index "))
    ]
    assert len(findings) == 4 * len(names)
    for finding in findings:
        target.superuser.execute(finding["repair"])
        [now] = target.rows(count)
        assert now["objects"] == left["objects"] - 1, finding["repair"]
        left = now
    assert target.catalog() == kept


# -- HTTP --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def face(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    worker = target.logins["worker"]
    log = tmp_path_factory.mktemp("http") / "server.log"
    dsn = make_conninfo(worker.info.dsn, password=worker.info.password)
    # a registration from elsewhere is refused at once
    target.rows("select * from {a}.set_setting('http_hold', '0 seconds')")
    server = HttpServer(dsn, target.names.api, log, options=Options(limits=Limits(rate=0)))
    yield server
    server.stop()
    assert "Traceback" not in log.read_text()
    assert worker.info.password not in log.read_text()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_hostile_text_over_http_is_refused_or_taken_as_it_is(target: Target, face: HttpServer, route: Any) -> None:
    before = target.of_the_victim()
    fields = sorted({key for model in route.takes for key in model.model_json_schema(by_alias=True)["properties"]})
    sensible = {
        **Target.request("own-http", []),
        "status": "active",
        "timestamp": "2026-01-01T00:00:00Z",
        "ip": "192.0.2.1",
    }
    for text in HOSTILE[len(route.path) % 2 :: 2]:
        for field in fields:
            body = {**{key: value for key, value in sensible.items() if key in fields}, field: text}
            _answered(face, route.method, route.path, json=body)
        for name, place, _ in route.parameters:
            if place == "query":
                _answered(face, route.method, route.path, params={"worker_id": "own-http", "capacity": "1", name: text})
            else:
                path = route.path.replace(
                    "{server_id}", httpx.URL("http://x/").join(_quoted(text)).raw_path.decode()[1:]
                )
                _answered(face, route.method, path)
        printable = "".join(character for character in text if " " <= character <= "~")[:2000].strip()
        headers = {"X-Request-Id": printable, "X-Api-Key": printable, "User-Agent": printable, "Accept": printable}
        _answered(
            face,
            route.method,
            route.path.replace("{server_id}", "own-http"),
            json={} if fields else None,
            headers=headers,
        )
    if fields:
        for deep in (
            DEEP,
            '{"a":' * 1000 + "1" + "}" * 1000,
            '{"instance_id":' + DEEP + "}",
            "{",
            "\x00",
            '"\\u0000"',
            '{"a":"\\u0000"}',
        ):
            _answered(face, route.method, route.path, content=deep, headers={"Content-Type": "application/json"})
    after = target.of_the_victim()
    assert after == before
    assert target.rows("select to_regclass('public.planted') as planted") == [{"planted": None}]


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return "./" + quote(text, safe="")


def _answered(face: HttpServer, method: str, path: str, **more: Any) -> None:
    answer = face.http.request(method, path, **more)
    is_rival = answer.status_code == 503 and "in use by another process" in answer.text
    assert answer.status_code < 500 or is_rival, (path, more, answer.status_code, answer.text[:500])
    assert answer.headers["content-type"].split(";")[0] in (
        "application/json",
        "application/problem+json",
        "text/plain",
    ) or answer.status_code in (204, 307, 404, 405)


# -- the command line --------------------------------------------------------------------------------------------------

_SERVERS = {"run", "serve", "demo", "top"}
_TYPED = ("'; " + _PWN + "; --", '"', "$(id) `id` ; id | id > planted", "{{ owner }} %s {0}", "\x1b[31m\r\n\t", "é＇")


def _commands(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    # (click remembers what the help option is called)
    ctx = click.Context(command, parent, name, **command.context_settings)
    if isinstance(command, click.Group):
        for child in command.list_commands(ctx):
            found = command.get_command(ctx, child)
            if found is not None and child not in _SERVERS:
                yield from _commands(found, child, ctx)
    else:
        yield ctx


COMMANDS = list(_commands(main, "orchestrator"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.command_path)
def test_a_hostile_argument_of_a_command_is_refused_or_taken_as_it_is(
    target: Target, command: click.Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DSN", target.database.dsn)
    monkeypatch.setenv("ORCHESTRATOR_SCHEMA", target.names.api)
    monkeypatch.chdir(tmp_path)
    for text in _TYPED:
        for tried in command.command.params:
            if not isinstance(tried.type, click.types.StringParamType) or tried.name in ("dsn", "schema"):
                continue
            options, positional = command.command_path.split()[1:], list[str]()
            for parameter in command.command.params:
                given = text if parameter is tried else "1"
                if isinstance(parameter, click.Argument):
                    positional.append(given)
                elif parameter is tried or parameter.required:
                    options += [parameter.opts[-1], given]
            result = CliRunner().invoke(main, [*options, "--", *positional], input="n\n")
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            assert result.exit_code in (0, 1, 2, 3, 4, 75), result.output
    assert list(tmp_path.iterdir()) == []
    assert target.rows("select to_regclass('public.planted') as planted") == [{"planted": None}]


def test_no_hostile_text_is_the_name_of_a_schema() -> None:
    for text in (*HOSTILE, "public", "pg_catalog", "pg_temp", "Upper", "a-b", "a" * 15, "", "é", "a\n"):
        if text == "null":
            continue  # a name like any other
        with pytest.raises(BadArgument):
            Names.for_schema(text)
    for text in HOSTILE[:6]:
        result = CliRunner().invoke(main, ["status", "--schema", text, "--dsn", "host=/nowhere"])
        assert result.exit_code == 2
        assert "cannot be the schema" in result.output
