"""Pauses: while one stands nothing goes, and only the right number lets it go on."""

from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from media_analysis.deletion.deleter import Deleter, Purged
from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, PauseService, add_pause, require_running
from media_analysis.deletion.tombstones import Claim
from media_analysis.errors import ConfirmationNeeded, DeletionPaused, PauseNotFound
from media_analysis.retention.models import SweepStatus
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import fetch
from tests.retention.conftest import Plant, buried, living, request, sweep, sweeping


@pytest.mark.parametrize("category", [None, Category.TEMP])
async def test_a_paused_category_is_not_swept_until_it_is_resumed(
    runtime: Runtime, plant: Plant, database: str, category: Category | None
) -> None:
    temp, clips = set(await plant(3)), set(await plant(2, category=Category.CLIPS))
    pause = await runtime.deletion.pauses.pause(category=category, reason="backup", by="admin")

    paused = await sweep(runtime)
    gone = await buried(database)
    await runtime.deletion.pauses.resume(pause.id, confirm=0, by="admin")
    after = await sweep(runtime)

    assert paused.status is SweepStatus.PAUSED
    assert gone == (set() if category is None else clips)
    assert paused.paused[Category.TEMP] == "backup"
    assert after.status is SweepStatus.COMPLETED
    assert await buried(database) == temp | clips


@dataclass(frozen=True)
class OvertakenDeleter(Deleter):
    """Deletes as ever, while an operator elsewhere pauses after the first batch was claimed."""

    pauses: PauseService | None = None

    async def purge(self, claim: Claim) -> Purged:
        assert self.pauses is not None
        if not await self.pauses.list():
            await replace(self.pauses, settle_seconds=0).pause(category=Category.TEMP, reason="enough", by="admin")
        return await super().purge(claim)


async def test_a_pause_stops_a_sweep_under_way_before_its_next_batch(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    first, *rest = await plant(5)
    clips = await plant(2, category=Category.CLIPS)
    overtaken = OvertakenDeleter(**vars(runtime.deletion.deleter), pauses=runtime.deletion.pauses)

    report = await replace(sweeping(runtime, batch_size=1, workers=1), deleter=overtaken).run(request())

    assert (report.status, report.paused) == (SweepStatus.PAUSED, {Category.TEMP: "enough"})
    assert report.of(Category.TEMP).files_removed == 0, "its bytes wait for the end of the pause"
    assert await buried(database) == {first, *clips}
    assert await living(database) == set(rest)


async def test_a_rehearsal_of_what_is_paused_says_so(runtime: Runtime, plant: Plant) -> None:
    await plant(3)
    await runtime.deletion.pauses.pause(category=Category.TEMP, reason="backup", by="admin")

    rehearsed = await runtime.retention.sweeps.run(request(dry_run=True))

    assert (rehearsed.status, rehearsed.files) == (SweepStatus.PAUSED, 0)
    assert rehearsed.paused == {Category.TEMP: "backup"}


async def test_only_the_number_a_pause_names_resumes_it(runtime: Runtime) -> None:
    async with runtime.db.transaction() as session:
        finding = PauseFinding(cause=PauseCause.SHARE, reason="too much", files=12, size_bytes=34)
        pause = await add_pause(session, Category.UPLOADS, finding, by="breaker")

    for wrong in (None, 0, 11, 13):
        with pytest.raises(ConfirmationNeeded, match="'12'"):
            await runtime.deletion.pauses.resume(pause.id, confirm=wrong, by="admin")
    still_open = await runtime.deletion.pauses.list(is_open=True)
    resumed = await runtime.deletion.pauses.resume(pause.id, confirm=12, by="admin")
    again = await runtime.deletion.pauses.resume(pause.id, confirm=0, by="bob")

    assert [stands.id for stands in still_open] == [pause.id]
    assert (resumed.resumed_by, again.resumed_by) == ("admin", "admin")
    assert resumed.resumed_at is not None
    assert await runtime.deletion.pauses.list(is_open=True) == []


async def test_an_unknown_pause_cannot_be_resumed(runtime: Runtime) -> None:
    with pytest.raises(PauseNotFound):
        await runtime.deletion.pauses.resume(uuid4(), confirm=0, by="admin")


async def test_all_pauses_are_resumed_by_the_number_they_name_together(runtime: Runtime) -> None:
    async with runtime.db.transaction() as session:
        for files in (3, 4):
            finding = PauseFinding(cause=PauseCause.SHARE, reason="too much", files=files)
            await add_pause(session, Category.UPLOADS, finding, by="breaker")
    await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")

    with pytest.raises(ConfirmationNeeded, match="'7'"):
        await runtime.deletion.pauses.resume_all(confirm=3, by="admin")
    resumed = await runtime.deletion.pauses.resume_all(confirm=7, by="admin")

    assert len(resumed) == 3
    assert await runtime.deletion.pauses.resume_all(confirm=None, by="admin") == []
    assert [pause.resumed_by for pause in await runtime.deletion.pauses.list(is_open=False)] == ["admin"] * 3


async def test_who_paused_and_resumed_is_audited(runtime: Runtime, database: str) -> None:
    pause = await runtime.deletion.pauses.pause(category=Category.CLIPS, reason="backup", by="alice")
    await runtime.deletion.pauses.resume(pause.id, confirm=0, by="bob")

    rows = await fetch(database, "SELECT actor, action, reason, details ->> 'pause_id' AS id FROM audit_events")

    told = {tuple(row) for row in rows if row["action"] in {"paused", "resumed"}}
    assert told == {("alice", "paused", "backup", str(pause.id)), ("bob", "resumed", None, str(pause.id))}


@pytest.mark.parametrize(
    ("cause", "stops"),
    [
        (PauseCause.SHARE, False),
        (PauseCause.MEDIAN, False),
        (PauseCause.OPERATOR, True),
        (PauseCause.CLOCK, True),
    ],
)
async def test_the_breaker_does_not_keep_uploads_that_were_given_up(
    runtime: Runtime, cause: PauseCause, *, stops: bool
) -> None:
    async with runtime.db.transaction() as session:
        await add_pause(session, Category.TEMP, PauseFinding(cause=cause, reason="stop"), by="test")
        with pytest.raises(DeletionPaused):
            await require_running(session, Category.TEMP)
        stopped = False
        try:
            await require_running(session, Category.TEMP, only_pending=True)
        except DeletionPaused:
            stopped = True

    assert stopped is stops
