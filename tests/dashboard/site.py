"""A fleet worth looking at, a server and a browser: what the tests of one module share."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from orchestrator.http.access import Limits
from orchestrator.http.dashboard.live import Pace
from orchestrator.http.server import Options
from tests.fleet import Fleet
from tests.http.processes import HttpServer

CHROMIUM = Path("/usr/bin/chromium")
PUBLIC_NAME = "radio.test"
"""A name of this host that a browser does not take for its own machine's."""
KEY = "planted-operators-key"
# So slow that only a notification can be what makes a change appear in time.
PATIENT = Pace(refresh=3600, pause=0.05, part=1)

_NAMES = (
    "Rádio Jornal", "Antena 1", "Rádio Bandeirantes", "Jovem Pan", "Rádio Globo", "Nova Brasil", "Rádio Itatiaia",
    "Alpha FM", "Rádio Gaúcha", "Mix FM", "Rádio Clube", "Transamérica",
)  # fmt: skip
_CITIES = ("Recife", "São Paulo", "Belo Horizonte", "Porto Alegre", "Curitiba", "Salvador", "Fortaleza", "Belém")
# Capacity, location, CPU and memory of each of the eight.
_INSTANCES = (
    (150, "sp", 61, 48), (150, "sp", 58, 51), (120, "mg", 47, 44), (200, "rs", 66, 93),
    (100, "pe", 39, 37), (150, "pr", 55, 46), (80, "ba", 31, 35), (120, "ce", 52, 41),
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, headless, without questions to its user."""
    if not CHROMIUM.exists():
        reason = f"there is no {CHROMIUM} (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=60_000)  # a busy machine may take long; only a test that fails waits to the end
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync",
                f"--host-resolver-rules=MAP {PUBLIC_NAME} 127.0.0.1",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


@dataclass
class Site:
    """One fleet with its server, and the pages that were opened on it."""

    fleet: Fleet
    dsn: str
    log: Path
    browser: Browser
    environment: dict[str, str] = field(default_factory=lambda: {"ORCHESTRATOR_API_KEYS": KEY})
    face: HttpServer = field(init=False)
    complaints: list[str] = field(default_factory=list)
    """What the console of a page said: refused by the Content-Security-Policy, uncaught, not found."""

    def __post_init__(self) -> None:
        self.serve()

    def serve(self, pace: Pace = PATIENT) -> None:
        """Start the server, on the port that it had before."""
        self.face = HttpServer(
            self.dsn,
            self.fleet.database.names.api,
            self.log,
            options=Options(pace=pace, limits=Limits(rate=0)),
            environment=self.environment,
            port=getattr(self, "face", None) and self.face.port,
        )

    @contextmanager
    def page(self, address: str = "/", **context: Any) -> Iterator[Page]:
        """A page of its own, loaded, and up to date unless it has no script."""
        options = {"viewport": {"width": 1360, "height": 900}, "reduced_motion": "reduce", **context}
        if self.environment.get("ORCHESTRATOR_API_KEYS"):
            options.setdefault("http_credentials", {"username": "anybody", "password": KEY})
        opened = self.browser.new_context(**options)
        opened.set_default_timeout(60_000)
        page = opened.new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        try:
            page.goto(self.face.url + address)
            if context.get("java_script_enabled", True):
                page.locator("#connection.live").wait_for()
            yield page
        finally:
            opened.close()

    def get(self, address: str, **headers: str) -> httpx.Response:
        """What the server answers to a client with a key that is no browser."""
        return httpx.get(self.face.url + address, headers={"X-API-Key": KEY, **headers})

    def watchers(self) -> int:
        """How many connections LISTEN for the readers."""
        return int(
            self.fleet.value(
                "select count(*) from pg_stat_activity "
                "where datname = current_database() and application_name = 'orchestrator:dashboard'"
            )
        )


def populate(fleet: Fleet) -> None:
    """850 streams, and eight instances of different loads that come for them; nothing is wrong."""
    fleet.query(
        "select count(*) from generate_series(1, 850) as n cross join lateral {a}.add_stream("
        "'http://stream.example.org/' || n || '/live.mp3', "
        "(%s::text[])[1 + n %% 12] || ' ' || (%s::text[])[1 + n %% 8]) as s",
        list(_NAMES),
        list(_CITIES),
    )
    for number, (capacity, location, _, _) in enumerate(_INSTANCES, start=1):
        fleet.register(f"fingerv7-{number:03}", capacity, version="7.4.1", location=location)
    fleet.settle()
    beat(fleet)


def beat(fleet: Fleet, *, but: str = "") -> None:
    """Each instance beats, makes progress and does as it is told."""
    for number, (_, _, cpu, memory) in enumerate(_INSTANCES, start=1):
        if (name := f"fingerv7-{number:03}") != but:
            processed = int(fleet.clock.now.timestamp()) % 1_000_000 + 811 * number
            fleet.workers[name].obey(cpu_usage=cpu, memory_usage=memory, processed_count=processed)


def trouble(fleet: Fleet) -> None:
    """A night: one is late, one is drained and hands over, one is short of memory. It takes 105 seconds."""
    _remember(fleet)
    fleet.query("delete from {p}.decision where rule = 'new stream'")
    fleet.query(
        "update {p}.job set next_run_at = {p}.now(), last_started_at = {p}.now(), last_outcome = 'nothing', "
        "last_duration = interval '0.0021 seconds' * length(job)"
    )
    beat(fleet)
    fleet.run("watch_instances")
    fleet.one("set_capacity", instance_id="fingerv7-003", max_streams=130)
    fleet.one("move_stream", stream_id=17, instance_id="fingerv7-005", reason="nearer to its transmitter")
    beat(fleet)
    fleet.settle()
    beat(fleet)
    fleet.run("evaluate_alerts")
    fleet.clock.advance("92 seconds")
    beat(fleet, but="fingerv7-006")
    fleet.run("watch_instances")
    fleet.one("drain_instance", instance_id="fingerv7-007", reason="kernel update")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    fleet.run("evaluate_alerts")
    fleet.query("update {p}.job set next_run_at = {p}.now(), last_started_at = {p}.now() - interval '1 second'")
    fleet.clock.advance("4 seconds")


def _remember(fleet: Fleet) -> None:
    """Six hours of samples, as they would have been: an instance was lost and came back."""
    rows = []
    for ago in range(720, 0, -1):
        is_lost, failed_over = 440 < ago < 520, 515 < ago < 520
        imbalance = 0.04 + 0.02 * math.sin(ago / 40) + (0.11 if is_lost else 0)
        rows.append((
            ago * 30, 812 if failed_over else 850, 38 if failed_over else 0, 14 if ago in (438, 610, 300) else 0,
            870 if is_lost else 1070, imbalance + (0.17 * (1 - (ago - 300) / 60) if 300 < ago < 360 else 0),
            7 if is_lost else 8, 1 if is_lost else 0,
        ))  # fmt: skip
    for row in rows:
        fleet.query(
            "insert into {p}.fleet_sample select {p}.now() - make_interval(secs => %s), %s, %s, %s, %s, %s, %s, %s",
            *row,
        )
