"""Migration 0004 gives columns of the beats other places: what they said stays, and their readers go on."""

import psycopg

from orchestrator import templates
from orchestrator.names import Names

NAMES = Names.for_schema()


def _migrate(conn: psycopg.Connection, *versions: int) -> None:
    for version in versions:
        [path] = templates.MIGRATIONS_ROOT.glob(f"{version:04}_*.sql")
        conn.execute(templates.render(path.name, NAMES, root=templates.MIGRATIONS_ROOT).encode())


def test_an_upgrade_keeps_what_the_last_beats_said_and_the_views_on_them(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(f"create schema {NAMES.api}; create schema {NAMES.private}")
        _migrate(conn, 1, 2, 3)
        conn.execute(f"set search_path = {NAMES.private}")
        conn.execute(
            "insert into instance"
            " (instance_id, status, status_event, status_changed_at, max_streams, owner_role, registered_at)"
            " select name, 'active', 'beat', now(), 5, current_user, now() from unnest(array['one', 'two']) as name"
        )
        conn.execute(
            "insert into heartbeat"
            " (instance_id, incarnation, beat_at, digest, status, current_streams, processed_count)"
            " values ('one', 1, '2026-03-01', -42, 'active', 5, 7), ('two', 3, '2026-03-01', 0, null, null, 0)"
        )
        conn.execute("create view public.own as select instance_id, beat_at, processed_count from heartbeat")
        _migrate(conn, 4)
        kept = conn.execute(
            "select incarnation, digest, status, current_streams, beats, missed, round_trip from heartbeat order by 1"
        ).fetchall()
        assert kept == [(1, -42, "active", 5, 0, 0, None), (3, 0, None, None, 0, 0, None)]
        assert conn.execute("select processed_count from public.own where instance_id = 'one'").fetchall() == [(7,)]
