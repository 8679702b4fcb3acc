"""The image: small rights, every command, data that outlive a container."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.service import wait_until
from tests.containers import engine
from tests.containers.deployment import deployed, section
from tests.processes import ROOT

pytestmark = pytest.mark.containers

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LOCKED_DOWN = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
DATA = "/var/lib/media-analysis"
LABEL = f"{engine.PROJECT}={engine.project()}"


@pytest.fixture
def volume(image: str) -> Iterator[str]:
    """A volume that goes with the test, whatever uses it."""
    yield engine.docker("volume", "create", "--label", LABEL).strip()
    engine.remove_leftovers(project=engine.project())


def start(image: str, volume: str) -> str:
    """Start the service with no more rights than it needs, and return its container's id."""
    about = ("--detach", "--label", LABEL, "--health-interval", "1s", *LOCKED_DOWN)
    return engine.docker("run", *about, "--volume", f"{volume}:{DATA}", image).strip()


def health(container: str) -> str:
    state = engine.inspected(container)["State"]
    assert state["Running"], engine.docker("logs", container)
    status: str = state["Health"]["Status"]
    return status


def test_it_says_which_version_it_is(image: str) -> None:
    labels = engine.inspected(image)["Config"]["Labels"]

    assert engine.docker("run", "--rm", image, "--version").strip() == f"media-analysis {VERSION}"
    assert labels["org.opencontainers.image.version"] == VERSION


def test_every_command_is_there_to_an_ordinary_user(image: str) -> None:
    assert engine.inspected(image)["Config"]["User"] == "10001:10001"
    listed = engine.docker("run", "--rm", *LOCKED_DOWN, image, "--help")

    assert all(name in listed for name in ("serve", "work", "migrate", "verify", "doctor"))


def test_nothing_of_the_build_is_left_in_it(image: str) -> None:
    history = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    asked = "import importlib.metadata as m; print(*(found.name for found in m.distributions()))"
    installed = engine.docker("run", "--rm", "--entrypoint", "python", image, "-Ic", asked).split()

    assert "://" not in history
    assert "PIP_" not in history
    assert "media-analysis" in installed
    assert {"editables", "hatchling", "pip"} & set(installed) == set()


def test_data_outlive_a_container_that_is_killed(image: str, volume: str) -> None:
    first = start(image, volume)
    wait_until(lambda: health(first) == "healthy", "the container to be healthy")
    token = engine.docker("exec", first, "cat", f"{DATA}/admin-token")
    engine.docker("kill", first)
    engine.docker("rm", first)
    second = start(image, volume)

    wait_until(lambda: health(second) == "healthy", "the next container to be healthy")

    assert engine.docker("exec", second, "cat", f"{DATA}/admin-token") == token
    assert "nothing is wrong" in engine.docker("exec", second, "media-analysis", "verify")
    engine.docker("stop", second)
    assert engine.inspected(second)["State"]["ExitCode"] == 0


def test_the_first_look_of_the_page(image: str, tmp_path: Path) -> None:
    with deployed(tmp_path) as deployment:
        deployment.type(*section("A first look"))
