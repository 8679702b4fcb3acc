"""Trees to import, and imports of them that leave every sum exact."""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from media_analysis.cli.import_ import destination_of
from media_analysis.imports.tree.service import TreeImportReport, TreeImportRequest, TreeImportService
from media_analysis.integrity.reckoning import reckon
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import execute, fetch

OLD = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = datetime(2026, 1, 3, tzinfo=UTC)
Importing = Callable[..., Awaitable[TreeImportReport]]


@pytest.fixture
def service(runtime: Runtime) -> TreeImportService:
    return destination_of(runtime)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Somebody's old files, outside the store."""
    return tmp_path / "old"


@pytest.fixture
def importing(service: TreeImportService, runtime: Runtime, database: str) -> "Importing":
    """Imports a tree, by default as frames of an administrator; afterwards every sum is the sum of the rows."""

    async def imported(directory: Path, **about: Any) -> TreeImportReport:
        now = about.pop("now", None)
        given = {"category": Category.FRAMES, "owner": "admin", "actor": "test", **about}
        report = await service.run(TreeImportRequest(directory=directory, **given), now=now)
        assert (await reckon(runtime.db)).differences == []
        return report

    return imported


def write(path: Path, content: bytes = b"content", *, modified_at: datetime = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified_at.timestamp(), modified_at.timestamp()))
    return path


async def rows(database: str) -> list[asyncpg.Record]:
    return await fetch(database, "SELECT * FROM media_files ORDER BY filename")


async def make_job(database: str, owner: str = "admin", *, held: bool = False) -> UUID:
    job_id: UUID = uuid7()
    held_until = "'infinity'" if held else "NULL"
    await execute(
        database,
        "INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,"
        f" held_until) VALUES ('{job_id}', '{owner}', 'n', 'probe', 'completed', 1, 0, 0, '{job_id}', 'frames',"
        f" {held_until})",
    )
    return job_id
