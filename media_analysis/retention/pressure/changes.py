"""Water marks that were changed: whom they would evict at once, and evictions that wait for a confirmation."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.db.instance import Instance
from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_pause, find_pause, tell
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import adopt_configured, get_policy, marks_differ, require_policy
from media_analysis.retention.pressure.foresight import Foreseen, foresee_relief
from media_analysis.retention.pressure.levels import CategoryLevel, DiskLevel, DiskMarks, get_used_bytes
from media_analysis.storage.category import SCRATCH, Category
from media_analysis.storage.store import ObjectStore

BY = "start"


async def foresee_marks(session: AsyncSession, category: Category, policy: Policy, *, now: datetime) -> Foreseen:
    """Return what the marks of a policy would evict from a category at once, paused or not."""
    level = CategoryLevel(category, policy.of(category), await get_used_bytes(session, category))
    return await foresee_relief(session, (category,), policy, level.wanted_bytes, now=now, despite_pauses=True)


async def adopt_policy(session: AsyncSession, configured: Policy, *, only_the_first: bool) -> None:
    """Put the configured policy in force if it is a new one; what its marks would evict at once waits for somebody."""
    if only_the_first and await get_policy(session) is not None:
        return
    now = (await session.execute(select(func.now()).select_from(Instance).with_for_update(of=Instance))).scalar_one()
    before, after = await adopt_configured(session, configured)
    if before is None or before.version == after.version:
        return
    for category in Category:
        if marks_differ(before.of(category), after.of(category)):
            foreseen = await foresee_marks(session, category, after, now=now)
            await _pause(session, {category: foreseen}, f"the water marks of {category.value} were changed")


async def adopt_disk_marks(db: Database, store: ObjectStore, marks: DiskMarks) -> None:
    """Remember the disk's marks; what stricter ones than those of the last start would evict waits for somebody."""
    level = DiskLevel(await store.capacity(), marks)
    async with db.transaction() as session:
        now = await session.scalar(select(func.now()))
        instance = (await session.scalars(select(Instance).with_for_update())).one()
        before = _marks_of(instance)
        if before == marks:
            return
        instance.disk_high_percent, instance.disk_low_percent = marks.high_percent, marks.low_percent
        instance.disk_reserve_bytes = marks.reserve_bytes
        await session.flush()
        if before is None or level.wanted_bytes <= DiskLevel(level.capacity, before).wanted_bytes or now is None:
            return
        policy, categories = await require_policy(session), store.categories_beside("")
        foreseen = await foresee_relief(session, categories, policy, level.wanted_bytes, now=now, despite_pauses=True)
        await _pause(session, dict.fromkeys(categories, foreseen), "the marks of the disk were changed")


def _marks_of(instance: Instance) -> DiskMarks | None:
    high, low, reserve = instance.disk_high_percent, instance.disk_low_percent, instance.disk_reserve_bytes
    if high is None or low is None or reserve is None:
        return None
    return DiskMarks(reserve_bytes=reserve, high_percent=high, low_percent=low)


async def _pause(session: AsyncSession, foreseen: Mapping[Category, Foreseen], why: str) -> None:
    """Pause evictions in each category that would lose something; scratch is there to be evicted."""
    for category, found in foreseen.items():
        files, size_bytes = found.of(category)
        if not files or category in SCRATCH or await find_pause(session, category, evicting=True) is not None:
            continue
        reason = f"{why}, and would evict {files} files, {size_bytes} bytes, of {category.value} at once"
        finding = PauseFinding(cause=PauseCause.MARKS, reason=reason, files=files, size_bytes=size_bytes)
        tell(await add_pause(session, category, finding, by=BY))
