"""`doctor`, and `scripts/verify-installation`, on a service as it is and as it should not be."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Serving, run, run_program, serving
from tests.processes import ROOT

ALL = [
    *("data directory", "admin token", "store", "disk", "database"),
    *("service", "readiness", "metrics", "endpoints", "storage", "schedule", "dry run"),
]


@pytest.fixture
def service(data_dir: Path, tmp_path: Path) -> Iterator[Serving]:
    with serving("--data-dir", data_dir, printed=tmp_path / "printed", LOG_FILE=str(tmp_path / "log")) as service:
        service.url()
        yield service


def checked(data_dir: Path, address: str | None = None) -> tuple[int, dict[str, Any]]:
    """Run it where it is told, or else where the service says it answers."""
    where = () if address is None else ("--address", address)
    ended = run("doctor", "--json", "--data-dir", data_dir, *where)
    told = json.loads(ended.stdout)
    assert told["ok"] is (ended.returncode == 0)
    return ended.returncode, {check["name"]: check for check in told["checks"]}


def failures(checks: dict[str, Any]) -> set[str]:
    return {name for name, check in checks.items() if check["status"] == "failed"}


def test_what_is_in_order_is_said_to_be_and_what_is_not_is_told_with_a_remedy(
    service: Serving, data_dir: Path, tmp_path: Path
) -> None:
    address, token, marker = service.url(), data_dir / "admin-token", data_dir / "store/.media-analysis"

    well = run_program(ROOT / "scripts/verify-installation", "--data-dir", data_dir, "--address", address)
    token.chmod(0o644)
    readable = checked(data_dir)
    token.chmod(0o600)
    marker.rename(data_dir / "marker")
    unmarked = checked(data_dir, address)
    (data_dir / "marker").rename(marker)
    service.end(signal.SIGINT)
    stopped = checked(data_dir, address)

    assert well.returncode == 0, well.stdout + well.stderr
    assert [line[8:24].strip() for line in well.stdout.splitlines()] == ALL
    assert all(line.startswith("OK ") for line in well.stdout.splitlines())
    assert readable[0] == unmarked[0] == stopped[0] == 1
    assert failures(readable[1]) == {"admin token"}
    assert "chmod 600" in readable[1]["admin token"]["remedy"]
    assert {"store", "readiness"} <= failures(unmarked[1])
    assert "marker" in unmarked[1]["readiness"]["detail"]
    assert failures(stopped[1]) == {"service"}
    assert not (data_dir / "address").exists()
    assert "start serve" in stopped[1]["service"]["remedy"]
    assert {stopped[1][name]["status"] for name in ALL[6:]} == {"skipped"}
    logged = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert "request.ended" in logged


def test_a_directory_that_is_none_is_named_and_stays_away(tmp_path: Path) -> None:
    code, checks = checked(tmp_path / "mistyped", "http://127.0.0.1:1")

    assert code == 1
    assert failures(checks) == {"data directory", "admin token", "store", "disk", "service"}
    assert f"{tmp_path}/mistyped is no directory" in checks["data directory"]["detail"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("served")
async def test_the_database_of_the_url_is_asked_itself(
    environment: dict[str, str], empty_database: str, tmp_path: Path
) -> None:
    nowhere = "postgresql://u@127.0.0.1:1/db"

    found, empty, away = (
        run("doctor", "--json", "--address", "http://127.0.0.1:1", **environment | {"DATABASE_URL": url})
        for url in (environment["DATABASE_URL"], empty_database, nowhere)
    )

    said = [json.loads(each.stdout)["checks"][ALL.index("database")] for each in (found, empty, away)]
    assert [each["status"] for each in said] == ["ok", "failed", "failed"]
    assert said[0]["detail"].startswith("PostgreSQL ")
    assert "run: media-analysis migrate" in said[1]["detail"]
    assert "mend DATABASE_URL" in said[2]["remedy"]
