"""One fleet for a module of tests: real logins of every kind, a victim with streams, and what the catalog says.

The functions and views are those of the files, which are named after them, so that each has a test of its own before
any server runs; test_roles.py holds files, catalog and the table of roles equal.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from orchestrator import templates
from orchestrator.database import db
from orchestrator.names import Names
from tests.lint.test_catalog import GRANTED
from tests.rooms import public_functions, public_views
from tests.support import Database, query

FUNCTIONS = public_functions()
VIEWS = public_views()
ROLES = ("worker", "reader", "admin", "unprivileged", "outsider")
"""Members of one role of the fleet each; a login without any role; one that is everything in another fleet."""

VICTIM, VICTIM_OVER_HTTP = "victim-1", "victim-http"
OWN, OWN_OVER_HTTP = "own-1", "own-http"
VICTIM_BY_MANUAL, OWN_BY_MANUAL = "victim-manual", "own-manual"
"""Over HTTP too, in the dialect of the manual, which is commanded and does not ask."""
ADDRESS = "192.0.2.1"

Row = dict[str, Any]
Connection = psycopg.Connection[Row]
Statement = sql.SQL | sql.Composed


def may_call(role: str, function: str) -> bool:
    return function in GRANTED.get(role, ())


def may_read(role: str) -> bool:
    return role in ("reader", "admin")


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    has_default: bool


@dataclass
class Target:
    database: Database
    logins: dict[str, Connection]
    """By role, and "victim": another worker's."""
    superuser: db.Connection
    incarnations: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        return self.database.names

    # -- what there is -------------------------------------------------------------------------------------------

    def rows(self, text: str, *parameters: Any) -> list[Row]:
        """A question of the superuser's; {a}, {p} and {owner} are the schemas and the owner."""
        return query(self.superuser, text, self.names, parameters or None)

    @cached_property
    def relations(self) -> list[Row]:
        """Tables, views and sequences of both schemas."""
        return self.rows(
            "select c.oid, n.nspname as schema, c.relname as name, c.relkind::text as kind, "
            "array(select a.attname::text from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 "
            "and not a.attisdropped order by a.attnum) as columns "
            "from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where n.nspname in (%s, %s) and c.relkind in ('r', 'v', 'm', 'p', 'S', 'f') order by 2, 3",
            self.names.api,
            self.names.private,
        )

    def functions(self, schema: str) -> list[Row]:
        return self.rows(
            "select p.oid, p.proname as name, p.oid::regprocedure::text as signature, p.prokind::text as kind "
            "from pg_proc as p where p.pronamespace = %s::regnamespace order by 3",
            schema,
        )

    @cached_property
    def parameters(self) -> dict[str, list[Parameter]]:
        """What each public function takes."""
        rows = self.rows(
            "select p.proname as function, p.proargnames[t.place] as name, format_type(t.oid, null) as type, "
            "t.place > p.pronargs - p.pronargdefaults as has_default "
            "from pg_proc as p, unnest(p.proargtypes::oid[]) with ordinality as t (oid, place) "
            "where p.pronamespace = %s::regnamespace order by 1, t.place",
            self.names.api,
        )
        found: dict[str, list[Parameter]] = {}
        for row in rows:
            found.setdefault(row["function"], []).append(Parameter(row["name"], row["type"], row["has_default"]))
        return found

    def snapshot(self) -> dict[str, str]:
        """A checksum of each table's rows."""
        parts = [
            sql.SQL(
                "select {} as name, md5(coalesce(string_agg(t::text, E'\\n' order by t::text), '')) as sum from {} as t"
            ).format(sql.Literal(row["name"]), sql.Identifier(row["schema"], row["name"]))
            for row in self.relations
            if row["kind"] == "r"
        ]
        rows = self.superuser.execute(sql.SQL(" union all ").join(parts)).fetchall()
        return {row["name"]: row["sum"] for row in rows}

    def catalog(self) -> list[Row]:
        """Every object of the two schemas with its definition's checksum, and all else that a login could have made."""
        objects = templates.render("runner/catalog.sql", self.names).replace("{", "{{").replace("}", "}}")
        return self.rows(f"select o.kind, o.identity, o.checksum from ({objects}) as o order by 1, 2") + self.rows(
            "select 'role' as kind, r.rolname as identity, "
            "md5(r::text || coalesce(string_agg(m.roleid::text, ' ' order by m.roleid), '')) as checksum "
            "from pg_roles as r left join pg_auth_members as m on m.member = r.oid "
            "where r.rolname like %s group by r, r.rolname "
            "union all select 'trigger on events', evtname, '' from pg_event_trigger "
            "union all select 'cast', c.castsource::regtype || ' as ' || c.casttarget::regtype, '' "
            "from pg_cast as c where c.oid > 16383",
            f"{self.names.api}%",
        )

    def of_the_victim(self) -> Row:
        """Everything in the tables that is about the victim, or about no one in particular."""
        rows = {
            table: self.rows(f"select t::text as row from {{p}}.{table} as t {where} order by 1")
            for table, where in {
                "instance": "where t.instance_id like 'victim%%'",
                "heartbeat": "where t.instance_id like 'victim%%'",
                "http_session": "where t.instance_id like 'victim%%'",
                "http_stream": "where t.instance_id like 'victim%%'",
                "assignment": "where t.instance_id like 'victim%%'",
                "stream": "",
                "setting": "",
                "source": "",
                "job": "",
                "alert_target": "",
                "controller": "",
            }.items()
        }
        return {table: [row["row"] for row in found] for table, found in rows.items()}

    # -- what a login does ---------------------------------------------------------------------------------------

    def arguments(self, function: str, of: str = OWN) -> dict[str, Any]:
        """Arguments that make sense, for the instance of that name."""
        streams = [
            row["stream_id"] for row in self.rows("select stream_id from {p}.assignment where instance_id = %s", of)
        ]
        by_name: Mapping[str, Any] = {
            "p_instance_id": of,
            "p_incarnation": self.incarnations.get(of),
            "p_max_streams": 10,
            "p_stream_id": streams[0] if streams else 1,
            "p_streams": streams,
            "p_epochs": [1] * len(streams),
            "p_started": streams,
            "p_started_epochs": [1] * len(streams),
            "p_stopped": [],
            "p_failed": "[]",
            "p_failures": "[]",
            "p_request": json.dumps(self.request(of, streams)),
            "p_url": "http://radio.example.org/new",
            "p_source": "a-list",
            "p_table_name": None,
            "p_conninfo": None,
            "p_heartbeats": "",
            "p_music_log": "",
            "p_rows": "[]",
            "p_witness": "heartbeats",
            "p_name": "heartbeat_interval",
            "p_value": "30 seconds",
            "p_target": "a_target",
            "p_minimum_severity": "warning",
            "p_job": "settle",
            "p_schedule": "1 second",
            "p_batch": "00000000-0000-0000-0000-000000000000",
            "p_actions": "[]",
            "p_kind": "digest",
            "p_lease": "100 seconds",
            "p_stop_within": "50 seconds",
            "p_max_removed_part": 0.5,
            "p_error": "{}",
            "p_takeover": True,
            "p_dialect": None,
            "p_reporter": "driver:test",
        }
        by_type: Mapping[str, Any] = {
            "text": "a text",
            "bigint": 1,
            "integer": 1,
            "jsonb": "{}",
            "interval": "10 seconds",
            "text[]": ["audio_fingerprinting"],
            "bigint[]": [],
            "boolean": True,
        }
        return {
            parameter.name: by_name.get(parameter.name, by_type.get(parameter.type))
            for parameter in self.parameters.get(function, [])
        }

    @staticmethod
    def request(instance_id: str, streams: list[int]) -> Row:
        """A request over HTTP in every dialect at once."""
        return {
            **dict.fromkeys(("instance_id", "server_id", "worker_id", "worker_instance_id"), instance_id),
            **dict.fromkeys(("max_streams", "capacity", "requested_count"), 5),
            "stream_ids": streams,
            "local_streams": streams,
            "local_stream_count": len(streams),
            "current_streams": streams,
        }

    def call(self, conn: Connection, function: str, arguments: Mapping[str, Any]) -> list[Row]:
        """Call a public function, each argument as its type; the server's own errors come through."""
        types = {parameter.name: parameter.type for parameter in self.parameters.get(function, [])}
        query = sql.SQL("select * from {}({})").format(
            sql.Identifier(self.names.api, function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}::{}").format(sql.Identifier(name), sql.Placeholder(), sql.SQL(types[name]))
                for name in arguments
            ),
        )
        return conn.execute(query, list(arguments.values())).fetchall()


@contextmanager
def undone(conn: Connection) -> Iterator[None]:
    """What is done inside is taken back."""
    conn.autocommit = False
    try:
        yield
    finally:
        conn.rollback()
        conn.autocommit = True


def code_of(conn: Connection, statement: Statement | str, parameters: list[Any] | None = None) -> str:
    """The SQLSTATE that a statement ends with ("00000" when it succeeds); what it did is undone."""
    query = sql.SQL(statement) if isinstance(statement, str) else statement
    with undone(conn):
        try:
            conn.execute(query, parameters)
        except psycopg.Error as error:
            return error.sqlstate or "?"
    return "00000"


def connect(dsn: str) -> Connection:
    return psycopg.connect(dsn, autocommit=True, row_factory=dict_row, prepare_threshold=None)


def act(target: Target) -> None:
    """A fleet in the middle of its life: two workers and four clients over HTTP, of two logins."""
    admin = target.logins["admin"]
    target.call(admin, "set_setting", {"p_name": "settle_window", "p_value": "0 seconds"})
    for role, instance_id, over_http in (
        ("victim", VICTIM, VICTIM_OVER_HTTP),
        ("worker", OWN, OWN_OVER_HTTP),
    ):
        conn = target.logins[role]
        [row] = target.call(conn, "register_instance", {"p_instance_id": instance_id, "p_max_streams": 10})
        target.incarnations[instance_id] = row["incarnation"]
        target.call(conn, "attach_session", {"p_instance_id": instance_id, "p_incarnation": row["incarnation"]})
        request = json.dumps(target.request(over_http, []))
        target.call(conn, "http_register", {"p_request": request, "p_address": ADDRESS})
        by_manual = {"victim": VICTIM_BY_MANUAL, "worker": OWN_BY_MANUAL}[role]
        request = json.dumps(target.request(by_manual, []))
        target.call(conn, "http_register", {"p_request": request, "p_dialect": "main", "p_address": ADDRESS})
        target.incarnations |= {over_http: 1, by_manual: 1}
    for number in range(1, 13):
        target.call(admin, "add_stream", {"p_url": f"http://radio.example.org/{number}"})
    target.call(admin, "add_source", {"p_source": "a-list"})
    target.call(admin, "set_alert_target", {"p_target": "a_target", "p_minimum_severity": "warning"})
    target.call(admin, "run_due_jobs", {})
    for role, instance_id in (("victim", VICTIM), ("worker", OWN)):
        own = target.arguments("acknowledge", instance_id)
        target.call(target.logins[role], "acknowledge", own)
        target.call(target.logins[role], "heartbeat", {**target.arguments("heartbeat", instance_id), "p_digest": None})


def close(target: Target) -> None:
    with ExitStack() as closing:
        for conn in target.logins.values():
            closing.callback(conn.close)
