"""`config`, and what every command does with a setting it cannot use."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.commands import run

URL = "postgresql://someone:verysecret@127.0.0.1:5999/any"


def test_json_tells_every_value_its_origin_and_its_variable(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("storage:\n  retention:\n    temp: 2h\n")

    shown = run(
        "config", "--json", "--config", file, "--data-dir", "/some/where", DATABASE_URL=URL, STORAGE_QUOTA_TEMP="3GiB"
    )
    told = json.loads(shown.stdout)

    assert shown.returncode == 0
    assert told["data_dir"] == {
        "value": "/some/where",
        "origin": "command line",
        "variable": "MEDIA_ANALYSIS_DATA_DIR",
    }
    assert told["storage.quotas.temp"]["value"] == "3.0 GiB"
    assert told["storage.quotas.temp"]["origin"] == "environment STORAGE_QUOTA_TEMP"
    assert told["storage.retention.temp"]["value"] == "2h"
    assert str(file) in told["storage.retention.temp"]["origin"]
    assert told["server.port"] == {"value": "8000", "origin": "default", "variable": "SERVER_PORT"}


def test_the_table_is_complete_whatever_the_values(tmp_path: Path) -> None:
    long = tmp_path / "[bold]" / ("x" * 150)

    shown = run("config", "--data-dir", long, DATABASE_URL=URL)

    rows = [re.split(r"  +", line.strip()) for line in shown.stdout.splitlines()]
    assert ["data_dir", str(long), "command line", "MEDIA_ANALYSIS_DATA_DIR"] in rows
    assert ["storage.cleanup.schedules.contact_sheets", "none", "default"] in [row[:3] for row in rows]
    assert "…" not in shown.stdout


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_are_masked(form: tuple[str, ...]) -> None:
    shown = run("config", *form, DATABASE_URL=URL)

    assert "verysecret" not in shown.stdout + shown.stderr
    assert "postgresql://someone:***@127.0.0.1:5999/any" in shown.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("serve",),
        ("migrate",),
        ("sweep",),
        ("config",),
        ("session", "create", "--owner", "alice"),
    ],
    ids=" ".join,
)
def test_a_bad_setting_stops_every_command_with_what_where_and_what_is_allowed(command: tuple[str, ...]) -> None:
    refused = run(*command, STORAGE_RETENTION_TEMP="[/soon]", STORAGE_QUOTA_TMP="1")

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "STORAGE_RETENTION_TEMP (environment) is '[/soon]'" in refused.stderr
    assert "allowed: whole seconds, or a number with d, h, m or s" in refused.stderr
    assert "STORAGE_QUOTA_TMP (environment): unknown variable" in refused.stderr
    assert "STORAGE_QUOTA_TEMP" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_secret_in_a_bad_url_is_not_repeated() -> None:
    refused = run("config", DATABASE_URL="mysql://someone:verysecret@127.0.0.1/any")

    assert refused.returncode == 1
    assert "DATABASE_URL (environment)" in refused.stderr
    assert "verysecret" not in refused.stderr
