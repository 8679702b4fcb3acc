"""Every slot of a scheduled duty is done once, late if need be, by whoever lives (promise 46)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import pytest
from structlog.testing import capture_logs

from media_analysis.failpoints import KILL_VARIABLE
from media_analysis.retention.duties import LEASE, DutyService, DutyTurn, Punctuality
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.scheduler.appointments import Appointment, planned_sweeps
from media_analysis.scheduler.timetable import running_scheduler
from media_analysis.settings import Settings, configured_policy, load_settings
from media_analysis.storage.category import Category
from tests.conftest import Client, StoreFile, execute, fetch
from tests.crash.service import served
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.scheduler.duties import fall_due, keep_as, never

NIGHTLY = "0 2 * * *"
REQUEST = SweepRequest(trigger=SweepTrigger.SCHEDULE, actor="scheduler")
SWEEP = Appointment.of_sweep(NIGHTLY, REQUEST)
OVERDUE = "UPDATE media_files SET expires_at = now() - interval '1 h', due_at = now() - interval '1 h'"


@dataclass(frozen=True)
class Ending(DutyService):
    """A process that is told to end in one step of its duty."""

    step: str = ""

    async def claim(self, name: str, *, now: datetime | None = None) -> DutyTurn | None:
        turn = await super().claim(name, now=now)
        if self.step == "claim":
            raise asyncio.CancelledError
        return turn

    async def end(self, turn: DutyTurn, *, next_slot: datetime | None, now: datetime | None = None) -> None:
        if self.step == "end":
            raise asyncio.CancelledError
        await super().end(turn, next_slot=next_slot, now=now)


async def statuses(database: str) -> list[str]:
    return [row["status"] for row in await fetch(database, "SELECT status::text FROM sweeps ORDER BY started_at")]


async def duty(database: str, name: str = SWEEP.name) -> asyncpg.Record:
    (row,) = await fetch(database, "SELECT *, due_at > now() AS is_done FROM duties WHERE name = $1", name)
    return row


async def punctuality(runtime: Runtime) -> Sequence[Punctuality]:
    return [one for one in await DutyService(runtime.db).list() if one.name == SWEEP.name]


async def test_a_slot_that_nobody_was_there_for_is_done_late_and_once(
    runtime: Runtime, settings: Settings, database: str
) -> None:
    await fall_due(runtime, SWEEP, ago=timedelta(days=3))
    (late,) = await punctuality(runtime)

    async with open_runtime(settings, database) as other:
        await asyncio.gather(keep_as(runtime, SWEEP), keep_as(other, SWEEP))
        await keep_as(other, SWEEP)

    (on_time,) = await punctuality(runtime)
    assert await statuses(database) == ["completed"], "what was missed of three days is one sweep"
    assert (await duty(database))["is_done"]
    assert late.is_late
    assert (on_time.late_seconds, on_time.error, on_time.succeeded_at is None) == (0, None, False)


async def test_a_slot_whose_work_failed_is_tried_again_after_a_while(runtime: Runtime, database: str) -> None:
    marker, duties = disk_of(runtime.store).root / ".media-analysis", DutyService(runtime.db)
    kept = marker.read_text()
    marker.unlink()
    await fall_due(runtime, SWEEP)

    with capture_logs() as logs:
        await keep_as(runtime, SWEEP)
    marker.write_text(kept)
    await keep_as(runtime, SWEEP)
    too_early = await statuses(database)
    problems = await runtime.retention.status.problems()
    firing = await runtime.alerts.check()
    await execute(database, "UPDATE duties SET retry_at = now()")
    await keep_as(runtime, SWEEP, duties)

    assert ("duty.failed", "marker_mismatch") in {(line["event"], line.get("code")) for line in logs}
    assert too_early == ["failed"]
    assert [problem for problem in problems if "its last attempt failed (marker_mismatch)" in problem]
    assert f"alert:duty_late:{SWEEP.name}" in firing
    assert await statuses(database) == ["failed", "completed"]
    assert (await duty(database))["is_done"]


async def test_a_bug_in_a_duty_is_logged_and_its_slot_stays_due(runtime: Runtime, database: str) -> None:
    await fall_due(runtime, SWEEP)
    await execute(database, "ALTER TABLE media_files RENAME COLUMN due_at TO was_due_at")

    with capture_logs() as logs:
        await keep_as(runtime, SWEEP)
    await execute(database, "ALTER TABLE media_files RENAME COLUMN was_due_at TO due_at")

    assert "duty.crashed" in {line["event"] for line in logs}
    assert await statuses(database) == ["failed"]
    assert not (await duty(database))["is_done"]


async def test_what_a_pause_kept_is_done_after_it(runtime: Runtime, database: str, store_file: StoreFile) -> None:
    await store_file(b"due")
    await execute(database, OVERDUE)
    await runtime.deletion.pauses.pause(category=Category.UPLOADS, reason="backup", by="admin")
    await fall_due(runtime, SWEEP)

    await keep_as(runtime, SWEEP)
    left = objects(disk_of(runtime.store).root)
    await runtime.deletion.pauses.resume_all(confirm=0, by="admin")
    await execute(database, "UPDATE duties SET retry_at = now()")
    await keep_as(runtime, SWEEP)

    assert len(left) == 1
    assert await statuses(database) == ["paused", "completed"]
    assert objects(disk_of(runtime.store).root) == []


async def test_a_duty_is_its_holders_for_as_long_as_that_one_lives(runtime: Runtime, database: str) -> None:
    await fall_due(runtime, SWEEP)
    now = await runtime.db.now()

    dead = await DutyService(runtime.db).claim(SWEEP.name, now=now)
    await execute(database, f"UPDATE duties SET claimed_until = '{now + LEASE}'")  # as it renews it
    living = DutyService(runtime.db)
    early = await living.claim(SWEEP.name, now=now + LEASE / 4)
    just_before = await living.claim(SWEEP.name, now=now + LEASE - timedelta(seconds=1))
    late = await living.claim(SWEEP.name, now=now + LEASE)

    assert dead is not None
    assert (early, just_before) == (None, None)
    assert late is not None
    assert (late.slot, late.attempt) == (dead.slot, 2)


async def test_another_schedule_counts_from_now_on_and_forgets_nothing_it_missed(
    runtime: Runtime, database: str
) -> None:
    duties, now = DutyService(runtime.db), await runtime.db.now()
    missed, coming, sooner = now - timedelta(hours=1), now + timedelta(days=1), now + timedelta(hours=1)
    await duties.meet({"missed": (NIGHTLY, missed), "coming": (NIGHTLY, coming), "gone": (NIGHTLY, coming)})

    await duties.meet({"missed": ("0 * * * *", sooner), "coming": ("0 * * * *", sooner)})
    await duties.delete_unplanned(planned=["missed", "coming"], prefix="go")

    rows = await fetch(database, "SELECT name, due_at FROM duties ORDER BY name")
    assert [tuple(row) for row in rows] == [("coming", sooner), ("missed", missed)]


async def test_what_nobody_plans_is_forgotten_once_it_is_left_alone_and_not_while_others_keep_it(
    runtime: Runtime, database: str
) -> None:
    duties, now = DutyService(runtime.db), await runtime.db.now()
    hour, soon = timedelta(hours=1), now + timedelta(minutes=10)
    due = {
        "left": now - hour,
        "fresh": now - hour / 6,
        "coming": now + hour,
        "at work": now - hour,
        "failing": now - hour,
    }
    await duties.meet({name: (NIGHTLY, slot) for name, slot in due.items()})
    await duties.claim("at work")
    await execute(database, "UPDATE duties SET retry_at = now() + interval '10 min' WHERE name = 'failing'")

    await duties.delete_unplanned(planned=[])

    assert {one.name for one in await duties.list(now=soon)} == {"fresh", "coming", "at work", "failing"}


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ({"STORAGE_CLEANUP_ENABLED": "false"}, {"cleanup", "abandoned", "relieve"}),
        ({"STORAGE_SCRUB_SCHEDULE": "none"}, {"scrub"}),
        ({"ARCHIVE_ENABLED": "false"}, {"archive"}),
    ],
)
async def test_what_the_settings_switch_off_does_not_become_late(
    environment: dict[str, str], database: str, off: dict[str, str], gone: set[str]
) -> None:
    quietly = {**environment, "STORAGE_CLEANUP_RUN_AT_START": "false"}

    before = await _planned_by(load_settings(environ=quietly).settings, database)
    await execute(database, "UPDATE duties SET due_at = now() - interval '7 h' WHERE name <> 'warn'")
    after = await _planned_by(load_settings(environ={**quietly, **off}).settings, database)

    assert {name.partition(":")[0] for name in before - after} == gone


async def _planned_by(settings: Settings, database: str) -> set[str]:
    async with open_runtime(settings, database) as runtime, running_scheduler(runtime, never):
        return {duty.name for duty in await DutyService(runtime.db).list()}


async def test_a_duty_at_work_or_under_a_pause_is_not_late_and_a_failed_one_is(runtime: Runtime, database: str) -> None:
    await fall_due(runtime, SWEEP)
    duties = DutyService(runtime.db)

    turn = await duties.claim(SWEEP.name)
    assert turn is not None
    (at_work,) = await punctuality(runtime)
    await duties.leave(turn, error=None)
    (waiting,) = await punctuality(runtime)
    abandoned = await duties.list(now=await runtime.db.now() + timedelta(hours=2))
    await execute(database, "UPDATE duties SET retry_at = NULL")
    failing = await duties.claim(SWEEP.name)
    assert failing is not None
    await duties.leave(failing, error="marker_mismatch")
    (failed,) = await punctuality(runtime)

    assert (at_work.late_seconds, waiting.late_seconds) == (0, 0)
    assert [one.is_late for one in abandoned] == [True]
    assert failed.is_late


@pytest.mark.parametrize("step", ["claim", "end"])
async def test_a_duty_is_handed_back_whenever_its_process_ends(runtime: Runtime, database: str, step: str) -> None:
    await fall_due(runtime, SWEEP)

    with pytest.raises(asyncio.CancelledError):
        await keep_as(runtime, SWEEP, Ending(runtime.db, step=step))

    assert (await duty(database))["claimed_by"] is None


async def test_metrics_tell_when_a_duty_was_last_done(client: Client, runtime: Runtime) -> None:
    await fall_due(runtime, SWEEP)
    before = (await client.http.get("/metrics")).text

    await keep_as(runtime, SWEEP)
    after = (await client.http.get("/metrics")).text

    succeeded = f'duty_last_success_timestamp_seconds{{duty="{SWEEP.name}"}}'
    late = f'duty_late_seconds{{duty="{SWEEP.name}"}}'
    assert succeeded not in before
    assert succeeded in after
    assert f"{late} 0.0" in after
    assert f"{late} 0.0" not in before


async def test_a_sweep_whose_service_is_killed_is_finished_by_a_living_replica(
    runtime: Runtime, store_file: StoreFile, environment: dict[str, str], database: str, settings: Settings
) -> None:
    planned = planned_sweeps(configured_policy(settings))
    uploads = next(one for one in planned if Category.UPLOADS in one[1].categories and not one[1].only_pending)
    nightly = Appointment.of_sweep(*uploads)
    await fall_due(runtime, nightly)
    await store_file(b"due")
    await execute(database, OVERDUE)

    quietly = {"STORAGE_CLEANUP_RUN_AT_START": "false", "WORKER_ENABLED": "false"}
    async with served(environment, **quietly, **{KILL_VARIABLE: "delete.claimed:1"}) as service:
        await service.wait_for_death()
    claimed = await duty(database, nightly.name)
    await execute(
        database, "UPDATE duties SET claimed_until = now()", "UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL"
    )
    async with running_scheduler(runtime):
        async with asyncio.timeout(60):
            while not (await duty(database, nightly.name))["is_done"]:  # noqa: ASYNC110 - rows set no Event
                await asyncio.sleep(0.02)

    assert (claimed["claimed_by"] is None, claimed["attempts"]) == (False, 1)
    assert objects(disk_of(runtime.store).root) == []
