"""What is to be read in one sitting stays that small."""

import ast
from pathlib import Path

import pytest

import worker_shim

MOST_LINES = 350
MOST_METHODS = 20

FILES = sorted(Path(worker_shim.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_the_shim_is_read_in_one_sitting(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    methods = {
        each.name: sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in each.body)
        for each in classes
    }
    assert {name: count for name, count in methods.items() if count > MOST_METHODS} == {}
