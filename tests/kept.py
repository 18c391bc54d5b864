"""A database that many tests of one process use one after the other, with the sessions that they left warm.

A new session reads the catalog and compiles every function that it calls, which takes several times as long as what
most tests do then. So a test leaves its rows, and what it added, and they are taken out again; its sessions are made
as new and stay. Where it leaves anything else (a function changed, statistics, a setting of the database), the database
goes.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from orchestrator.conninfo import STANDARD_TIMEOUTS
from orchestrator.database import db
from orchestrator.database.connection import _session_parameters, _session_sql
from orchestrator.names import Names
from tests.support import Clock, Database, statement

MOST_TESTS = 100
"""What is deleted still takes room for a while: so many tests, and a new database."""

_AS_NEW = """
reset session authorization; reset all; close all; select pg_advisory_unlock_all(); discard temp; discard sequences;
select count(*) as channels from pg_listening_channels()
"""

# Everything but rows that a test can leave in a database, as one number.
_CATALOG = """
select bit_xor(c.hash) as catalog
from (
    select hashtextextended(concat('class', r.oid, r.xmin), 0) as hash
    from pg_class as r where r.oid >= 16384 and r.relpersistence <> 't'
    union all select hashtextextended(concat('column', a.attrelid, a.attnum, a.xmin), 0)
    from pg_attribute as a join pg_class as r on r.oid = a.attrelid and r.oid >= 16384 and r.relpersistence <> 't'
    union all select hashtextextended(concat('function', p.oid, p.xmin), 0) from pg_proc as p where p.oid >= 16384
    union all select hashtextextended(concat('trigger', t.oid, t.xmin), 0) from pg_trigger as t
    union all select hashtextextended(concat('constraint', k.oid, k.xmin), 0)
    from pg_constraint as k where k.oid >= 16384
    union all select hashtextextended(concat('rule', w.oid, w.xmin), 0) from pg_rewrite as w where w.oid >= 16384
    union all select hashtextextended(concat('statistics', s.starelid, s.staattnum, s.xmin), 0)
    from pg_statistic as s where s.starelid >= 16384
    union all select hashtextextended(concat('comment', d.objoid, d.objsubid, d.xmin), 0)
    from pg_description as d where d.objoid >= 16384
    union all select hashtextextended(concat('schema', n.oid, n.xmin), 0)
    from pg_namespace as n where n.nspname !~ '^pg_(toast_)?temp_'
    union all select hashtextextended(concat('extension', e.oid, e.xmin), 0) from pg_extension as e
    union all select hashtextextended(concat('event trigger', e.oid, e.xmin), 0) from pg_event_trigger as e
    union all select hashtextextended(concat('default acl', a.oid, a.xmin), 0) from pg_default_acl as a
    union all select hashtextextended(concat('database', b.oid, b.xmin), 0)
    from pg_database as b where b.datname = current_database()
    union all select hashtextextended(concat('setting', s.setdatabase, s.setrole, s.xmin), 0)
    from pg_db_role_setting as s
    union all select hashtextextended(concat('prepared', x.gid), 0)
    from pg_prepared_xacts as x where x.database = current_database()
    union all select hashtextextended(concat('slot', s.slot_name), 0)
    from pg_replication_slots as s where s.database = current_database()
) as c
"""


# The tables, views and functions that came later than a moment, as what takes them out.
_NEWER = """
select format('drop %%s if exists %%s cascade', o.kind, o.name) as removal
from (
    select case r.relkind when 'r' then 'table' when 'v' then 'view' else 'sequence' end, r.oid::regclass::text, r.oid
    from pg_class as r where r.relkind in ('r', 'v', 'S') and r.relpersistence <> 't'
    union all select 'routine', p.oid::regprocedure::text, p.oid from pg_proc as p
    where p.pronamespace not in (select n.oid from pg_namespace as n where n.nspname ~ '^pg_temp')
) as o(kind, name, oid)
where o.oid > %s
"""


class KeptDatabase:
    """One clone of the migrated template, with the clock that stands still or without."""

    def __init__(self, dsn: str, names: Names, *, with_clock: bool) -> None:
        self.dsn = dsn
        self.names = names
        self.tests = 0
        self._idle: dict[str | None, list[db.Connection]] = {}
        self._conn = db.connect(dsn, schema=names.api, application_name="kept")
        if with_clock:
            Clock(self._conn).install()
        self._conn.execute(self._restoring())
        self._catalog = self._fingerprint()
        newest = "select max(oid) as oid from (select oid from pg_class union all select oid from pg_proc) as o"
        self._newest = self._conn.execute(newest).fetchall()[0]["oid"]

    @contextmanager
    def database(self) -> Iterator[Database]:
        """For one test."""
        self.tests += 1
        with ExitStack() as lent:
            database = Database(self.dsn, self.names, lend=lambda role: self._lend(role, lent))
            yield database
            database.close()

    def restore(self) -> bool:
        """Take out what a test left; False when that cannot be done."""
        if self.tests >= MOST_TESTS:
            return False
        kept = [conn.info.backend_pid for conns in self._idle.values() for conn in conns]
        try:
            self._conn.execute(
                # waits until they have ended
                "select pg_terminate_backend(a.pid, 5000) from pg_stat_activity as a "
                "where a.datname = current_database() and a.backend_type = 'client backend' "
                "and a.pid <> all(%s) and a.pid <> pg_backend_pid()",
                [kept],
            )
            if self._fingerprint() != self._catalog:
                for newer in self._conn.execute(_NEWER, [self._newest]).fetchall():
                    self._conn.execute(newer["removal"])
                if self._fingerprint() != self._catalog:
                    return False
            self._conn.execute("select pg_temp.restore()")
        except psycopg.Error:  # its server was ended, or what was added belongs to an extension
            return False
        return True

    def close(self) -> None:
        for conns in self._idle.values():
            for conn in conns:
                conn.close()
        self._conn.close()

    def _fingerprint(self) -> Any:
        return self._conn.execute(_CATALOG).fetchall()

    def _restoring(self) -> sql.Composed:
        """A function that puts the rows of all tables back to what they are now."""
        schemas = [self.names.api, self.names.private]
        tables = self._conn.execute(
            "select c.oid::regclass::text as name, "
            "(select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute as a "
            " where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns "
            "from pg_class as c where c.relnamespace = any(%s::regnamespace[]) and c.relkind = 'r' order by 1",
            [schemas],
        ).fetchall()
        sequences = self._conn.execute(
            "select c.oid::regclass::text as name from pg_class as c "
            "where c.relnamespace = any(%s::regnamespace[]) and c.relkind = 'S' order by 1",
            [schemas],
        ).fetchall()
        lines = [f"delete from {table['name']};" for table in tables]
        for number, table in enumerate(tables):
            name, columns = table["name"], table["columns"]
            if self._conn.execute(f"select from {name} limit 1").rowcount:
                self._conn.execute(f"create temp table kept_{number} as table {name}")
                lines.append(
                    f"insert into {name} ({columns}) overriding system value "
                    f"select {columns} from pg_temp.kept_{number};"
                )
        for sequence in sequences:
            [state] = self._conn.execute(f"select last_value, is_called from {sequence['name']}")
            lines.append(f"perform setval('{sequence['name']}', {state['last_value']}, {state['is_called']});")
        # neither the triggers nor the foreign keys have a say
        return sql.SQL(
            "create function pg_temp.restore() returns void language plpgsql "
            "set session_replication_role = replica as {}"
        ).format(sql.Literal("#variable_conflict use_column\nbegin\n" + "\n".join(lines) + "\nend"))

    def _lend(self, role: str | None, lent: ExitStack) -> db.Connection:
        idle = self._idle.setdefault(role, [])
        conn = idle.pop() if idle else self._connect(role)
        lent.callback(self._take_back, role, conn)
        return conn

    def _connect(self, role: str | None) -> db.Connection:
        conn = db.connect(self.dsn, schema=self.names.api, application_name=role or "test")
        self._take_on(conn, role)
        return conn

    def _take_on(self, conn: db.Connection, role: str | None) -> None:
        if role is not None:
            conn.execute(statement(f"set role {{{role}}}", self.names))

    def _take_back(self, role: str | None, conn: db.Connection) -> None:
        try:
            if conn.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
                raise psycopg.OperationalError("it is in the middle of something")
            conn.rollback()
            conn.autocommit, conn.isolation_level, conn.read_only, conn.deferrable = True, None, None, None
            [row] = _last(conn.execute(_AS_NEW))
            if row["channels"]:
                raise psycopg.OperationalError("it listens")
            conn.answer_within, conn.hang_up_at = STANDARD_TIMEOUTS.answer, None
            conn.execute(_session_sql(), _session_parameters(conn, STANDARD_TIMEOUTS))
            self._take_on(conn, role)
        except psycopg.Error:
            conn.close()
        else:
            self._idle[role].append(conn)


def _last(cursor: psycopg.Cursor[Any]) -> list[Any]:
    """The rows of the last of several statements."""
    while cursor.nextset():
        pass
    return cursor.fetchall()


class Kept:
    """The two databases of a process, made when they are wanted."""

    def __init__(self, create: Callable[[], tuple[str, Callable[[], None]]], names: Names) -> None:
        self._create = create
        self._names = names
        self._databases: dict[bool, tuple[KeptDatabase, Callable[[], None]]] = {}

    @contextmanager
    def database(self, *, with_clock: bool) -> Iterator[Database]:
        if with_clock not in self._databases:
            dsn, drop = self._create()
            self._databases[with_clock] = KeptDatabase(dsn, self._names, with_clock=with_clock), drop
        kept, drop = self._databases[with_clock]
        with kept.database() as database:
            yield database
        if not kept.restore():
            self._drop(with_clock)

    def close(self) -> None:
        for with_clock in list(self._databases):
            self._drop(with_clock)

    def _drop(self, with_clock: bool) -> None:
        kept, drop = self._databases.pop(with_clock)
        kept.close()
        drop()
