"""What a pause keeps on the outbox is passed over once a sweep, not once a claim."""

from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.deletion import outbox
from media_analysis.deletion.outbox import CLAIM_PURGE, claim_purge
from media_analysis.deletion.tombstones import PURGE_LEASE, Claim
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.plans import as_new, explain
from tests.retention.conftest import sweep

KEPT = 500


async def rows_read(runtime: Runtime, *, after: datetime | None) -> float:
    """Return what a claim would read, which is rolled back."""
    asked = {"now": await runtime.db.now(), "after": after, "lease": PURGE_LEASE}
    return (await explain(runtime, CLAIM_PURGE.bindparams(**asked))).rows_read


async def test_what_a_pause_keeps_is_looked_at_once_by_a_sweep(
    runtime: Runtime, store_file: StoreFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await store_file(category=Category.UPLOADS)
    clips = [await store_file(category=Category.CLIPS) for _ in range(3)]
    await runtime.deletion.pauses.pause(category=Category.UPLOADS, reason="a backup", by="admin")
    brief = await runtime.deletion.pauses.pause(category=Category.CLIPS, reason="a look", by="admin")
    for file in (kept, *clips):
        await delete_file(runtime, file.id, owner="alice", actor="alice", hard=True)
    await runtime.deletion.pauses.resume(brief.id, confirm=0, by="admin")
    await execute(
        database,
        "INSERT INTO purges (id, tombstone_ids, claimed_at, due_at, attempts)"
        " SELECT gen_random_uuid(), purges.tombstone_ids, purges.claimed_at, purges.due_at - n * interval '1 second', 1"
        f" FROM purges JOIN tombstones ON tombstones.id = purges.tombstone_ids[1], generate_series(1, {KEPT}) AS n"
        " WHERE category = 'uploads'",
        as_new("purges"),
    )

    first = await rows_read(runtime, after=None)
    claim = await runtime.deletion.deleter.claim_unfinished(now=await runtime.db.now())
    assert claim is not None
    later = await rows_read(runtime, after=claim.due_at)
    purged = await runtime.deletion.deleter.purge(claim)
    places: list[datetime | None] = []

    async def noted(session: AsyncSession, *, now: datetime, after: datetime | None) -> Claim | None:
        places.append(after)
        return await claim_purge(session, now=now, after=after)

    monkeypatch.setattr(outbox, "claim_purge", noted)
    report = await sweep(runtime)

    assert (first > KEPT, later < 20) == (True, True), (first, later)
    assert [place is None for place in places] == [True, False, False], "the sweep goes on from claim to claim"
    assert (len(purged.gone), report.files) == (1, 2)
    assert objects(disk_of(runtime.store).root) == [kept.key]
    await execute(database, "DELETE FROM purges WHERE due_at < claimed_at - interval '500 milliseconds'")
    (left,) = await fetch(database, "SELECT count(*) FROM purges WHERE due_at IS NOT NULL")
    assert left["count"] == 1
