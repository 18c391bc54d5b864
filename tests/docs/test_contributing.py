"""The walk of CONTRIBUTING is followed to the letter, in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.conftest import ROOT

# An instruction, then the block that it is about; or a block of commands.
_STEP = re.compile(
    r"^(?P<instruction>(?:New file|In|At the end of) `[^\n]*):\n\n```\w*\n(?P<text>.*?)^```$"
    r"|^```sh\n(?P<commands>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def _copy(to: Path) -> Path:
    """The tree as git has it and as it is changed now, with the environment of this one."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    environment = to / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        (environment / entry.name).symlink_to(entry)
    (environment / "dev.stamp").unlink(missing_ok=True)
    (environment / "dev.stamp").touch()
    return to


def _steps(number: str) -> Iterator[re.Match[str]]:
    text = (ROOT / "CONTRIBUTING.md").read_text().replace("NNNN_", f"{number}_")
    walk = text.partition("## One change, from migration to test\n")[2].partition("\n## ")[0]
    blocks = walk.count("\n```") // 2
    found = list(_STEP.finditer(walk))
    assert len(found) == blocks, "a block of the walk is preceded by no instruction"
    yield from found


def _write(tree: Path, instruction: str, text: str) -> None:
    """Do what an instruction says: a new file, an end of a file, below a line, or in place of a line."""
    path, *lines = re.findall(r"`([^`]+)`", instruction)
    file = tree / path
    match re.sub(r"`[^`]+`", "…", instruction):
        case "New file …":
            assert not file.exists()
            file.write_text(text)
        case "At the end of …":
            file.write_text(file.read_text() + text)
        case "In …, below …" | "In …, in place of …" as how:
            [line] = lines
            before = file.read_text()
            assert before.count(f"{line}\n") == 1, f"{path} has no such line: {line}"
            kept = f"{line}\n" if "below" in how else ""
            file.write_text(before.replace(f"{line}\n", kept + text))
        case other:
            raise AssertionError(f"the walk says what this test does not understand: {other}")


def _run(tree: Path, command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MAKE"))}
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_walk_of_contributing_works_to_the_letter(tmp_path: Path) -> None:
    tree = _copy(tmp_path / "tree")
    number = f"{int(_run(tree, 'ls migrations | tail -1')[:4]) + 1:04}"
    said = ""
    for step in _steps(number):
        if step["commands"]:
            said = _run(tree, step["commands"])
        else:
            _write(tree, step["instruction"], step["text"])
    assert re.search(r"\d+ passed", said) and "failed" not in said
    reference = (tree / "docs" / "reference" / "functions" / "instances.md").read_text()
    assert "## set_instance_note\n" in reference
