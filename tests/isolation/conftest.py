from collections.abc import Callable, Iterator

import pytest

from tests.isolation.sessions import Session
from tests.properties.lawful import LawfulFleet
from tests.support import Clock, Database


@pytest.fixture
def session(database: Database) -> Callable[[], Session]:
    """Opens another session."""
    return lambda: Session(database)


@pytest.fixture
def fleet(database: Database, clock: Clock) -> Iterator[LawfulFleet]:
    """A fleet whose every step is followed by the laws, and whose clock stands still."""
    fleet = LawfulFleet(database, database.connect(), clock, least=True, is_empty=True)
    yield fleet
    fleet.look_again()
    fleet.close()
