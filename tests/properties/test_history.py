"""Whatever happens to a fleet: who had what at a moment is told later as it was seen then."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from orchestrator.database import db
from tests.properties.simulation import CutOffSimulation, MixedSimulation, PlainSimulation
from tests.support import Clock, Database

_LIVES = 4
_MOMENTS = 50
_COLUMNS = ("stream_id", "instance_id", "epoch", "state")


@pytest.mark.parametrize("kind", [PlainSimulation, MixedSimulation, CutOffSimulation])
def test_fifty_moments_are_told_as_they_were_seen(shared_database: Database, kind: type[PlainSimulation]) -> None:
    conn = shared_database.connect()
    if not conn.execute("select to_regclass(%s) as clock", [f"{conn.names.private}.test_clock"]).fetchall()[0]["clock"]:
        Clock(conn).install()
    states: set[str] = set()
    for seed in range(_LIVES):
        dice = Random(seed)
        simulation = kind(shared_database, conn)
        fleet = simulation.fleet
        seen: dict[Any, list[db.Row]] = {}
        look_again = fleet.look_again

        def look_and_keep(look_again: Any = look_again, seen: dict[Any, list[db.Row]] = seen) -> Any:
            snapshot = look_again()
            # of several looks at one moment the last one counts
            seen[snapshot.moment] = db.view(conn, "assignments", order_by=["stream_id"])
            return snapshot

        fleet.look_again = look_and_keep  # type: ignore[method-assign]  # it looks on behalf of every step
        simulation.begin(dice)
        simulation.run(dice, 60)
        simulation.end()
        moments = sorted(seen)
        for _ in range(_MOMENTS):
            # between two looks nothing changes
            at, until = dice.choice(list(pairwise(moments)))
            moment = at + dice.random() * (until - at)
            told = db.call(conn, "assignments_at", at=moment)
            expected = [{column: row[column] for column in _COLUMNS} for row in seen[at]]
            assert told == expected, f"{moment} of seed {seed}"
            states |= {row["state"] for row in told}
        fleet.close()
    assert len(states) >= 3, states
