"""Every promise of docs/operating/security.md names the tests that prove it, and those tests exist."""

import ast
import re
from functools import cache
from pathlib import Path

from orchestrator.templates import SQL_ROOT

ROOT = SQL_ROOT.parent
PAGE = ROOT / "docs" / "operating" / "security.md"
# What an operator does, not what the orchestrator promises; and how the page begins and ends.
_NO_PROMISES = {"Security", "Hints for a harder installation", "When something was taken over", "The tests"}
_MARK = re.compile(r"\[\^([a-z-]+)\](?!:)")


def _sections() -> dict[str, str]:
    parts = re.split(r"^#{1,2} (.+)\n", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _promises() -> list[str]:
    """Rows of tables, points of lists and paragraphs, each as one line."""
    found = []
    for title, text in _sections().items():
        if title in _NO_PROMISES:
            continue
        for block in re.split(r"\n\n|\n(?=[|-])", text.strip()):
            is_lead = block in _heads(text) or block.startswith("| ---") or block.endswith(":")
            if not is_lead:
                found.append(" ".join(block.split()))
    return found


def _heads(text: str) -> set[str]:
    """The first lines of tables."""
    return set(re.findall(r"^(\|.+\|)\n\| ---", text, flags=re.MULTILINE))


def _proofs() -> dict[str, str]:
    return dict(re.findall(r"^\[\^([a-z-]+)\]: (.+)$", _sections()["The tests"], flags=re.MULTILINE))


@cache
def _tests_in(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_every_promise_names_its_tests() -> None:
    promises = _promises()
    assert len(promises) > 35
    assert [promise for promise in promises if not _MARK.search(promise)] == []


def test_every_mark_has_tests_and_every_test_that_is_named_exists() -> None:
    proofs = _proofs()
    assert set(_MARK.findall(PAGE.read_text())) == set(proofs)
    assert sorted(proofs) == list(proofs)
    for mark, proof in proofs.items():
        if mark == "none":
            continue
        for part in proof.split("; "):
            file, names = part.split(": ")
            path = ROOT / file.strip("`")
            named = {name.strip("`") for name in names.split(", ")}
            assert named - _tests_in(path) == set(), file
