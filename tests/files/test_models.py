"""What the tables of files do not take."""

import asyncpg
import pytest

from media_analysis.runtime import Runtime
from tests.conftest import StoreFile, execute


async def test_no_two_files_have_one_key(runtime: Runtime, database: str, store_file: StoreFile) -> None:
    first, second = await store_file(), await store_file()

    with pytest.raises(asyncpg.ExclusionViolationError):
        await execute(database, f"UPDATE media_files SET key = '{first.key}' WHERE id = '{second.id}'")

    assert (await runtime.files.catalog.get(second.id, owner="alice")).key != first.key
