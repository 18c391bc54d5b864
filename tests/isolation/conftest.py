from collections.abc import Callable, Iterator

import pytest

from tests.isolation.sessions import Session
from tests.properties.fleet import Fleet
from tests.support import Clock, Database


@pytest.fixture
def session(database: Database) -> Callable[[], Session]:
    """Opens another session."""
    return lambda: Session(database)


@pytest.fixture
def fleet(database: Database, clock: Clock) -> Iterator[Fleet]:
    """A fleet whose every step is followed by the laws, and whose clock stands still."""
    fleet = Fleet(database, database.connect(), clock, least=True)
    yield fleet
    fleet.look_again()
    fleet.close()
