"""The page of the benchmark."""

import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

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


def test_the_same_figures_make_the_same_files(tmp_path: Path) -> None:
    run = {
        "measured_at": "2026-01-01T00:00:00+00:00",
        "minutes": 1.25,
        "machine": {"cpu": "one", "cpus": 2, "memory_gib": 8, "system": "Linux", "python": "3.12"},
        "server": {"server": "PostgreSQL 18", "settings": {"fsync": "on"}, "fsync": "on", "synchronous_commit": "on"},
        "packages": {"psycopg": "3"},
        "load_average": {"end": 0.5},
    }
    written = []
    for docs in (tmp_path / "one", tmp_path / "two"):
        plot = Figure(figsize=(3, 2))
        plot.subplots().plot([1, 2], [3, 4], label="ours")
        report.write([], run, {"decisions-time": plot}, docs)
        assert json.loads((docs / "benchmarks" / "figures.json").read_text())["minutes"] == 1.25
        written.append({path.name: path.read_text() for path in docs.rglob("*") if path.is_file()})
    assert written[0] == written[1]
    assert set(written[0]) == {"benchmarks.md", "decisions-time.svg", "figures.json"}
