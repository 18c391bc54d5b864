"""Every link of every page leads somewhere, and every page of the docs is found from their index."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


PAGES = sorted(path for path in ROOT.rglob("*.md") if not any(part[0] == "." for part in path.relative_to(ROOT).parts))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
MADE = {"bench/results", "bench/results/"}
"""What a program makes and git does not keep."""
_PATH = re.compile(
    r"(?<![\w/.-])((?:docs|sql|orchestrator|worker_shim|tests|bench|deploy|migrations)/[\w./-]*\w/?)(?![\w/{<*…-])"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _prose(path: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them, and those that it sets itself."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*)$", _prose(path), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        number = 0
        while (unique := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(unique)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', path.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    broken = []
    for target in _LINK.findall(_prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CONTRIBUTING.md"], ids=_name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    """But for the walk of CONTRIBUTING, which makes the files that it names."""
    named = set(_PATH.findall(_prose(page))) - MADE
    assert [path for path in named if not (ROOT / path).exists() and not (page.parent / path).exists()] == []


def test_every_page_of_the_docs_can_be_reached_from_their_index() -> None:
    reached, todo = set(), [ROOT / "docs" / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = (target.partition("#")[0] for target in _LINK.findall(_prose(page)) if "://" not in target)
        for path in {(page.parent / target).resolve() for target in targets if target}:
            todo += path.glob("*.md") if path.is_dir() else [path] if path.suffix == ".md" else []
    assert set((ROOT / "docs").rglob("*.md")) <= reached
