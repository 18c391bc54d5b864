"""The files for Prometheus and Grafana: they load, name nothing that is not measured, and the alerts fire in time."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with sqlfluff, its types do not
from prometheus_client import CollectorRegistry

from orchestrator.http.prometheus import Measured
from tests.cli.golden import help_texts
from tests.support import Database

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"] for rule in group["rules"]
]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES: dict[str, dict[str, Any]] = {each["name"]: each for each in DASHBOARD["templating"]["list"]}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (prometheus)")


def _expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression, with where it stands; the dashboard's variables replaced as Grafana does."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            filled = target["expr"].replace("$__rate_interval", "5m").replace("$job", "orchestrator")
            yield f"{panel['title']} {target['refId']}", filled.replace("$instance_id", ".*")
    for variable in VARIABLES.values():
        if variable["type"] == "query":
            [asked] = re.findall(r"label_values\((.*), \w+\)", variable["definition"])
            yield variable["name"], asked.replace("$job", "orchestrator")


def _promtool(*arguments: object, input: str | None = None) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], input=input, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def labels_of_the_server() -> dict[str, set[str]]:
    """What a server measures of itself, with its labels: from one request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def nothing(*_: Any) -> None: ...

    registry = CollectorRegistry()
    asyncio.run(Measured(app, registry=registry)({"type": "http"}, nothing, nothing))  # type: ignore[arg-type]
    return {
        sample.name: set(sample.labels)
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("orchestrator_http")
    }


# -- names -------------------------------------------------------------------------------------------------------------


def test_every_metric_and_label_that_is_asked_for_is_measured(
    database: Database, labels_of_the_server: dict[str, set[str]]
) -> None:
    rows = database.connect().execute(f"select metric, kind, labels from {database.names.private}.metric").fetchall()
    known = {row["metric"]: set(row["labels"]) for row in rows} | labels_of_the_server
    histograms = [row["metric"] for row in rows if row["kind"] == "histogram"]
    for name in histograms:
        labels = known.pop(name)
        known |= {f"{name}_sum": labels, f"{name}_count": labels, f"{name}_bucket": labels | {"le"}}
    asked = set()
    for where, expression in _expressions():
        for name, selector in re.findall(r"(orchestrator_\w+)(?:\{([^}]*)\})?", re.sub(r'"[^"]*"', '""', expression)):
            assert name in known, f"{where}: {name}"
            labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector))
            assert labels <= known[name] | {"job", "instance"}, f"{where}: {name} {labels}"
            asked.add(name)
        for listed in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
            anything = set().union(*known.values()) | {"job", "instance"}
            assert set(listed.split(", ")) <= anything, f"{where}: {listed}"
    # how long things take is looked at, all of it
    assert {f"{name}_bucket" for name in histograms} <= asked


def test_alerts_say_what_to_type_and_those_commands_exist() -> None:
    commands = {name.removesuffix(".txt").replace("-", " ") for name in help_texts()}
    for rule in RULES:
        texts = rule["annotations"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(texts) == {"summary", "description"}
        assert re.search(r"Type( there)?: \S+", texts["summary"]), rule["alert"]
        for said in re.findall(r"orchestrator ([a-z]+(?: [a-z-]+)*)", texts["summary"].partition("Type: ")[2]):
            words = ["orchestrator", *said.replace("-", " ").split()]
            assert any(" ".join(words[:length]) in commands for length in (4, 3, 2)), (rule["alert"], said)


# -- Prometheus --------------------------------------------------------------------------------------------------------


@needs_promtool
def test_prometheus_takes_the_configuration_and_the_rules(tmp_path: Path) -> None:
    key = tmp_path / "orchestrator.key"
    key.write_text("not-a-key")
    for path in PROMETHEUS.glob("*.yml"):
        text = path.read_text().replace("/etc/prometheus/orchestrator.key", str(key))
        (tmp_path / path.name).write_text(text)
    answer = _promtool("check", "config", tmp_path / "prometheus.yml")
    assert f"SUCCESS: {len(RULES)} rules found" in answer


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in _promtool("test", "rules", Path(__file__).with_name("rules.test.yml"))


@needs_promtool
def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    rules = [{"record": f"a:{number}", "expr": expression} for number, (_, expression) in enumerate(_expressions())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}).replace("a:", "a:q"))
    _promtool("check", "rules", "--lint=none", path)


# -- Grafana -----------------------------------------------------------------------------------------------------------


def test_the_dashboard_has_what_grafana_needs_to_show_it() -> None:
    assert DASHBOARD["title"] and re.fullmatch(r"[A-Za-z0-9_-]{1,40}", DASHBOARD["uid"])
    assert "id" not in DASHBOARD, "another installation's"
    assert DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert VARIABLES["datasource"] | {"type": "datasource", "query": "prometheus"} == VARIABLES["datasource"]
    ours = {"type": "prometheus", "uid": "${datasource}"}
    for variable in (each for each in VARIABLES.values() if each["type"] == "query"):
        assert variable["datasource"] == ours
        assert variable["query"]["query"] == variable["definition"]
    for panel in PANELS:
        assert panel["title"] and panel["type"] in ("stat", "timeseries", "heatmap", "table")
        assert panel["fieldConfig"].keys() == {"defaults", "overrides"} and panel["options"]
        assert panel["datasource"] == ours
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(references) == len(set(references))
        assert all(target["datasource"] == ours and target["expr"] for target in panel["targets"])
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"] + DASHBOARD["templating"]["list"])))
    assert used - {"__rate_interval", "__all"} == VARIABLES.keys()


def test_no_panel_lies_over_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["x"] + at["w"] <= 24
        for place in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert place not in taken, (panel["title"], taken[place])
            taken[place] = panel["title"]
