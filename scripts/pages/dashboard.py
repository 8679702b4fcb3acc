"""The dashboard for Grafana, a panel for each metric there is."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from media_analysis.telemetry.metrics import Metrics

DATASOURCE: Final = "prometheus"
"""The `uid` of the source in examples/monitoring/grafana."""
ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "Storage": ("storage_", "quota_", "files_damaged"),
    "Deletion": (
        "deletion",
        "breaker_",
        "purge_",
        "pressure_",
        "sweep",
        "files_",
        "bytes_freed",
        "results_",
        "jobs_cl",
    ),
    "Jobs": ("jobs_", "media_analysis_worker_"),
    "Archives": ("archive",),
    "Replicas": ("replica_",),
    "Schedule and records": ("duty_", "record"),
    "Requests and database": ("http_", "tokens_", "database_"),
}
"""What each row shows, by how the names of its metrics begin; the first row that fits has a metric."""
OF_A_PROCESS: Final = frozenset({"jobs_running", "database_pool_connections"})
"""Gauges that are added up over processes; all others are told alike by each, from the database."""
UNITS: Final = {"_bytes": "bytes", "_seconds": "s", "_ratio": "percentunit", "bytes_freed": "bytes"}
PANELS_A_LINE: Final = 3
WIDTH: Final = 24 // PANELS_A_LINE
HEIGHT: Final = 7
_HERE: Final = "without (instance, job)"


def page() -> str:
    """Return the dashboard as Grafana reads it from a file."""
    dashboard = {
        "uid": "media-analysis",
        "title": "media-analysis",
        "tags": ["media-analysis"],
        "editable": False,
        "refresh": "30s",
        "schemaVersion": 39,
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "utc",
        "panels": [panel | {"id": number} for number, panel in enumerate(_panels(list(families())), start=1)],
    }
    return json.dumps(dashboard, indent=1) + "\n"


def families() -> Iterator[Metric]:
    """Yield every metric that `/metrics` declares."""
    for family in text_string_to_metric_families(Metrics().render().decode()):
        if not family.name.endswith("_created"):
            yield family


def row_of(name: str) -> str:
    """Return the row that shows a metric.

    Raises:
        LookupError: none does; ROWS has to name it.

    """
    for title, beginnings in ROWS.items():
        if name.startswith(beginnings):
            return title
    raise LookupError(f"no row of the dashboard shows {name}")


def _panels(shown: Sequence[Metric]) -> Iterator[dict[str, Any]]:
    top = 0
    for title in ROWS:
        yield {"type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}
        top += 1
        row = [family for family in shown if row_of(family.name) == title]
        for index, family in enumerate(row):
            line, column = divmod(index, PANELS_A_LINE)
            yield _panel(family) | {"gridPos": {"x": column * WIDTH, "y": top + line * HEIGHT, "w": WIDTH, "h": HEIGHT}}
        top += -(-len(row) // PANELS_A_LINE) * HEIGHT


def _panel(family: Metric) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": DATASOURCE}
    return {
        "type": "timeseries",
        "title": family.documentation,
        "description": family.name,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": _unit(family), "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": letter, "datasource": source, "expr": expression, "legendFormat": legend}
            for letter, (legend, expression) in zip("AB", _expressions(family), strict=False)
        ],
    }


def _expressions(family: Metric) -> Sequence[tuple[str, str]]:
    """Return what a panel asks, each with the legend of its lines."""
    name = family.name
    match family.type:
        case "counter":
            return [("__auto", f"sum {_HERE} (rate({name}_total[5m]))")]
        case "histogram":
            return [
                (legend, f"histogram_quantile({share}, sum by (le) (rate({name}_bucket[5m])))")
                for legend, share in (("median", 0.5), ("p99", 0.99))
            ]
        case _ if name.endswith("_timestamp_seconds"):
            return [("__auto", f"time() - max {_HERE} ({name})")]
        case _:
            return [("__auto", f"{'sum' if name in OF_A_PROCESS else 'max'} {_HERE} ({name})")]


def _unit(family: Metric) -> str:
    unit = next((unit for ending, unit in UNITS.items() if family.name.endswith(ending)), "short")
    if family.type == "counter":
        return "Bps" if unit == "bytes" else "cps"
    return unit
