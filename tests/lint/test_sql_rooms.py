"""The rooms of `sql/` stand on floors: a room calls its own functions and those of lower rooms, and no others."""

import pytest

from orchestrator import templates
from tests.rooms import calls, fleet_files, path_of, private_functions, public_functions, room_of, sql_file_of

FLOORS = (
    "foundation",
    "incidents",
    "metrics",
    "settings",
    "assignments",
    "clock",
    "placement",
    "instances",
    "stream_faults",
    "failover",
    "streams",
    "sources",
    "handover",
    "pull",
    "signs",
    "balancing",
    "coverage",
    "jobs",
    "alerts",
    "heartbeat",
    "diagnosis",
    "dashboard",
    "http",
)
"""From the ground up. The manifest applies the rooms in this order."""


def _edges() -> dict[tuple[str, str], set[str]]:
    """(calling room, called room) → the calls between them."""
    found: dict[tuple[str, str], set[str]] = {}
    for caller, called in calls().items():
        for name in called:
            edge = room_of(sql_file_of(caller)), room_of(sql_file_of(name))
            if edge[0] != edge[1]:
                found.setdefault(edge, set()).add(f"{caller} calls {name}")
    return found


def test_every_room_stands_on_a_floor() -> None:
    assert {room_of(path) for path in fleet_files()} - {""} == set(FLOORS)


def test_a_room_calls_only_its_own_and_lower_ones() -> None:
    edges = _edges()
    assert len(edges) > 50
    upwards = {edge: sorted(why) for edge, why in edges.items() if FLOORS.index(edge[1]) > FLOORS.index(edge[0])}
    assert upwards == {}


def test_no_private_function_calls_a_public_one() -> None:
    """A public function is the door; what two doors share stands behind both."""
    public, private = set(public_functions()), set(private_functions())
    assert not public & private
    assert {name: called for name in private if (called := calls()[name] & public)} == {}


def test_the_manifest_applies_room_by_room_from_the_ground_up() -> None:
    lines = (templates.SQL_ROOT / "manifest").read_text().splitlines()
    rooms = [room_of(templates.SQL_ROOT / line) for line in lines if line and not line.startswith("#")]
    assert [room for room, before in zip(rooms, [None, *rooms], strict=False) if room != before] == [*FLOORS, ""]


def test_no_function_calls_itself_through_others() -> None:
    graph, done = calls(), set[str]()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join((*above[above.index(name) :], name))
        if name not in done:
            for called in sorted(graph[name]):
                visit(called, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("room", FLOORS)
def test_no_two_files_of_a_room_call_each_other_in_a_circle(room: str) -> None:
    files: dict[str, set[str]] = {}
    for caller, called in calls().items():
        here = sql_file_of(caller)
        if room_of(here) == room:
            there = {path_of(sql_file_of(name)) for name in called if room_of(sql_file_of(name)) == room}
            files.setdefault(path_of(here), set()).update(there - {path_of(here)})

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join((*above[above.index(name) :], name))
        for called in sorted(files.get(name, ())):
            visit(called, (*above, name))

    for name in files:
        visit(name, ())
