"""What Prometheus scrapes: both formats say what `metrics()` says, and what the server measures of itself (R6.4)."""

import shutil
import subprocess
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client import parser as plain
from prometheus_client.openmetrics import parser as openmetrics

from tests.fleet import Fleet
from tests.http.clients import MainClient
from tests.http.conftest import Serve
from tests.http.processes import HttpServer

# What a Prometheus of our days asks for.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
FORMATS = {
    "text/plain": ("text/plain; version=0.0.4", plain.text_string_to_metric_families),
    PROMETHEUS: ("application/openmetrics-text; version=1.0.0", openmetrics.text_string_to_metric_families),
}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _samples(families: Iterable[Metric]) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def _expected(rows: list[dict[str, Any]]) -> Samples:
    """What the rows of `metrics()` are as samples."""
    samples: Samples = {}
    for row in rows:
        name, labels = row["name"], row["labels"]
        if row["kind"] != "histogram":
            samples[name, tuple(sorted(labels.items()))] = row["value"]
            continue
        bounds = [str(bound) for bound in row["bounds"]] + ["+Inf"]
        for bound, count in zip(bounds, accumulate(row["counts"]), strict=True):
            samples[f"{name}_bucket", tuple(sorted({**labels, "le": bound}.items()))] = count
        samples[f"{name}_sum", tuple(sorted(labels.items()))] = row["sum"]
        samples[f"{name}_count", tuple(sorted(labels.items()))] = row["count"]
    return samples


def _eventful(face: HttpServer, fleet: Fleet) -> None:
    awkward = 'a "quoted" \\ back\nslash'
    client = MainClient(face, "http-1")
    client.register(version=awkward)
    fleet.add_streams(3)
    fleet.settle()
    client.beat_until_in_step()
    client.beat(round_trip=0.25)
    fleet.clock.advance("10 seconds")
    fleet.run_due_jobs()


@pytest.mark.parametrize("accept", FORMATS, ids=["text", "OpenMetrics"])
def test_the_text_says_what_the_rows_say(face: HttpServer, fleet: Fleet, accept: str) -> None:
    _eventful(face, fleet)
    answer = face.http.get("/metrics", headers={"Accept": accept})
    media_type, parse = FORMATS[accept]
    assert answer.headers["content-type"].startswith(media_type)
    families = list(parse(answer.text))
    assert all(family.documentation for family in families)
    told = _samples(families)
    own = {key for key in told if key[0].startswith(("orchestrator_http_", "process_"))}
    created = {key for key in told if key[0].endswith("_created")}
    expected = _expected(fleet.admin("metrics"))
    assert {key: told[key] for key in told.keys() - own - created} == pytest.approx(expected)
    assert ("orchestrator_beat_round_trip_seconds_bucket", (("le", "0.25"),)) in told
    assert told["orchestrator_beat_round_trip_seconds_sum", ()] == 0.25
    assert any(("version", 'a "quoted" \\ back\nslash') in labels for _, labels in told)
    # the database says the same as JSON, for those who ask for that or for nothing
    series = face.get("/metrics")["rebalancing_metrics"]["series"]["orchestrator_moves_total"]
    assert {row["labels"]["rule"]: row["value"] for row in series} == {
        dict(labels)["rule"]: value for (name, labels), value in told.items() if name == "orchestrator_moves_total"
    }
    if shutil.which("promtool"):
        text = face.http.get("/metrics", headers={"Accept": "text/plain"}).text
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_server_measures_its_requests_by_route_and_never_by_address(serve: Serve, fleet: Fleet) -> None:
    face = serve(environment={"ORCHESTRATOR_API_KEYS": "key-of-a-test"})
    keyed = {"X-API-Key": "key-of-a-test"}
    for number in range(3):
        assert face.http.get(f"/instances/unknown-{number}", headers=keyed).status_code == 404
    assert face.http.get("/wp-login.php", headers=keyed).status_code == 404
    assert face.http.get("/status").status_code == 401
    assert face.http.request("FOO", "/status", headers=keyed).status_code in (400, 405)
    assert face.http.get("/status", headers=keyed).status_code == 200
    text = face.http.get("/metrics", headers={**keyed, "Accept": "text/plain"}).text
    told = _samples(plain.text_string_to_metric_families(text))
    requests = {
        (dict(labels)["route"], dict(labels)["status"]): value
        for (name, labels), value in told.items()
        if name == "orchestrator_http_requests_total"
    }
    assert requests["/instances/{server_id}", "404"] == 3
    assert requests["none", "404"] == 1
    assert requests["none", "401"] == 1
    assert requests["/status", "200"] == 1
    assert requests["/livez", "200"] >= 1
    assert "unknown-" not in text and "wp-login" not in text
    assert told["orchestrator_http_request_duration_seconds_count", (("route", "/instances/{server_id}"),)] == 3
    assert told["process_open_fds", ()] > 0
