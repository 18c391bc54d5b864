"""The rooms of `orchestrator/` stand on floors, and `worker_shim` stands on the ground floor alone."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]

GROUND_FLOOR = (
    "redact",
    "sqlstates",
    "errors",
    "names",
    "conninfo",
    "failures",
    "logs",
    "process_list",
    "progress",
    "units",
    "templates",
)
"""What every room, and the worker shim, may import. Each imports only those before it."""

ROOMS: dict[str, tuple[str, ...]] = {
    "database": (),
    "install": ("database",),
    "alerts": ("database",),
    "sources": ("database",),
    "http": ("database",),
    "driver": ("database", "install", "alerts", "sources"),
    "lab": ("database", "install"),
    "demo": ("database", "lab"),
    "cli": ("database", "install", "alerts", "sources", "http", "driver", "lab", "demo"),
}
"""Which rooms a room imports, beside the ground floor; only those before it."""


@cache
def modules() -> dict[str, Path]:
    """Every module of both packages, by its name."""
    found = {}
    for package in ("orchestrator", "worker_shim"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of both packages that one imports, wherever in its text."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module} imports by a relative name"
            # what is imported from a package is a module of it, or a name that the package itself has
            found |= {
                deeper if (deeper := f"{node.module}.{name.name}") in modules() else node.module for name in node.names
            }
    return frozenset(found & modules().keys() - {module})


def room_of(module: str) -> str:
    """The room, or the module of the ground floor, that a module of orchestrator is (in)."""
    return module.split(".")[1] if "." in module else ""


def edges() -> dict[tuple[str, str], set[str]]:
    """(importing room, imported room) → the imports between them."""
    found: dict[tuple[str, str], set[str]] = {}
    for module in modules():
        if module.startswith("orchestrator."):
            for imported in imports(module):
                if imported.startswith("orchestrator.") and room_of(imported) != room_of(module):
                    edge = room_of(module), room_of(imported)
                    found.setdefault(edge, set()).add(f"{module} imports {imported}")
    return found


def test_every_module_is_in_a_room_or_on_the_ground_floor() -> None:
    assert {room_of(module) for module in modules() if module.startswith("orchestrator.")} == {*GROUND_FLOOR, *ROOMS}


def test_a_room_imports_the_ground_floor_and_the_rooms_that_are_named_and_no_others() -> None:
    assert len(edges()) > 40
    others = {
        edge: sorted(why)
        for edge, why in edges().items()
        if edge[0] in ROOMS and edge[1] not in (*GROUND_FLOOR, *ROOMS[edge[0]])
    }
    assert others == {}
    unused = {(room, named) for room, allowed in ROOMS.items() for named in allowed} - edges().keys()
    assert unused == set(), "named, and not imported"


def test_the_floors_are_in_order_from_the_ground_up() -> None:
    order = [*GROUND_FLOOR, *ROOMS]
    upwards = {edge: sorted(why) for edge, why in edges().items() if order.index(edge[1]) > order.index(edge[0])}
    assert upwards == {}
    assert all(order.index(below) < order.index(room) for room, allowed in ROOMS.items() for below in allowed)


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: imports(module) for module in modules()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)  # a circle raises, and is named


def test_nothing_in_orchestrator_imports_the_worker_shim() -> None:
    assert {
        (module, imported)
        for module in modules()
        for imported in imports(module)
        if module.startswith("orchestrator") and imported.startswith("worker_shim")
    } == set()


def test_the_worker_shim_imports_only_the_ground_floor() -> None:
    imported = {
        (module, room_of(name))
        for module in modules()
        for name in imports(module)
        if module.startswith("worker_shim") and name.startswith("orchestrator.")
    }
    assert imported
    assert {(module, room) for module, room in imported if room not in GROUND_FLOOR} == set()


def test_only_the_commands_of_the_worker_shim_set_up_a_log_or_hide_a_password() -> None:
    """Inside another program the log and the command line are that program's."""
    importing = {
        module
        for module in modules()
        if module.startswith("worker_shim") and {room_of(name) for name in imports(module)} & {"logs", "process_list"}
    }
    assert importing == {"worker_shim.cli", "worker_shim.host"}
