"""After a sync the fleet's streams equal its rows."""

import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.database import db
from orchestrator.errors import TooManyRemovals, UnusableSource
from orchestrator.sources.sync import sync
from tests.source.conftest import External, Fleet

ids = st.integers(1, 8)
changes = st.one_of(
    st.tuples(
        st.just("put"),
        ids,
        st.sampled_from(["", "Name", "Ñame\t\\"]),
        st.integers(1, 4),
        st.sampled_from([True, False, None]),
    ),
    st.tuples(st.just("delete"), ids),
    st.tuples(st.just("break"), ids),
    st.tuples(st.just("join"), st.sampled_from(["one", "two"])),
    st.tuples(st.just("sync"), st.booleans()),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(changes, min_size=3, max_size=25))
def test_the_streams_equal_the_rows_after_any_sequence(
    fleet: Fleet, external: External, sequence: list[tuple[Any, ...]]
) -> None:
    external.execute(
        "drop table if exists streams; create table streams (id int primary key, name text, url text, active boolean)"
    )
    name = f"s{uuid.uuid4().hex[:12]}"
    db.call(fleet.conn, "add_source", source=name, conninfo=external.dsn, table_name="streams")
    rows: dict[str, tuple[str, str, bool]] = {}
    expected: dict[str, tuple[str, str, bool]] = {}
    for change in sequence:
        match change:
            case "put", number, label, place, active:
                url = f"http://radio.example/{name}/{number}/{place}"
                external.execute(
                    "insert into streams values (%s, %s, %s, %s) on conflict (id) do update "
                    "set name = excluded.name, url = excluded.url, active = excluded.active",
                    [number, label, url, active],
                )
                rows[str(number)] = (label.strip() or url, url, active is not False)
            case "delete", number:
                external.execute("delete from streams where id = %s", [number])
                rows.pop(str(number), None)
            case "break", number:
                if str(number) in rows:
                    external.execute("update streams set url = 'broken' where id = %s", [number])
                    rows[str(number)] = ("", "", False)
            case "join", instance_id:
                fleet.register(instance_id, 6)
                db.call(fleet.conn, "rebalance", reason="test")
            case "sync", force:
                expected = check_sync(fleet, name, rows, expected, force)
    check_laws(fleet)
    for instance_id in fleet.incarnations:
        db.call(
            fleet.owner, "deregister_instance", instance_id=instance_id, incarnation=fleet.incarnations[instance_id]
        )
    fleet.incarnations.clear()
    db.call(fleet.conn, "remove_source", source=name, remove_streams=True)


def check_sync(
    fleet: Fleet,
    name: str,
    rows: dict[str, tuple[str, str, bool]],
    before: dict[str, tuple[str, str, bool]],
    force: bool,
) -> dict[str, tuple[str, str, bool]]:
    """One sync against a model of it in Python; returns what the fleet has now."""
    usable = {key: row for key, row in rows.items() if row[1]}
    gone = before.keys() - rows.keys()
    off = {key for key, row in usable.items() if key in before and before[key][2] and not row[2]}
    heard = {key for key, row in before.items() if row[2]}
    part = max(
        len(gone | off) / len(before) if before else 0,
        len((gone & heard) | off) / len(heard) if heard else 0,
    )
    may = not (rows and not usable) and (bool(rows) or not before) and (force or part <= 0.2)
    after = {**{key: row for key, row in before.items() if key in rows}, **usable} if may else before
    try:
        sync(fleet.conn, name, force=force)
        assert may
    except (TooManyRemovals, UnusableSource):
        assert not may
    found = {key: (row["name"], row["url"], row["active"]) for key, row in fleet.streams(name).items()}
    assert found == after
    check_laws(fleet)
    return after


def check_laws(fleet: Fleet) -> None:
    # An inactive stream is idle, an active one is not.
    assert (
        fleet.query(
            "select s.stream_id, s.active, a.state from {p}.stream s left join {p}.assignment a using (stream_id) "
            "where s.active is distinct from (a.state <> 'idle')"
        )
        == []
    )
    # Counts equal a recount.
    assert (
        fleet.query(
            "select i.instance_id, i.owned, count(a.stream_id) from {p}.instance_load i "
            "left join {p}.assignment a using (instance_id) "
            "group by i.instance_id, i.owned having i.owned <> count(a.stream_id)"
        )
        == []
    )
    # Every change of hands has its decision, and no decision is left open.
    assert fleet.query("select decision_id from {p}.decision where duration is null") == []
    assert fleet.staged_rows() == 0
