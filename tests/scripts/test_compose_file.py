"""What compose.yaml and the Dockerfile say without an engine that runs them."""

import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import yaml

from media_analysis.settings.names import COMPOSE_VARIABLES, variables
from tests.processes import ROOT

TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
OURS = ("service", "worker", "migration")
MONITORING = {"grafana", "prometheus"}
GATEWAY = "s3"
PROVIDER = "AWS_"
"""What the variables begin with that say how a bucket is reached; they are its provider's and no settings."""
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def programs() -> list[list[str]]:
    """Return the commands that read a compose file here."""
    plugin = ["docker", "compose"]
    has_plugin = (
        shutil.which("docker")
        and subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0
    )
    alone = ["docker-compose"] if shutil.which("docker-compose") else []
    return [command for command in (plugin if has_plugin else [], alone) if command]


def test_every_compose_there_is_here_takes_it() -> None:
    if not programs():
        pytest.skip("docker compose is not installed")

    said = [
        subprocess.run(
            [*command, "--profile", "monitoring", "--profile", "s3", "config"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in programs()
    ]

    assert [done.stderr for done in said if done.returncode != 0] == []
    assert all(name in done.stdout for done in said for name in (*OURS, *MONITORING, GATEWAY))


@pytest.mark.parametrize("name", [*OURS, "db"])
def test_a_container_has_limits_and_no_more_rights_than_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "restart", "healthcheck", "logging"} <= service.keys()


def test_only_the_service_and_what_watches_it_can_be_reached_and_only_from_this_machine() -> None:
    ports = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}

    assert ports.keys() == {"service"} | MONITORING
    assert all(port.startswith("127.0.0.1:") for listed in ports.values() for port in listed)
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert [
        name for name in ("db", "migration", "worker") if COMPOSE["services"][name]["networks"] != ["database"]
    ] == []


def test_no_environment_has_the_password() -> None:
    environments = [service.get("environment", {}) for service in COMPOSE["services"].values()]

    assert [name for each in environments for name in each if name.endswith("PASSWORD")] == []
    assert [
        url for each in environments if (url := each.get("DATABASE_URL")) and ":" in url.split("@")[0].split("//")[1]
    ] == []


def test_what_watches_starts_only_when_asked_for() -> None:
    assert {
        name for name, service in COMPOSE["services"].items() if service.get("profiles") == ["monitoring"]
    } == MONITORING
    mounted = [
        volume.partition(":")[0]
        for name in MONITORING
        for volume in COMPOSE["services"][name]["volumes"]
        if volume.startswith("./")
    ]
    assert [path for path in mounted if not (ROOT / path).exists()] == []


def test_commands_take_no_variable_of_compose_for_a_misspelt_setting() -> None:
    assert all(f"${{{name}" in TEXT for name in COMPOSE_VARIABLES)
    assert COMPOSE_VARIABLES & variables().keys() == set()


def test_image_and_compose_are_of_this_version() -> None:
    assert f"ARG VERSION={VERSION}\n" in (ROOT / "Dockerfile").read_text()
    assert COMPOSE["x-media-analysis"]["image"] == f"${{MEDIA_ANALYSIS_IMAGE:-media-analysis:{VERSION}}}"


def test_settings_of_the_containers_are_settings() -> None:
    told = {name for name in OURS for name in COMPOSE["services"][name]["environment"] if not name.startswith(PROVIDER)}

    assert told <= variables().keys()


def test_a_bucket_is_reached_by_all_who_need_it_and_only_as_the_shell_says() -> None:
    """No credential stands in the file; a variable without a value is the shell's, or is not there."""
    gateway = COMPOSE["services"][GATEWAY]
    environments = {name: COMPOSE["services"][name]["environment"] for name in (*OURS, GATEWAY)}

    assert (gateway["profiles"], gateway["cap_drop"]) == ([GATEWAY], ["ALL"])
    assert {value for each in environments.values() for name, value in each.items() if name.startswith(PROVIDER)} == {
        None
    }
    assert [name for name in (*OURS, GATEWAY) if "AWS_SECRET_ACCESS_KEY" not in environments[name]] == []
    assert all("STORAGE_URL" in environments[name] for name in OURS)
    assert all(set(gateway["networks"]) & set(COMPOSE["services"][name]["networks"]) for name in OURS)


def test_prometheus_takes_its_configuration_and_the_rules() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")

    done = subprocess.run(
        ["promtool", "check", "rules", "docs/prometheus-alerts.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    checked = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", "examples/monitoring/prometheus.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
