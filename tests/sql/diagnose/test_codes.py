"""The codes of diagnose(): in the SQL, in the headers above it, in docs/operating/diagnosis.md, and each in a test."""

import re
from pathlib import Path

from tests.rooms import fleet_files

ROOT = Path(__file__).parents[3]
PARTS = [path for path in fleet_files() if "findings" in path.stem]
# What the command says of the program, and the database cannot know.
OF_THE_COMMAND = {"migrations_pending"}


def _said(path: Path) -> set[str]:
    severity = r"(?:select\s+'(?:critical|warning|info)'|'(?:critical|warning|info)' end|[eh]\.severity)"
    return set(re.findall(severity + r",\s*'([a-z_]+)'", path.read_text()))


def _codes() -> set[str]:
    return set().union(*(_said(path) for path in PARTS))


def test_each_header_lists_the_codes_below_it() -> None:
    assert len(PARTS) > 5
    for path in PARTS:
        header = path.read_text().partition("create or replace")[0]
        assert set(re.findall(r"^--   ([a-z_]+) ", header, re.MULTILINE)) == _said(path), path.name


def test_the_documentation_lists_every_code() -> None:
    text, _, _ = (ROOT / "docs" / "operating" / "diagnosis.md").read_text().partition("\n## Is all well?\n")
    listed = re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == _codes() | OF_THE_COMMAND


def test_every_code_is_seen_by_a_test() -> None:
    tests = "\n".join(
        path.read_text() for path in [*Path(__file__).parent.glob("test_*.py"), *ROOT.glob("tests/cli/*.py")]
    )
    assert {code for code in _codes() | OF_THE_COMMAND if f'"{code}"' not in tests} == set()
