"""orchestrator metrics: for people, for programs and for Prometheus."""

from prometheus_client.parser import text_string_to_metric_families

from tests.cli.conftest import Cli, Fleet


def test_metrics_are_a_table_json_and_text(cli: Cli, fleet: Fleet) -> None:
    """R6.4"""
    fleet.add_streams(3)
    table = cli("metrics").stdout.splitlines()
    assert table[0].split() == ["name", "labels", "value", "mean", "median", "p95"]
    lines = {tuple(line.split()[:2]): line.split()[2:] for line in table[1:]}
    assert lines["orchestrator_streams", "state=assigned"] == ["3"]
    assert lines["orchestrator_beats_total", "instance_id=one"] == ["1"]
    count, mean, unit, *quantiles = lines["orchestrator_job_duration_seconds", "job_name=settle"]
    assert (count, unit) == ("1", "ms")
    assert float(mean) > 0
    assert quantiles[0] == quantiles[3] == "≤"

    rows = cli("metrics", "--json").json
    [streams] = [row for row in rows if row["labels"] == {"state": "assigned"}]
    assert (streams["name"], streams["kind"], streams["value"]) == ("orchestrator_streams", "gauge", 3)
    [moves] = [row for row in rows if row["name"] == "orchestrator_decision_duration_seconds"]
    assert moves["count"] == sum(moves["counts"]) == 3

    families = {family.name: family for family in text_string_to_metric_families(cli("metrics", "--prometheus").stdout)}
    assert families.keys() == {row["name"].removesuffix("_total") for row in rows}
    assert {s.labels["state"]: s.value for s in families["orchestrator_streams"].samples}["assigned"] == 3
