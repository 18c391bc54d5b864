"""The pictures in the documents, made when they are asked for: `make docs-images`."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.install.migrate import migrate
from tests.dashboard.site import Site, trouble

IMAGES = Path(__file__).parents[2] / "docs" / "operating" / "images"
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 1000}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 1000}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 1400}},
}


@pytest.mark.skipif("ORCHESTRATOR_DOCS_IMAGES" not in os.environ, reason="pictures are made by make docs-images")
def test_the_pictures_are_made(site: Site) -> None:
    fleet, names = site.fleet, site.fleet.database.names
    # a night up to now, then the real clock: diagnose() would find the other one
    fleet.clock.set(datetime.now(UTC) - timedelta(seconds=105))
    trouble(fleet)
    migrate(fleet.database.dsn, names.api, repair=True)
    fleet.query("drop table {p}.test_clock")
    IMAGES.mkdir(exist_ok=True)
    for name, context in VIEWS.items():
        fleet.query("update {p}.job set next_run_at = {p}.now(), last_started_at = {p}.now() - interval '1 second'")
        with site.page(**context) as page:
            page.screenshot(path=IMAGES / f"dashboard-{name}.png")
        assert (IMAGES / f"dashboard-{name}.png").stat().st_size < 200_000
