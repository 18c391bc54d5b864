"""A writer that the fence let through has not committed yet, and the stream changes hands by force.

Each second of sound must be written once. The old owner has heard second 1 and is about to write it; the new one begins
to hear at once, from a station that gives it the last second again.
"""

from collections.abc import Callable

import pytest

from orchestrator.database import db
from orchestrator.lab import ledger
from tests.isolation.sessions import Session, refusal, result
from tests.properties.lawful import LawfulFleet

Open = Callable[[], Session]

FENCE = "orchestrator_fence"


class Owner:
    """Writes the seconds of one stream, each beside its epoch."""

    def __init__(self, session: Session, fence: str, stream_id: int, epoch: int) -> None:
        self.session = session
        self._fence = fence
        self._of = [stream_id, epoch]

    def ask(self, function: str) -> None:
        query = f"select {self._fence}.{function}(%s::bigint, %s::bigint)"
        with db.translated_errors():
            self.session.conn.execute(query.encode(), self._of)

    def write(self, second: int) -> None:
        insert = b"insert into public.second (stream_id, epoch, second) values (%s, %s, %s)"
        self.session.conn.execute(insert, [*self._of, second])

    def last(self) -> int:
        query = b"select coalesce(max(second), 0) as last from public.second where stream_id = %s"
        row = self.session.conn.execute(query, self._of[:1]).fetchone()
        assert row is not None
        return int(row["last"])


@pytest.fixture
def owners(fleet: LawfulFleet, session: Open) -> Callable[[str], tuple[Owner, Owner]]:
    """The owner before a change of hands by force, in whose transaction the fence was asked, and the one after."""

    def change_hands(fence: str) -> tuple[Owner, Owner]:
        lost, heir = fleet.start(6, 6, streams=4)
        stream_id, epoch = next(iter(lost.running.items()))
        ledger.install_fence(fleet.conn)
        fleet.conn.execute("create table public.second (stream_id bigint, epoch bigint, second integer)")
        before = Owner(session(), fence, stream_id, epoch)
        if fence == FENCE:
            before.ask("advance")
        before.session.conn.execute("begin")
        before.ask("assert_current")
        # a decision waits for no writer, whichever fence it has asked
        session().call("remove_instance", instance_id=lost.name, force=True)
        lost.running.clear()
        given = fleet.look_again().assignments[stream_id]
        assert given["instance_id"] == heir.name
        return before, Owner(session(), fence, stream_id, int(given["epoch"]))

    return change_hands


def _written(fleet: LawfulFleet) -> list[int]:
    return [row["second"] for row in fleet.execute("select second from public.second order by second")]


def test_with_the_fence_table_a_second_is_written_once(
    fleet: LawfulFleet, owners: Callable[[str], tuple[Owner, Owner]]
) -> None:
    """In the orchestrator's own database, too: a new owner's first call waits for the old one's write."""
    before, after = owners(FENCE)
    announced = after.session.start_and_wait_for(lambda: after.ask("advance"), before.session)
    before.write(1)
    before.session.conn.execute("commit")
    result(announced)
    for second in range(after.last() + 1, 4):
        after.ask("assert_current")
        after.write(second)
    late = before.session.start(lambda: before.ask("assert_current"))
    assert refusal(late) == "OR302"
    assert _written(fleet) == [1, 2, 3]


def test_the_question_alone_refuses_what_begins_later_and_waits_for_nothing(
    fleet: LawfulFleet, owners: Callable[[str], tuple[Owner, Owner]]
) -> None:
    """What docs/start/workers.md says of it: a write that it let through before may be committed after the change, and
    the new owner cannot see it coming. Whoever cannot have that takes the fence table."""
    before, after = owners(fleet.conn.names.api)
    for second in range(after.last() + 1, 4):
        after.ask("assert_current")
        after.write(second)
    before.write(1)
    before.session.conn.execute("commit")
    assert _written(fleet) == [1, 1, 2, 3]
    late = before.session.start(lambda: before.ask("assert_current"))
    assert refusal(late) == "OR302"
