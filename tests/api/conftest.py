"""What the tests of HTTP look at beside answers: what is kept, and how time passes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from media_analysis.runtime import Runtime
from media_analysis.storage.marker import MARKER_NAME
from tests.api.analysers import CONTENT, Analyser
from tests.conftest import Client, execute, fetch

Remains = Callable[[], Awaitable[list[str]]]
Expire = Callable[[dict[str, Any]], Awaitable[None]]


@pytest.fixture
def remains(runtime: Runtime, database: str) -> Remains:
    """Lists the names of the living rows and of the objects there are now."""

    async def look() -> list[str]:
        rows = await fetch(database, "SELECT filename FROM media_files")
        objects = [path for path in runtime.store.root.rglob("*") if path.is_file() and path.name != MARKER_NAME]
        return [row["filename"] for row in rows] + [path.name for path in objects]

    return look


@pytest.fixture
def expire(database: str) -> Expire:
    """Lets a file have expired a second ago."""

    async def travel(file: dict[str, Any]) -> None:
        past = "now() - interval '1 second'"
        await execute(
            database, f"UPDATE media_files SET expires_at = {past}, due_at = {past} WHERE id = '{file['id']}'"
        )

    return travel


@pytest.fixture
def analyser(client: Client) -> Analyser:
    return Analyser(client)


@pytest.fixture
async def source(client: Client) -> str:
    return str((await client.upload(CONTENT, filename="hamlet.txt"))["id"])
