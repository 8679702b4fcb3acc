"""The shipped alert rules ask for metrics that exist."""

import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import Client

RULES = Path(__file__).parents[2] / "docs" / "prometheus-alerts.yaml"
_FUNCTIONS = {"increase", "max", "sum", "by", "or", "and"}


def rules() -> list[dict[str, str]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, str]] = group["rules"]
    return found


def metrics_of(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)", "", expression)
    return set(re.findall(r"[a-z_]{3,}", bare)) - _FUNCTIONS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
async def test_every_rule_asks_for_a_metric_that_is_exported(client: Client, rule: dict[str, str]) -> None:
    exported = (await client.request("GET", "/metrics", by=None)).text

    declared = set(re.findall(r"^# TYPE (\S+) ", exported, re.MULTILINE))
    asked = metrics_of(rule["expr"])
    assert asked
    assert asked <= declared


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_says_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "action"}
