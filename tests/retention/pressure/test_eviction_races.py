"""A hold or a restoration and whoever takes the file at the same time: exactly one of the two has it (promise 5)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.errors import FileGone
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from tests.asking import delete_file
from tests.conftest import fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.retention.conftest import buried, sweep
from tests.retention.elsewhere import DEADLINE_SECONDS, Elsewhere, Moments
from tests.retention.pressure.pressure_stock import CLIPS, judged_runtime, relieve, stock

LATER = timedelta(days=2)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | CLIPS | {"TRASH_RETENTION": "24h"}


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def hold(runtime: Runtime, file_id: UUID) -> object:
    try:
        return await runtime.retention.holds.hold_file(
            file_id, HoldRequest(actor="alice", reason="evidence"), owner="alice"
        )
    except FileGone as gone:
        return gone


async def restore(runtime: Runtime, file_id: UUID) -> object:
    try:
        return await runtime.retention.trash.restore(file_id, owner="alice", actor="alice")
    except FileGone as gone:
        return gone


async def evict(runtime: Runtime) -> None:
    await relieve(runtime.retention.pressure)


async def purge(runtime: Runtime) -> None:
    await sweep(runtime, now=await runtime.db.now() + LATER)


Keeping = tuple[Callable[[Runtime, UUID], Awaitable[object]], str, str]
Taking = tuple[Callable[[Runtime], Awaitable[None]], str, str]
HOLD: Keeping = (hold, "retention.holds", "hold.holding")
RESTORE: Keeping = (restore, "retention.restoring", "restore.restoring")
EVICT: Taking = (evict, "retention.pressure.relief", "evict.claiming")
PURGE: Taking = (purge, "retention.claiming", "delete.claiming")
PAIRS = pytest.mark.parametrize(
    ("keeping", "taking"),
    [(HOLD, EVICT), (RESTORE, EVICT), (RESTORE, PURGE)],
    ids=["hold and eviction", "restoration and eviction", "restoration and purge"],
)


async def clip_for(runtime: Runtime, keeping: Keeping) -> UUID:
    """Store a clip that is too much for its category; one that is to be restored lies in the trash."""
    (clip,) = await stock(runtime, [90])
    if keeping is RESTORE:
        await delete_file(runtime, clip, owner="alice", actor="alice", soft=True)
    return clip


@PAIRS
async def test_what_is_being_kept_is_passed_by(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, database: str, keeping: Keeping, taking: Taking
) -> None:
    keep, module, point = keeping
    clip = await clip_for(runtime, keeping)
    taken = moments.at(module, point, lambda: elsewhere.finish(taking[0]))

    answer = await keep(runtime, clip)

    assert taken == [None]
    assert not isinstance(answer, FileGone)
    assert [row["state"] for row in await fetch(database, "SELECT state::text FROM media_files")] == ["stored"]
    assert (await buried(database), len(objects(disk_of(runtime.store).root))) == (set(), 1)


@PAIRS
async def test_who_would_keep_what_is_being_taken_waits_and_is_told_that_it_is_gone(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, database: str, keeping: Keeping, taking: Taking
) -> None:
    take, module, point = taking
    clip = await clip_for(runtime, keeping)
    started = moments.at(
        module,
        point,
        lambda: elsewhere.wait_until_blocked(elsewhere.start(lambda there: keeping[0](there, clip))),
        hit=2 if (keeping, taking) == (HOLD, EVICT) else 1,  # after the trash, which is empty
    )

    await take(runtime)

    assert isinstance(started[0], Future)
    async with asyncio.timeout(DEADLINE_SECONDS):
        answer = await asyncio.wrap_future(started[0])
    assert isinstance(answer, FileGone)
    assert (await buried(database), objects(disk_of(runtime.store).root)) == ({clip}, [])
