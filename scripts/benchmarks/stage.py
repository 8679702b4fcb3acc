"""The stage a benchmark runs on: a PostgreSQL of its own, a store, trees of files, and a clock."""

import asyncio
import gc
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from media_analysis.db.embedded import embedded_server
from media_analysis.db.migrations import migrate
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import load_settings

OWNERS = 16
FILE_BYTES = 4096
FILES_PER_FOLDER = 10_000
ENVIRONMENT = {
    # What is measured is deleting, bytes and all; the trash is one more update, and the same deletion a day later.
    "DELETION_STRATEGY": "hard",
    "STORAGE_MONITORING_RESERVE_BYTES": "1MiB",
    "DATABASE_DEADLINE_SECONDS": "60",
    "STORAGE_QUOTA_UPLOADS": "1TiB",
    # The breaker weighs every sweep as usual; only that everything is due may not stop one here.
    "STORAGE_BREAKER_SHARE_PERCENT_UPLOADS": "100",
    "STORAGE_BREAKER_MEDIAN_FACTOR": "none",
}
COUNT_EVERYTHING = """
    DELETE FROM ledger;
    INSERT INTO ledger SELECT owner, category, count(*), sum(size_bytes), 0 FROM media_files GROUP BY 1, 2;
    UPDATE category_usage SET size_bytes = (
        SELECT coalesce(sum(size_bytes), 0) FROM ledger WHERE ledger.category = category_usage.category
    )
"""


@dataclass(frozen=True)
class Stage:
    """A running PostgreSQL, the services on it, and the folder everything lies in."""

    directory: Path
    url: str
    runtime: Runtime


@contextmanager
def own_filesystem(size_gib: int) -> Iterator[Path]:
    """Yield a fresh ext4 on a loop device, so that a benchmark owns its journal; needs root."""
    with tempfile.TemporaryDirectory(prefix="mab-", dir="/tmp") as parent:
        image, mounted = Path(parent, "image"), Path(parent, "mnt")
        mounted.mkdir()
        Path(parent).chmod(0o755)
        with image.open("wb") as file:
            file.truncate(size_gib * 2**30)
        subprocess.run(["mkfs.ext4", "-q", "-N", "2500000", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop,noatime", str(image), str(mounted)], check=True)
        try:
            yield mounted
        finally:
            subprocess.run(["umount", str(mounted)], check=True)


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Yield a short directory on the machine's own disk that the database's account can enter."""
    directory = Path(tempfile.mkdtemp(prefix="mab-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@asynccontextmanager
async def open_stage(directory: Path, **variables: str) -> AsyncIterator[Stage]:
    """Start PostgreSQL and open the services below `directory`, with variables beside the usual ones."""
    settings = load_settings({"data_dir": directory}, environ=ENVIRONMENT | variables).settings
    async with embedded_server(directory / "postgres") as server:
        await migrate(server.url)
        async with open_runtime(settings, server.url) as runtime:
            # As every command does before its work.
            gc.collect()
            gc.freeze()
            yield Stage(directory, server.url, runtime)


def make_tree(root: Path, keys: Iterable[str]) -> None:
    """Create a file of 4 KiB per key, as old as a year, so that every peer finds it expired."""
    content = b"\0" * FILE_BYTES
    year_ago = time.time() - 365 * 86_400
    for key in keys:
        path = root / key
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, content)
        os.close(descriptor)
        os.utime(path, (year_ago, year_ago))


def new_keys(count: int) -> list[tuple[UUID, str]]:
    """Return ids and keys of uploads spread over the days their number asks for."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    for number in range(count):
        file_id = uuid7()
        day = first + timedelta(days=number // FILES_PER_FOLDER)
        found.append((file_id, f"uploads/{day:%Y-%m-%d}/{file_id}.bin"))
    return found


COLUMNS = (
    "id",
    "owner",
    "category",
    "state",
    "key",
    "filename",
    "media_type",
    "size_bytes",
    "reserved_bytes",
    "sha256",
    "created_at",
    "stored_at",
    "expires_at",
    "expiry_explicit",
    "due_at",
)


async def add_rows(url: str, files: Sequence[tuple[UUID, str]], *, due_from: datetime) -> None:
    """Insert stored files, one falling due each millisecond from `due_from` on, and their ledger."""
    made = datetime.now(UTC) - timedelta(days=30)
    rows = (
        (file_id, f"owner-{number % OWNERS}", "uploads", "stored", key, "file.bin", "application/octet-stream",
         FILE_BYTES, 0, bytes(32), made, made, due_from + timedelta(milliseconds=number), False,
         due_from + timedelta(milliseconds=number))
        for number, (file_id, key) in enumerate(files)
    )  # fmt: skip
    connection = await asyncpg.connect(url)
    try:
        await connection.copy_records_to_table("media_files", records=rows, columns=COLUMNS)
        await connection.execute(COUNT_EVERYTHING)
    finally:
        await connection.close()


async def settle(url: str) -> None:
    """Bring database and disk to rest, so that no peer pays for what came before it."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    await asyncio.to_thread(os.sync)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Return how many seconds `work` took."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started
