"""Clients that ask for their streams, while others decide. One session is held in an open transaction."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet
from tests.isolation.sessions import Session, result
from tests.sql.pull import HELD, PullClient, add_numbered
from tests.support import Clock, Database

Open = Callable[[], Session]


@pytest.fixture
def stations(database: Database, clock: Clock) -> Iterator[Fleet]:
    fleet = Fleet(database, clock)
    add_numbered(fleet, *range(10))
    yield fleet
    fleet.check_counts()


@pytest.fixture
def client(stations: Fleet) -> PullClient:
    """It has all ten."""
    client = PullClient(stations, "a")
    client.start()
    client.live(30)
    return client


def _call(session: Session, client: PullClient, function: str, **request: Any) -> tuple[int, Any]:
    dialect = {} if function == "http_release_streams" else {"dialect": client.dialect}
    [row] = session.call(function, request=Jsonb(request), address=client.peer, **dialect)
    return row["status"], row["body"]


def _ask(session: Session, client: PullClient) -> tuple[int, Any]:
    return _call(session, client, "http_assign_streams", worker_id=client.name, capacity=str(client.asked))


def _beat(session: Session, client: PullClient) -> tuple[int, Any]:
    return _call(session, client, "http_heartbeat", worker_instance_id=client.name, current_load=len(client.own))


def test_an_ask_behind_its_goodbye_is_given_nothing(stations: Fleet, client: PullClient, session: Open) -> None:
    """A process that ends may have an ask under way, which waits while it gives back all that it has."""
    stations.admin("set_capacity", instance_id="a", max_streams=20)
    add_numbered(stations, 11)
    stations.clock.advance("30 seconds")
    ending, asking = session(), session()
    with ending.transaction():
        _call(ending, client, "http_release_streams", server_id="a", stream_ids=client.own)
        answer = asking.start_and_wait_for(lambda: _ask(asking, client), ending)
    status, body = result(answer)
    while status == HELD:  # its patience with the lock is short
        status, body = _ask(asking, client)
    assert (status, body["assigned_streams"]) == (200, [])
    assert client.booked == set()


def _lose(fleet: Fleet, *clients: PullClient) -> None:
    """They are silent until a worker of our own has all that they had."""
    fleet.register("worker", 40)
    for _ in range(40):
        fleet.clock.advance("10 seconds")
        fleet.workers["worker"].obey()
        fleet.run("watch_instances")
        fleet.settle()
    assert {fleet.instance(client.name)["status"] for client in clients} == {"inactive"}
    assert fleet.loads()["worker"] == 10


def _holds(stations: Fleet, session: Session) -> bool:
    """Whether it has written or locked a row, or holds another's kind of the lock that it waits for."""
    [row] = stations.query(
        "select a.backend_xid is not null or exists ("
        "select from pg_locks as l where l.pid = a.pid and l.locktype = 'advisory' and l.granted) as holds "
        "from pg_stat_activity as a where a.pid = %s",
        session.pid,
    )
    return bool(row["holds"])


@pytest.mark.parametrize("was", ["there", "lost"])
@pytest.mark.parametrize("speak", [_beat, _ask])
def test_nothing_is_held_by_what_waits_for_the_decision_lock(
    stations: Fleet,
    client: PullClient,
    session: Open,
    speak: Callable[[Session, PullClient], tuple[int, Any]],
    was: str,
) -> None:
    """A decision may want the rows of this very client; two that wait for each other end as a deadlock."""
    if was == "lost":
        _lose(stations, client)
    else:
        # all there is to decide at once: its list holds one that it has not, and what it has is not confirmed
        stations.admin("set_capacity", instance_id="a", max_streams=20)
        add_numbered(stations, 11)
        stations.query("insert into {p}.pull_memory select 'a', stream_id, {p}.now() from {p}.stream where number = 11")
        stations.query("update {p}.assignment set state = 'assigned' where instance_id = 'a'")
        stations.clock.advance("30 seconds")
    deciding, speaking = session(), session()
    with deciding.transaction():
        deciding.private("lock_decisions")
        answer = speaking.start_and_wait_for(lambda: speak(speaking, client), deciding)
        held = _holds(stations, speaking)
    assert result(answer)[0] in (200, HELD)
    assert not held
