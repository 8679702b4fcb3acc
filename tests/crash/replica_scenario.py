"""A day in the life of second copies, in a process of its own: made, found damaged, mended, and deleted."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import load_settings
from tests.asking import delete_file
from tests.conftest import execute, storing
from tests.replication.conftest import settled

SMALL: Final = b"small"
LARGE: Final = bytes(range(256)) * 4097
"""More than what is copied together with others."""


async def play(runtime: Runtime, database: str, store: Path) -> None:
    stored = [await storing(runtime)(content) for content in (SMALL, LARGE, b"to go")]
    await settled(runtime, database)
    damage(store / stored[0].key)
    await runtime.scrub.run()
    await settled(runtime, database)
    # As if it was deleted while it was copied.
    await execute(database, f"UPDATE replicas SET copied_at = NULL, due_at = now() WHERE file_id = '{stored[2].id}'")
    await delete_file(runtime, stored[2].id, owner="alice", actor="alice")
    await settled(runtime, database)


def damage(path: Path) -> None:
    path.write_bytes(b"S" + path.read_bytes()[1:])


async def main(database: str) -> None:
    settings = load_settings(environ=dict(os.environ)).settings
    async with open_runtime(settings, database) as runtime:
        await play(runtime, database, settings.store_path)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
