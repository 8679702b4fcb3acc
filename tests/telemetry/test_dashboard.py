"""The shipped dashboard shows every metric there is and no other, from the source that is shipped with it."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import Client
from tests.telemetry.test_alert_rules import metrics_of

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "examples" / "monitoring"
_NOT_ASKED = {"histogram_quantile", "rate", "without", "time", "instance", "job"}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def asked_of(panel: dict[str, Any]) -> set[str]:
    asked = (metrics_of(target["expr"]) - _NOT_ASKED for target in panel["targets"])
    return {re.sub(r"_bucket$", "", name) for names in asked for name in names}


async def test_every_metric_is_shown_and_nothing_that_is_not_exported(client: Client) -> None:
    exported = (await client.request("GET", "/metrics", by=None)).text

    declared = {name for name in re.findall(r"^# TYPE (\S+) ", exported, re.MULTILINE) if not name.endswith("_created")}
    assert set.union(*map(asked_of, panels())) == declared


def test_no_two_panels_lie_on_one_another() -> None:
    covered = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(covered) == len(set(covered))
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_source_of_the_figures_is_the_one_that_is_shipped() -> None:
    (source,) = yaml.safe_load((MONITORING / "grafana/datasources/prometheus.yaml").read_text())["datasources"]

    asked = {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}
    assert asked == {source["uid"]}
