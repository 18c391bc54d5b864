"""A new generation begins once, whoever notices first that this may be another database."""

from collections.abc import Callable

import pytest

from tests.isolation.sessions import Session, result
from tests.properties.lawful import LawfulFleet, Worker
from tests.support import digest_of

Open = Callable[[], Session]


def _became_another(session: Session) -> None:
    session.conn.execute(f"update {session.conn.names.private}.controller set fingerprint = 'another'".encode())


def _generations(fleet: LawfulFleet) -> int:
    return len([d for d in fleet.look_again().decisions.values() if d["rule"] == "new generation"])


def _say(session: Session, worker: Worker, how: str) -> object:
    who = {"instance_id": worker.name, "incarnation": worker.incarnation}
    streams, epochs = list(worker.running), list(worker.running.values())
    match how:
        case "heartbeat":
            return session.call("heartbeat", **who, digest=1 + digest_of(worker.running.items()))
        case "report_streams":
            return session.call("report_streams", **who, streams=streams, epochs=epochs)
        case "acknowledge":
            return session.call("acknowledge", **who, started=streams, started_epochs=epochs)
        case _:
            return session.call(how, **who)


@pytest.mark.parametrize(
    "how", ["heartbeat", "report_streams", "acknowledge", "get_commands", "get_assignments", "deregister_instance"]
)
def test_who_comes_second_waits_and_hears_the_new_epochs(fleet: LawfulFleet, session: Open, how: str) -> None:
    first, _ = fleet.start(6, 6, streams=4)
    one, two = session(), session()
    _became_another(one)
    with one.transaction():
        one.private("watch_instances")
        waiting = two.start_and_wait_for(lambda: _say(two, first, how), one)
    said = result(waiting)
    assert _generations(fleet) == 1
    if how in ("heartbeat", "report_streams", "get_commands", "get_assignments"):
        assert isinstance(said, list) and said
        least = one.private("least_number")
        assert all(row["epoch"] >= least for row in said if row.get("action") in ("add", "adopt", None))
