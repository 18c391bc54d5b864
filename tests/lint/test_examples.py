"""What docstrings and the workers' guide name exists."""

import ast
import contextlib
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worker_shim import Context, Stop, Stream, Worker, run_workers

ROOT = Path(__file__).parents[2]
SHIM = sorted((ROOT / "worker_shim").glob("*.py"))
GUIDE = (ROOT / "docs" / "start" / "workers.md").read_text()
NAME = re.compile(r"`([a-z_]\w*(?:\.\w+)*)(?:\(.*\))?`", re.IGNORECASE)


def _docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def _identifiers(paths: list[Path]) -> set[str]:
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    names = [getattr(node, field, None) for node in nodes for field in ("id", "attr", "arg", "name", "module")]
    return {path.stem for path in paths} | {word for name in names if isinstance(name, str) for word in name.split(".")}


def _examples(text: str) -> Iterator[ast.Module]:
    """The indented parts of a docstring that are Python."""
    for part in re.findall(r"(?:^ {4}.*\n|^\n)+", text + "\n", re.MULTILINE):
        with contextlib.suppress(SyntaxError):
            if (example := ast.parse(textwrap.dedent(part))).body:
                yield example


def _names(examples: list[ast.Module]) -> set[str]:
    """The names that examples use and do not take as arguments."""
    nodes = [node for example in examples for node in ast.walk(example)]
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return {node.id for node in nodes if isinstance(node, ast.Name)} - arguments


def _module(path: Path) -> ModuleType:
    return importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def _missing(example: ast.Module, known: dict[str, Any]) -> list[str]:
    """What an example asks of names it knows, modules and annotated arguments, that these do not have."""
    known = dict(known)
    for node in ast.walk(example):
        if isinstance(node, ast.arg) and node.annotation is not None:
            annotated = _resolve(node.annotation, known)
            if inspect.isclass(annotated):
                known[node.arg] = annotated
    attributes = [node for node in ast.walk(example) if isinstance(node, ast.Attribute)]
    owners = [(node, _resolve(node.value, known)) for node in attributes]
    return [ast.unparse(node) for node, owner in owners if owner is not None and not _has(owner, node.attr)]


def _resolve(node: ast.expr, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_resolve(node.value, known), node.attr, None)
    return None


def _has(owner: Any, name: str) -> bool:
    if isinstance(owner, ModuleType) or hasattr(owner, name):
        return hasattr(owner, name)
    return name in getattr(owner, "__annotations__", {}) or f"self.{name} = " in inspect.getsource(owner)


def test_a_name_in_a_docstring_of_the_shim_stands_in_its_code() -> None:
    known = _identifiers(SHIM)
    named = {
        (path.name, name)
        for path in SHIM
        for text in _docstrings(path)
        for name in NAME.findall(text)
        if not name.isupper()
    }
    assert len(named) > 20
    assert {(file, name) for file, name in named if not set(name.split(".")) <= known} == set()


MODULES = [path for folder in ("orchestrator", "worker_shim") for path in sorted((ROOT / folder).rglob("[!_]*.py"))]
WITH_EXAMPLES = [path for path in MODULES if any(list(_examples(text)) for text in _docstrings(path))]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_in_a_docstring_asks_for_what_is_there(path: Path) -> None:
    examples = [example for text in _docstrings(path) for example in _examples(text)]
    beside = {other.stem for other in path.parent.glob("[!_]*.py")} & _names(examples)
    known = {stem: _module(path.with_name(f"{stem}.py")) for stem in beside} | vars(_module(path))
    assert [name for example in examples for name in _missing(example, known)] == []


def test_the_guide_for_workers_asks_for_what_is_there() -> None:
    known = {"stream": Stream, "stop": Stop, "context": Context, "worker": Worker}
    examples = [ast.parse(part) for part in re.findall(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)]
    assert len(examples) >= 3
    assert [name for example in examples for name in _missing(example, known | {"run_workers": run_workers})] == []
    inline = [f"{owner}.{name}" for owner, name in re.findall(r"`(stream|stop|context|worker)\.(\w+)", GUIDE)]
    assert [name for text in inline for name in _missing(ast.parse(text), known)] == []


def test_the_options_in_the_guide_are_the_parameters_of_a_worker() -> None:
    _, table = GUIDE.split("## Options", 1)
    rows = re.findall(r"^\| (`.*?) \|", table.split("\n## ", 1)[0], re.MULTILINE)
    options = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    parameters = inspect.signature(Worker).parameters.keys() - {"handler", "on_start", "on_stop"}
    assert options | {"drain_timeout", "suspend_for"} == parameters
