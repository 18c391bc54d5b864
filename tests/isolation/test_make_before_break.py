"""The next owner's confirmation against whatever else happens to the stream: one session waits for the other."""

from collections.abc import Callable

import pytest
from psycopg import sql

from tests.isolation.sessions import Session, result
from tests.properties.fleet import Fleet, Worker

Open = Callable[[], Session]


def _act(what: str, session: Session, first: Worker, second: Worker, stream_id: int) -> object:
    me = {"instance_id": first.name, "incarnation": first.incarnation}
    match what:
        case "confirmation":
            epoch = first.running[stream_id] + 1
            who = {"instance_id": second.name, "incarnation": second.incarnation}
            return session.call("acknowledge", **who, started=[stream_id], started_epochs=[epoch])
        case "owner leaves":
            return session.call("deregister_instance", **me)
        case "owner stops":
            return session.call("acknowledge", **me, stopped=[stream_id])
        case "next owner leaves":
            return session.call("deregister_instance", instance_id=second.name, incarnation=second.incarnation)
        case _:
            return session.call("remove_stream", stream_id=stream_id)


@pytest.mark.parametrize("confirms_first", [True, False])
@pytest.mark.parametrize(
    ("other", "owner"),
    [("owner leaves", "fv-2"), ("owner stops", "fv-2"), ("next owner leaves", "fv-1"), ("stream is removed", None)],
)
def test_a_confirmation_and_what_else_happens_end_with_one_owner(
    fleet: Fleet, session: Open, other: str, owner: str | None, confirms_first: bool
) -> None:
    first, second = fleet.start(4, 4, streams=4)
    stream_id = min(first.running)
    epoch = first.running[stream_id]
    private = sql.Identifier(fleet.conn.names.private)
    able = sql.SQL("update {}.instance set metadata = jsonb_build_object('make_before_break', true)")
    fleet.conn.execute(able.format(private))
    fleet.call("set_setting", name="handoff_mode", value="make_before_break")
    fleet.call("move_stream", stream_id=stream_id, instance_id="fv-2")
    one, two = session(), session()
    order = ("confirmation", other) if confirms_first else (other, "confirmation")
    with one.transaction():
        _act(order[0], one, first, second, stream_id)
        waiting = two.start_and_wait_for(lambda: _act(order[1], two, first, second, stream_id), one)
    if not (other == "next owner leaves" and not confirms_first):
        result(waiting)
    look = sql.SQL("select instance_id, epoch from {}.assignment where stream_id = %s").format(private)
    row = fleet.conn.execute(look, [stream_id]).fetchone()
    assert (row["instance_id"] if row else None) == owner
    assert row is None or row["epoch"] >= epoch
