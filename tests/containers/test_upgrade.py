"""The page on upgrades, rehearsed: the version before, this one, and the one before again, under kills."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from media_analysis.db.migrations import migrate
from tests.containers import engine
from tests.containers.deployment import Deployment, deployed, section
from tests.containers.life import Life
from tests.oracle import inspect_everything
from tests.processes import ROOT

pytestmark = pytest.mark.containers

PREVIOUS: Final = "media-analysis:previous"
SINCE: Final = "migrations/versions/0017_claim_jobs_one_way.py"
"""While nothing is released, the version before this migration stands for the previous one."""
OVERRIDE: Final = """\
# The version before knows no DATABASE_PASSWORD_FILE, but its driver a variable.
x-password: &password
  entrypoint: [sh, -c, 'PGPASSWORD=$$(cat /run/secrets/database_password) exec media-analysis "$$@"', sh]
services:
  service: {<<: *password, command: [serve]}
  worker: {<<: *password}
  migration: {<<: *password}
"""


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def previous_version() -> str:
    """Return the commit of the version before, as TEST_PREVIOUS or the last tag names it; nothing if it is not here."""
    named = os.environ.get("TEST_PREVIOUS") or git("describe", "--tags", "--abbrev=0", "HEAD^")
    return named or git("rev-parse", "--verify", f"{git('log', '-1', '--diff-filter=A', '--format=%H', '--', SINCE)}^")


@pytest.fixture
def previous(an_engine: None, tmp_path: Path) -> str:
    """The image of the version before, built as that of this one is."""
    commit = previous_version() if shutil.which("git") else ""
    if not commit:
        pytest.skip("the version before is not in this checkout's history")
    source = tmp_path / "previous"
    source.mkdir()
    engine.run("git", "archive", f"--output={tmp_path}/previous.tar", commit)
    engine.run("tar", "--extract", f"--file={tmp_path}/previous.tar", f"--directory={source}")
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, source / name)
    engine.build(source, PREVIOUS)
    return PREVIOUS


@pytest.fixture
def deployment(image: str, previous: str, tmp_path: Path) -> Iterator[Deployment]:
    """The version before, started as the page says."""
    if os.geteuid() != 0:
        pytest.skip("only root may look into the engine's volumes")
    with deployed(tmp_path, COMPOSE_FILE="compose.yaml:previous.yaml") as prepared:
        (prepared.folder / "previous.yaml").write_text(OVERRIDE)
        (prepared.folder / ".env").write_text(f"MEDIA_ANALYSIS_IMAGE={previous}\n")
        prepared.type(*section("Start"))
        yield prepared


def test_an_upgrade_and_the_way_back_lose_nothing_under_kills(deployment: Deployment) -> None:
    life = Life(deployment)

    _live_under_kills(life)
    deployment.type(*section("Upgrade"))
    assert _image_of(deployment) == engine.IMAGE
    life.require_files_to_be_as_they_were()
    _live_under_kills(life)
    deployment.type(*section("Back"))
    assert _image_of(deployment) == PREVIOUS
    life.require_files_to_be_as_they_were()
    life.upload(b"stored by the old version again")
    life.require_jobs_to_end_well()

    assert "nothing is wrong" in deployment.compose("run", "--rm", "migration", "verify", "--hash")
    deployment.compose("stop", "service", "worker")
    store = deployment.store()
    asyncio.run(migrate(deployment.database_url()))  # the oracle knows this version's tables
    assert asyncio.run(inspect_everything(deployment.database_url(), store, acknowledged=life.acknowledged)) == []


def _live_under_kills(life: Life) -> None:
    life.upload(b"some bytes")
    life.kill_service_in_an_upload()
    life.deployment.compose("up", "--detach")
    life.kill_worker_in_a_job()
    life.deployment.compose("up", "--detach")
    life.upload(os.urandom(300_000))


def _image_of(deployment: Deployment) -> str:
    told = engine.inspected(deployment.container("service"))
    image: str = told["Config"]["Image"]
    return image
