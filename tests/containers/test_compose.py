"""The whole by compose: it comes up in order, and the README's story goes with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.service import wait_until
from tests.containers.deployment import Deployment, deployed, section, states
from tests.docs.pages import ROOT, blocks_of

pytestmark = pytest.mark.containers


@pytest.fixture
def deployment(image: str, tmp_path: Path) -> Iterator[Deployment]:
    with deployed(tmp_path) as prepared:
        yield prepared


def test_the_page_and_the_readme_s_story_work_when_typed(deployment: Deployment) -> None:
    deployment.type(*section("Build"), *section("Start"))

    wait_until(lambda: states(deployment)["worker"] != "starting", "the worker's first health check")
    assert states(deployment) == {
        "db": "healthy",
        "migration": "exited 0",
        "service": "healthy",
        "worker": "healthy",
    }
    deployment.type(
        *(block for block in blocks_of(ROOT / "README.md") if block.language == "console" and not block.mark)
    )
    deployment.type(*section("Look after it"))
