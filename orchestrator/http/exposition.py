"""The metrics as Prometheus reads them."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def is_wanted(accept: str) -> bool:
    """Whether a client asks for text: Prometheus names it, programs that want JSON name that or nothing."""
    return any(kind in accept for kind in ("text/plain", "openmetrics-text")) and "application/json" not in accept


def text(metrics: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Each number as a gauge `orchestrator_<group>_<name>`; those of an instance with its id as a label."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    return generate_latest(registry)


class _Collector:
    def __init__(self, metrics: Mapping[str, Mapping[str, Any]]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for group, values in self._metrics.items():
            prefix = f"orchestrator_{group.removesuffix('_metrics')}"
            for name, value in values.items():
                if isinstance(value, int | float):
                    yield GaugeMetricFamily(f"{prefix}_{name}", f"{group}.{name} of the JSON answer", value=value)
                elif isinstance(value, list):
                    yield from _by_instance(prefix, value)


def _by_instance(prefix: str, rows: list[dict[str, Any]]) -> Iterator[Metric]:
    for name in [name for name in (rows[0] if rows else {}) if name != "instance_id"]:
        family = GaugeMetricFamily(f"{prefix}_each_{name}", f"{name} of each instance", labels=["instance_id"])
        for row in rows:
            if row[name] is not None:
                family.add_metric([row["instance_id"]], row[name])
        yield family
