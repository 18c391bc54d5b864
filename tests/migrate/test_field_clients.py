"""What a migration does with the clients of the field that an installed fleet has already."""

import psycopg

from orchestrator import templates
from tests.fleet import Fleet
from tests.sql.conftest import fleet as fleet  # the fixture
from tests.sql.pull import PullClient, add_numbered

_LAST_STEPS = "-- Those that are there go on as what they are"


def test_those_that_are_there_keep_what_they_have_and_can_still_ask(fleet: Fleet) -> None:
    add_numbered(fleet, *range(4))
    worker = fleet.register("a", 10)
    fleet.settle()
    # as an older program kept a client: a session, and streams that it was given as a worker is
    fleet.query(
        "insert into {p}.http_session (instance_id, incarnation, dialect, address, registered_at) "
        "values ('a', %s, 'worker', '192.0.2.1:8000', {p}.now())",
        worker.incarnation,
    )
    del fleet.workers["a"]
    text = templates.render("0015_pull.sql", fleet.database.names, root=templates.MIGRATIONS_ROOT)
    head, _, steps = text.partition(_LAST_STEPS)
    assert head and steps
    conn: psycopg.Connection[dict[str, object]] = fleet.owner_conn
    conn.execute(steps.partition("\n")[2].encode())

    client = PullClient(fleet, "a", peer="192.0.2.1", own=[*range(4)])
    assert fleet.instance("a")["placement"] == "pull"
    client.beat()
    assert client.ask() == []
    client.live(30)
    fleet.run_due_jobs()
    assert client.booked == {*range(4)} == {*client.own}
    assert client.start() == [*range(4)], "its whole list is in its first answer"
