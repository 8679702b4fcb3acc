"""The profile `s3` of compose.yaml, started as docs/operations/scale.md says: objects lie in a bucket, not a volume."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from media_analysis.storage.remote.address import RemoteAddress
from tests.acceptance.service import wait_until
from tests.containers import engine
from tests.containers.deployment import Deployment, deployed, section, states
from tests.containers.life import Life
from tests.docs.pages import ROOT
from tests.oracle import inspect_everything
from tests.s3 import mirror

pytestmark = pytest.mark.containers

PAGE: Final = ROOT / "docs" / "operations" / "scale.md"
GATEWAY: Final = "s3"


@pytest.fixture
def deployment(image: str, tmp_path: Path) -> Iterator[Deployment]:
    """The profile, started as the page says."""
    if os.geteuid() != 0:
        pytest.skip("only root may look into the engine's volumes")
    with deployed(tmp_path, S3_IMAGE=engine.GATEWAY, S3_COMMAND=engine.GATEWAY_COMMAND) as prepared:
        prepared.type(*section("Compose", PAGE))
        yield prepared


def test_objects_lie_in_the_bucket_from_upload_to_deletion_whatever_is_killed(
    deployment: Deployment, tmp_path: Path
) -> None:
    life = Life(deployment)

    assert (deployment.folder / ".env").stat().st_mode & 0o077 == 0
    assert engine.inspected(deployment.container("service"))["RestartCount"] == 0  # it waited for the gateway
    wait_until(lambda: _workers(deployment) == ["healthy"] * 3, "three workers to be well")
    job = life.start_job()
    life.require_jobs_to_end_well()
    film, frame = next(iter(life.acknowledged)), _frame_of(deployment, job)
    deployment.compose("restart", "service")
    wait_until(lambda: _is_well(deployment), "the service to be back")
    life.require_files_to_be_as_they_were()
    deployment.kill(GATEWAY)
    deployment.compose("up", "--detach", "--scale", "worker=3")
    wait_until(lambda: _is_well(deployment), "the bucket to be back")
    life.require_files_to_be_as_they_were()
    before = _in_the_bucket(deployment, tmp_path / "before")
    with deployment.client() as client:
        client.delete(f"/files/{frame}", params={"strategy": "hard"}).raise_for_status()
    deployment.compose("exec", "-T", "service", "media-analysis", "sweep")

    after = _in_the_bucket(deployment, tmp_path / "after")
    assert [path.name for path in before.rglob("*") if path.stem == frame] != []
    assert [path.name for path in after.rglob("*") if path.stem == frame] == []
    assert [path.name for path in after.rglob("*") if path.stem == film] != []
    assert not deployment.store().exists()
    assert _copies(deployment) == []
    assert "nothing is wrong" in deployment.compose("exec", "-T", "service", "media-analysis", "verify", "--hash")
    deployment.compose("stop", "service", "worker")
    left = _in_the_bucket(deployment, tmp_path / "left")
    assert asyncio.run(inspect_everything(deployment.database_url(), left, acknowledged=life.acknowledged)) == []


def _workers(deployment: Deployment) -> list[str]:
    named = deployment.compose("ps", "--quiet", "worker").split()
    return [engine.inspected(name)["State"]["Health"]["Status"] for name in named]


def _is_well(deployment: Deployment) -> bool:
    try:
        ready = httpx.get(f"http://{deployment.address}/readyz", timeout=30)
    except httpx.HTTPError:
        return False
    return ready.is_success and states(deployment)["service"] == "healthy"


def _frame_of(deployment: Deployment, job: str) -> str:
    with deployment.client() as client:
        told = client.get(f"/jobs/{job}/files", params={"category": "frames"}).raise_for_status().json()
    frame: str = told["items"][0]["id"]
    return frame


def _in_the_bucket(deployment: Deployment, into: Path) -> Path:
    """Copy what lies below the store's address, asking the gateway itself from this machine."""
    told = dict(line.split("=", 1) for line in (deployment.folder / ".env").read_text().splitlines())
    host = deployment.address_of(GATEWAY)
    return asyncio.run(
        mirror(
            RemoteAddress.parse(told["STORAGE_URL"]),
            into,
            told | {"AWS_ENDPOINT_URL": told["AWS_ENDPOINT_URL"].replace(GATEWAY, host, 1)},
        )
    )


def _copies(deployment: Deployment) -> list[str]:
    """Return the local copies of objects that are left in the volume."""
    return [
        path.name
        for path in (deployment.store().parent / "scratch").rglob("*")
        if path.is_file() and path.name != ".lock"
    ]
