"""A service to accept."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.service import CURL, Service, serving
from tests.oracle import inspect_everything


@pytest.fixture
def service(environment: dict[str, str], database: str, tmp_path: Path) -> Iterator[Service]:
    """The real service on this test's database; the oracle inspects what it left once it has stopped."""
    if not CURL:
        pytest.skip("the curl program is not installed")
    data_dir = tmp_path / "var"
    with serving(environment | {"STORAGE_CLEANUP_ENABLED": "false"}, data_dir) as started:
        yield started
    assert asyncio.run(inspect_everything(database, data_dir / "store")) == []
