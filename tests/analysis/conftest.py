"""A kind that misbehaves, installed as a plugin is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from tests.reused import end_old_zygotes

METADATA = "Metadata-Version: 2.1\nName: misbehaving\nVersion: 1\n"
ENTRY_POINTS = "[media_analysis.kinds]\nmisbehaving = tests.analysis.child.misbehaving:KIND\n"


@pytest.fixture
async def fork_server(shared_fork_server: ForkServer) -> AsyncIterator[ForkServer]:
    """Where children come from."""
    yield shared_fork_server
    await end_old_zygotes(shared_fork_server)


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin's metadata lies: one place for all tests, whose children then have one fork server."""
    metadata = tmp_path_factory.mktemp("plugins") / "misbehaving-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(METADATA)
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return metadata.parent


@pytest.fixture
def plugged_in(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay the plugin's metadata where its entry point is found."""
    monkeypatch.syspath_prepend(plugins)
