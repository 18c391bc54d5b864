"""The page of the benchmark."""

import json
import re
from pathlib import Path

import pytest

from bench import report

SECTIONS = sorted(each for each in Path(report.__file__).parent.glob("*.md.j2") if each.name != "page.md.j2")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_a_section_shows_its_pictures_where_they_are_written(section: Path) -> None:
    shown = re.findall(r"\]\(([^)]*\.svg)\)", section.read_text())
    part = section.name.removesuffix(".md.j2")
    assert all(path.startswith(f"benchmarks/{part}-") for path in shown), shown


def test_floats_keep_the_digits_that_mean_something() -> None:
    raw = {"ms": 1234.5678, "each": [0.00012345, 3], "is_right": True, "none": None}
    assert report.rounded(raw) == {"ms": 1235.0, "each": [0.0001234, 3], "is_right": True, "none": None}


RUN = {
    "measured_at": "2026-01-01T00:00:00+00:00",
    "minutes": 1.25,
    "machine": {"cpu": "one", "cpus": 2, "memory_gib": 8, "system": "Linux", "python": "3.12"},
    "server": {"server": "PostgreSQL 18", "settings": {"fsync": "on"}, "fsync": "on", "synchronous_commit": "on"},
    "packages": {"psycopg": "3"},
    "load_average": {"end": 0.512},
}


def test_the_same_figures_make_the_same_texts(tmp_path: Path) -> None:
    written = []
    for docs in (tmp_path / "one", tmp_path / "two"):
        report.write_texts([], RUN, docs)
        summary = json.loads((docs / "benchmarks" / "summary.json").read_text())
        assert (summary["load_average"], summary["goals"]) == ({"end": 0.5}, [])
        written.append({path.name: path.read_text() for path in docs.rglob("*") if path.is_file()})
    assert written[0] == written[1]
    assert set(written[0]) == {"benchmarks.md", "summary.json"}


def test_the_page_in_the_docs_begins_with_its_summary() -> None:
    text = (report.INTERNALS / "benchmarks" / "summary.json").read_text()
    summary = json.loads(text)
    assert summary["goals"]
    assert report.summary_text(summary) == text
    assert (report.INTERNALS / "benchmarks.md").read_text().startswith(report.page(summary, []))


def test_raw_figures_stay_out_of_the_docs() -> None:
    files = list((report.INTERNALS / "benchmarks").iterdir())
    assert {path.suffix for path in files} == {".json", ".svg"}
    assert len((report.INTERNALS / "benchmarks" / "summary.json").read_text().splitlines()) <= 300
    assert all(len(path.read_text().splitlines()) <= 1_000 for path in files), "rasterise what has thousands of points"
