"""The service as compose runs it, operated by typing docs/operations/containers.md."""

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.containers import engine
from tests.docs.pages import CONTAINERS, ROOT, Block, blocks_of, commands_of, heading_above
from tests.docs.typing_pages import complaint, type_commands

PAGE: Final = ROOT / "docs" / "operations" / "containers.md"
SHIPPED: Final = ("Dockerfile", ".dockerignore", "compose.yaml", "requirements.lock", "pyproject.toml", "README.md")
"""What of a checkout building and running needs, beside LICENSE and three folders."""
FOLDERS: Final = ("media_analysis", "migrations", "docs")
STORE: Final = "/var/lib/media-analysis/store"
DATABASE: Final = "media_analysis"


def section(heading: str, page: Path = PAGE) -> list[Block]:
    """Return the console blocks of a page below a heading."""
    found = [block for block in blocks_of(page) if block.mark == CONTAINERS and heading_above(block) == heading]
    assert found, f"{page} has no commands below {heading!r}"
    return found


@dataclass(frozen=True)
class Deployment:
    """A project of compose in a folder that looks like a checkout."""

    folder: Path
    project: str
    environment: Mapping[str, str]
    address: str
    _typed: Iterator[int] = field(default_factory=count, init=False)

    def type(self, *blocks: Block) -> None:
        """Type blocks of a page into one shell; what they print must be what the page says."""
        commands = [command for block in blocks for command in commands_of(block)]
        notes = self.folder.parent / f"typed-{next(self._typed)}"
        outcomes = type_commands(
            commands, folder=self.folder, notes=notes, address=self.address, environment=self.environment
        )
        wrong = [said for outcome in outcomes if (said := complaint(outcome)) is not None]
        assert wrong == [], "\n\n".join(wrong)
        assert len(outcomes) == len(commands)

    def compose(self, *arguments: str) -> str:
        return engine.run("docker", "compose", *arguments, environment=self.environment, folder=self.folder)

    def container(self, service: str) -> str:
        """Return the id of the one container of a service."""
        (found,) = self.compose("ps", "--quiet", service).split()
        return found

    def kill(self, service: str) -> None:
        """End a container as a power cut would."""
        engine.docker("kill", self.container(service))

    def client(self) -> httpx.Client:
        """Return a client that speaks as the administrator."""
        token = (self.folder / "var" / "admin-token").read_text().strip()
        return httpx.Client(
            base_url=f"http://{self.address}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def store(self) -> Path:
        """Return where the volume's store lies on this machine, which only root may look into."""
        return Path(engine.inspected(f"{self.project}_data")["Mountpoint"]) / "store"

    def database_url(self) -> str:
        """Return where this machine reaches the database, whose network is closed to all others."""
        password = (self.folder / "secrets" / "database_password").read_text().strip()
        return f"postgresql://{DATABASE}:{password}@{self.address_of('db')}/{DATABASE}"

    def address_of(self, service: str) -> str:
        """Return where this machine reaches a container in the closed network."""
        networks = engine.inspected(self.container(service))["NetworkSettings"]["Networks"]
        address: str = networks[f"{self.project}_database"]["IPAddress"]
        return address


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def copy_checkout(folder: Path) -> None:
    """Make a folder that has what a checkout has for building and running; links would lead out of it."""
    folder.mkdir()
    for name in (*SHIPPED, "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / ".venv").symlink_to(ROOT / ".venv")  # which no image is built of


@contextmanager
def deployed(place: Path, **environment: str) -> Iterator[Deployment]:
    """Yield a project of which nothing was started, and remove all that became of it."""
    if reason := engine.missing_compose():
        pytest.skip(reason)
    copy_checkout(place / "checkout")
    project, port = engine.project(), _free_port()
    about = {
        **{name: value for name, value in os.environ.items() if name.startswith(("DOCKER_", "HOME", "LANG"))},
        "PATH": engine.path_with_compose(place / "bin"),
        "XDG_CONFIG_HOME": str(place / "config"),
        "XDG_STATE_HOME": str(place / "state"),
        "COLUMNS": "80",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "DOCKER_BUILDKIT": "0",
        "COMPOSE_DOCKER_CLI_BUILD": "0",
        "COMPOSE_PROJECT_NAME": project,
        "MEDIA_ANALYSIS_PORT": str(port),
        "POSTGRES_IMAGE": engine.POSTGRES,
        "BASE": engine.BASE,
        **environment,
    }
    deployment = Deployment(place / "checkout", project, about, f"127.0.0.1:{port}")
    try:
        yield deployment
    finally:
        engine.remove_leftovers(project=project)


def states(deployment: Deployment) -> dict[str, str]:
    """Return how each container is: what the engine says of its health, or how it runs or ended."""
    found: dict[str, str] = {}
    for name in deployment.compose("ps", "--quiet").split():
        told = engine.inspected(name)
        state = told["State"]
        service = told["Config"]["Labels"]["com.docker.compose.service"]
        ended = f"{state['Status']} {state['ExitCode']}"
        found[service] = state["Health"]["Status"] if state["Running"] and "Health" in state else ended
    return found
