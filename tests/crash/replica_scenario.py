"""A day in the life of replicas: made, found damaged, mended, and deleted; and a process that plays it again.

For each line on its standard input, which says where to die or where to write down what is reached, it plays a day in a
child of its own, and prints how that ended: what is imported once would take longer than all the rest.
"""

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Final

from media_analysis import failpoints
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


def play_in_child(database: str, told: str) -> int:
    """Play a day in a child with a variable more, such as `NAME=value`; return how it ended."""
    child = os.fork()
    if child == 0:
        name, _, value = told.partition("=")
        os.environ[name] = value
        importlib.reload(failpoints)
        asyncio.run(main(database))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"ended {play_in_child(sys.argv[1], line.strip())}\n")
        sys.stdout.flush()
