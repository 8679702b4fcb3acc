"""pgqueuer, what queues are measured against: installed beside us for one run, and run in processes of its own.

`python -m scripts.benchmarks.queue_peer fill URL ENTRIES | work URL BATCH`
"""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import uvloop

PEER: Final = "pgqueuer==1.6.0"
ENTRY: Final = "empty"
CLEAR: Final = "TRUNCATE pgqueuer, pgqueuer_log"


def install(folder: Path) -> bool:
    """Install the peer and what it needs into a folder, for whoever has it on the path; say whether it is there."""
    uv = shutil.which("uv")
    installer = [uv, "pip", "install", "--quiet"] if uv else [sys.executable, "-m", "pip", "install", "--quiet"]
    done = subprocess.run([*installer, "--target", str(folder), PEER], capture_output=True, timeout=300, check=False)
    return done.returncode == 0


@asynccontextmanager
async def open_peer(url: str) -> AsyncIterator[Any]:
    """Yield its statements over a connection of its own; its tables are made if need be."""
    from pgqueuer.adapters.persistence.queries import Queries  # noqa: PLC0415 - a peer that may be absent

    connection = await asyncpg.connect(url)
    try:
        queries = Queries.from_asyncpg_connection(connection)
        if not await queries.schema_is_installed():
            await queries.install()
        yield queries
    finally:
        await connection.close()


async def fill(url: str, entries: int) -> None:
    """Enqueue empty entries, a thousand at a time, as the library's own benchmark fills its queue."""
    async with open_peer(url) as queries:
        connection = await asyncpg.connect(url)
        await connection.execute(CLEAR)
        await connection.close()
        for _ in range(0, entries, 1000):
            await queries.enqueue([ENTRY] * 1000, [None] * 1000, [0] * 1000)


async def work(url: str, batch: int) -> None:
    """Run entries as pgqueuer does by itself: no job row, no fence, no event."""
    from pgqueuer.core.qm import QueueManager  # noqa: PLC0415 - as above

    async def run(_job: object) -> None: ...

    async with open_peer(url) as queries:
        manager: Any = QueueManager(queries)
        manager.entrypoint(ENTRY)(run)
        await begin()
        await manager.run(batch_size=batch)


async def begin() -> None:
    """Say that all is ready, and wait for the start."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    act, url, count = sys.argv[1:]
    uvloop.run({"fill": fill, "work": work}[act](url, int(count)))


if __name__ == "__main__":
    main()
