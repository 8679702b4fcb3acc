"""The ledger equals the truth whatever happens at the same time (promise 15)."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from media_analysis.errors import IncompleteUpload, MediaAnalysisError
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import execute
from tests.files.conftest import lapse_leases, sweep
from tests.oracle import inspect_everything

OWNERS = ("alice", "bob", "carol")
CATEGORIES = (Category.UPLOADS, Category.CLIPS, Category.TEMP)
HANDS, TURNS = 8, 12


class Hand:
    """A client that does one thing after the other, decided by a seeded chance."""

    def __init__(self, runtime: Runtime, database: str, chance: random.Random) -> None:
        self.runtime, self.database, self.chance = runtime, database, chance
        self.files: list[MediaFile] = []
        self.stored = 0

    async def live(self) -> None:
        deeds = (self.upload, self.upload, self.upload, self.fail, self.leave, self.delete, self.expire, self.sweep)
        for _ in range(TURNS):
            await self.chance.choice(deeds)()

    def asked(self, size_bytes: int) -> Upload:
        return Upload(
            owner=self.chance.choice(OWNERS),
            category=self.chance.choice(CATEGORIES),
            filename="a",
            declared_bytes=self.chance.choice((None, size_bytes)),
            expiry=Expiry(lifetime=timedelta(hours=1)),
        )

    async def upload(self) -> None:
        size_bytes = self.chance.randrange(200_000)
        try:
            stored = await self.runtime.files.uploads.store_file(self.asked(size_bytes), self.body(size_bytes))
        except MediaAnalysisError:
            return  # another hand let its lease lapse
        self.stored += 1
        self.files.append(stored)

    async def fail(self) -> None:
        with pytest.raises(MediaAnalysisError):
            await self.runtime.files.uploads.store_file(self.asked(100_000), self.body(100_000, broken=True))

    async def leave(self) -> None:
        uploading = asyncio.create_task(self.runtime.files.uploads.store_file(self.asked(100_000), self.body(100_000)))
        for _ in range(self.chance.randrange(20)):
            await asyncio.sleep(0)
        uploading.cancel()
        await asyncio.gather(uploading, return_exceptions=True)

    async def delete(self) -> None:
        if self.files:
            doomed = self.files.pop(self.chance.randrange(len(self.files)))
            await asyncio.gather(
                delete_file(self.runtime, doomed.id, owner=doomed.owner, actor=doomed.owner),
                return_exceptions=True,
            )

    async def expire(self) -> None:
        if self.files:
            doomed = self.chance.choice(self.files)
            await execute(
                self.database,
                f"UPDATE media_files SET expires_at = now(), due_at = now() WHERE id = '{doomed.id}'",
            )

    async def sweep(self) -> None:
        if self.chance.random() < 0.3:
            await lapse_leases(self.database)
        await sweep(self.runtime)

    async def body(self, size_bytes: int, *, broken: bool = False) -> AsyncIterator[bytes]:
        sent = 0
        while sent < size_bytes:
            chunk = bytes(min(self.chance.randrange(1, 80_000), size_bytes - sent))
            sent += len(chunk)
            yield chunk
        if broken:
            raise IncompleteUpload


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_ledger_is_exact_after_anything_at_once(
    runtime: Runtime, database: str, settings: Settings, seed: int
) -> None:
    chance = random.Random(seed)
    hands = [Hand(runtime, database, random.Random(chance.random())) for _ in range(HANDS)]

    await asyncio.gather(*(hand.live() for hand in hands))

    assert sum(hand.stored for hand in hands) > HANDS
    assert await inspect_everything(database, settings.store_path) == []
