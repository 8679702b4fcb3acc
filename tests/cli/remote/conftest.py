"""A person at another machine: no data directory, no database, a home of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from media_analysis.client import Client
from tests.cli.commands import run
from tests.client.server import Served, newcomer


@dataclass(frozen=True)
class Person:
    """Types commands."""

    server: Served
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What is set in their shell."""
        homes = {f"XDG_{name}_HOME": str(self.home / name.lower()) for name in ("CONFIG", "STATE", "DATA")}
        return {"MEDIA_ANALYSIS_URL": self.server.url, "MEDIA_ANALYSIS_TOKEN": self.server.token, **homes}

    def types(self, *arguments: str | Path, **environment: str) -> CompletedProcess[str]:
        """Run a command to its end."""
        return run(*arguments, **self.environment | environment)

    def files(self) -> list[Path]:
        """Return what their state folder has."""
        folder = self.home / "state" / "media-analysis" / "uploads"
        return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def person(shared_server: tuple[str, str], tmp_path: Path) -> Person:
    return Person(newcomer(*shared_server), tmp_path / "home")


@pytest.fixture
def client(person: Person) -> Iterator[Client]:
    with person.server.client() as opened:
        yield opened
