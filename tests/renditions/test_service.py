"""Pictures are made once however many want them, and not for those who left."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import NoPictures
from media_analysis.files.models import MediaFile
from media_analysis.renditions.making import PictureMaker
from media_analysis.renditions.queue import DecodingQueue
from media_analysis.renditions.service import RenditionService
from media_analysis.renditions.wishes import PictureWish
from media_analysis.runtime import Runtime
from tests.conftest import StoreFile, execute, fetch
from tests.media import clips, images

WISH = PictureWish(width=64)
LIVING = "SELECT FROM media_files WHERE rendition IS NOT NULL AND (expires_at > now() OR due_at > now())"
PENDING = "SELECT count(*) FROM media_files WHERE state = 'pending'"


@dataclass(frozen=True)
class CountingMaker(PictureMaker):
    """Makes pictures and counts them."""

    begun: list[str] = field(default_factory=list)
    is_making: asyncio.Event = field(default_factory=asyncio.Event)

    async def make(self, file: MediaFile, wish: PictureWish) -> bytes:
        self.begun.append(wish.name)
        self.is_making.set()
        return await super().make(file, wish)


@pytest.fixture
def strategy() -> str:
    return "hard"


@pytest.fixture
def environment(environment: dict[str, str], strategy: str) -> dict[str, str]:
    return environment | {"DELETION_STRATEGY": strategy}


@pytest.fixture
def maker(runtime: Runtime) -> CountingMaker:
    usual = runtime.renditions.maker
    return CountingMaker(usual.db, usual.store, usual.options, usual.fork_server)


@pytest.fixture
async def processes(runtime: Runtime, maker: CountingMaker) -> AsyncIterator[list[RenditionService]]:
    """The services of two processes, which share nothing but the database and the store."""
    services = [RenditionService(runtime.renditions.keeper, maker, DecodingQueue(2)) for _ in range(2)]
    yield services
    for service in services:
        await service.close()


async def test_many_in_several_processes_have_one_made(
    processes: list[RenditionService], maker: CountingMaker, store_file: StoreFile
) -> None:
    file = await store_file(clips.h264().read_bytes())

    found = await asyncio.gather(*(service.get(file, WISH) for service in processes * 3))

    assert len(set(found)) == 1
    assert maker.begun == [WISH.name]


async def test_what_shows_nothing_is_looked_at_once(
    processes: list[RenditionService], maker: CountingMaker, store_file: StoreFile
) -> None:
    file = await store_file(clips.audio("mp3").read_bytes())

    for _ in range(3):
        with pytest.raises(NoPictures):
            await processes[0].get(file, WISH)

    assert len(maker.begun) == 1


async def test_nothing_is_made_for_those_who_left_and_whoever_comes_then_gets_it(
    processes: list[RenditionService], runtime: Runtime, maker: CountingMaker, store_file: StoreFile, database: str
) -> None:
    service, file = processes[0], await store_file(clips.h264().read_bytes())
    leaving = [asyncio.create_task(service.get(file, WISH)) for _ in range(2)]
    await maker.is_making.wait()

    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)
    content = await service.get(file, WISH)
    await service.close()

    assert content.startswith(b"\xff\xd8")
    assert (await fetch(database, PENDING))[0][0] == 0
    assert (await runtime.renditions.keeper.find(file.id, WISH)) is not None


async def test_a_full_category_takes_no_picture_and_gives_it_all_the_same(
    processes: list[RenditionService], store_file: StoreFile, database: str
) -> None:
    file = await store_file(images.jpeg().read_bytes())
    given = []
    for quotas in ("quota_bytes = 0", "quota_bytes = 2000, owner_quota_bytes = 0", "owner_quota_bytes = 100"):
        await execute(database, f"UPDATE category_policies SET {quotas} WHERE category = 'temp'")
        given.append(await processes[0].get(file, WISH))
    await processes[0].close()

    assert len(set(given)) == 1
    assert await fetch(database, "SELECT FROM media_files WHERE rendition IS NOT NULL") == []


async def test_one_that_is_over_makes_room_for_the_next_and_stays_hidden(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    service, file = runtime.renditions, await store_file(images.jpeg().read_bytes())

    for _ in range(2):
        await service.get(file, WISH)
        await service.close()
        await execute(
            database, f"UPDATE media_files SET expires_at = now(), due_at = now() WHERE parent_id = '{file.id}'"
        )

    kept = await fetch(database, "SELECT rendition FROM media_files WHERE parent_id = $1 ORDER BY id", file.id)
    assert [each["rendition"].split(" ")[0] for each in kept] == [WISH.name, WISH.name]


@dataclass(frozen=True)
class LateMaker(PictureMaker):
    """Has a picture ready when its file is gone."""

    runtime: Runtime

    async def make(self, file: MediaFile, wish: PictureWish) -> bytes:
        made = await super().make(file, wish)
        await self.runtime.retention.file_deletions.delete(file.id, DeletionRequest(actor="alice"), owner="alice")
        return made


@pytest.mark.parametrize("strategy", ["soft", "hard"])
@pytest.mark.parametrize("when", ["behind", "before"])
async def test_no_picture_outlives_its_file_whenever_that_goes(
    runtime: Runtime, store_file: StoreFile, database: str, when: str
) -> None:
    usual, file = runtime.renditions.maker, await store_file(images.jpeg().read_bytes())
    late = LateMaker(usual.db, usual.store, usual.options, usual.fork_server, runtime)
    service = RenditionService(runtime.renditions.keeper, late if when == "before" else usual, DecodingQueue(1))

    await service.get(file, WISH)
    await service.close()
    if when == "behind":
        await runtime.retention.file_deletions.delete(file.id, DeletionRequest(actor="alice"), owner="alice")

    assert await fetch(database, LIVING) == []
