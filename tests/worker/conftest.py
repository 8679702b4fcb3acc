"""Short heartbeats, a source, and a plugin whose jobs can be steered."""

from pathlib import Path

import pytest

from media_analysis.files.models import MediaFile
from tests.conftest import StoreFile
from tests.worker.workers import HEARTBEAT, plug_in


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {
        "WORKER_HEARTBEAT_SECONDS": str(HEARTBEAT.total_seconds()),
        "WORKER_LEASE_SECONDS": "3",
        "WORKER_RETRY_SECONDS": "0.05",
        "WORKER_GRACE_SECONDS": "0.2",
        "DATABASE_POOL_MIN": "1",
    }


@pytest.fixture
async def source(store_file: StoreFile) -> MediaFile:
    return await store_file(b"a source")


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the plugin is installed: one place for all tests, whose children then have one fork server."""
    return plug_in(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def plugged_in(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plugin in this very process."""
    monkeypatch.syspath_prepend(plugins)
