"""Which way imports go between the orchestrator and the shim."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIM = sorted((ROOT / "worker_shim").glob("*.py"))
ORCHESTRATOR = sorted((ROOT / "orchestrator").rglob("*.py"))

GROUND_FLOOR = {"conninfo", "errors", "failures", "names", "redact", "sqlstates"}
"""What the shim may use inside another program; its own commands may set up a log and hide a password besides."""
COMMANDS = {"cli", "host"}
FOR_COMMANDS = GROUND_FLOOR | {"logs", "process_list"}


def _imported(path: Path) -> set[str]:
    """`package.module` of what a file imports, as far as it names that much."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {".".join(name.split(".")[:2]) for name in names}


@pytest.mark.parametrize("path", SHIM, ids=lambda path: path.stem)
def test_the_shim_stands_on_the_ground_floor(path: Path) -> None:
    used = {name.removeprefix("orchestrator.") for name in _imported(path) if name.startswith("orchestrator")}
    assert used <= (FOR_COMMANDS if path.stem in COMMANDS else GROUND_FLOOR)


def test_the_ground_floor_stands_on_nothing() -> None:
    files = {name: ROOT / "orchestrator" / f"{name}.py" for name in FOR_COMMANDS - {"logs"}}
    logs = (ROOT / "orchestrator" / "logs").glob("*.py")
    for path in (*files.values(), *logs):
        used = {name.removeprefix("orchestrator.") for name in _imported(path) if name.startswith("orchestrator")}
        assert used <= GROUND_FLOOR | ({"logs"} if path.parent.name == "logs" else set())


def test_nothing_in_the_orchestrator_imports_the_shim() -> None:
    assert [path for path in ORCHESTRATOR if any(name.startswith("worker_shim") for name in _imported(path))] == []
