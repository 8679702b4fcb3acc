"""A kind that misbehaves, installed as a plugin is."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from media_analysis.analysis.child.nursery import Nursery

METADATA = "Metadata-Version: 2.1\nName: misbehaving\nVersion: 1\n"
ENTRY_POINTS = "[media_analysis.kinds]\nmisbehaving = tests.analysis.child.misbehaving:KIND\n"


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    """Where children come from."""
    async with aclosing(Nursery()) as opened:
        yield opened


@pytest.fixture
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay the plugin's metadata where its entry point is found."""
    metadata = tmp_path / "plugins" / "misbehaving-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(METADATA)
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(metadata.parent)
