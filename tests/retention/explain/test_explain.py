"""Explanations of single files: what they say is what the sweep does, from the upload to the purge."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_pause
from media_analysis.errors import FileNotFound
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.explain.explanation import (
    Barrier,
    BarrierScope,
    Explanation,
    NextAction,
)
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute
from tests.files.conftest import registration
from tests.retention.conftest import Plant, claim_all, let_purges_lapse, sweep
from tests.retention.jobs import add_job, assign

DAY = timedelta(days=1)


async def explain(
    runtime: Runtime, file_id: UUID, *, owner: str | None = "alice", now: datetime | None = None
) -> Explanation:
    return await runtime.retention.explanations.explain(file_id, owner=owner, now=now)


def events(told: Explanation) -> list[str]:
    return [moment.event for moment in told.timeline]


def steps(told: Explanation) -> list[tuple[str, datetime]]:
    return [(step.step, step.at) for step in told.next_steps]


async def test_a_stored_file_goes_by_its_categorys_lifetime_at_the_next_tick(
    runtime: Runtime, store_file: StoreFile
) -> None:
    file = await store_file()

    told = await explain(runtime, file.id)

    assert file.expires_at is not None
    assert (told.state, told.action, told.at) == ("stored", "delete", file.expires_at)
    assert told.rule == "category_lifetime"
    assert told.swept_at is not None
    assert (told.swept_at.hour, told.swept_at.minute) == (2, 0)
    assert timedelta(0) <= told.swept_at - file.expires_at < DAY
    assert steps(told) == [
        ("expires", file.expires_at),
        ("delete", file.expires_at),
        ("purge", told.swept_at),
    ]
    assert (told.blockers, told.attempts, told.last_error) == ([], 0, None)
    assert events(told) == ["created", "stored"]
    async with runtime.db.read_only() as session:
        assert told.policy_version == (await require_policy(session)).version


async def test_what_keeps_indefinitely_has_no_date(runtime: Runtime, store_file: StoreFile) -> None:
    file = await store_file(category=Category.OUTPUTS)

    told = await explain(runtime, file.id)

    assert (told.action, told.at, told.swept_at, told.rule) == ("keep", None, None, "indefinite")
    assert told.next_steps == []
    assert told.eviction_rank is None


@pytest.mark.parametrize("minutes", [-10, -1, 0, 1, 30, 90, 24 * 60])
async def test_a_sweep_at_any_time_does_what_was_explained(
    runtime: Runtime, plant: Plant, database: str, minutes: int
) -> None:
    plain, held, minimum, for_ever = await plant(4, ends_in=timedelta(0))
    await execute(
        database,
        f"UPDATE media_files SET held_until = now() + interval '1 hour' WHERE id = '{held}'",
        f"UPDATE media_files SET min_retain_until = now() + interval '20 min' WHERE id = '{minimum}'",
        f"UPDATE media_files SET job_held_until = 'infinity' WHERE id = '{for_ever}'",
    )
    now = await runtime.db.now() + timedelta(minutes=minutes)
    told = [await explain(runtime, file_id, now=now) for file_id in (plain, held, minimum, for_ever)]

    await sweep(runtime, now=now)

    after = [await explain(runtime, file_id, now=now) for file_id in (plain, held, minimum, for_ever)]
    assert [one.state == "purged" for one in after] == [one.at is not None and one.at <= now for one in told]
    assert told[3].at is None
    assert [one.rule for one in after if one.state == "purged"] == [
        one.rule for one in told if one.at is not None and one.at <= now
    ]


async def test_each_protection_blocks_and_is_told_apart(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    file, job_id = await store_file(), await add_job(database)
    await assign(database, job_id, file.id)
    now = await runtime.db.now()
    await runtime.retention.holds.hold_file(
        file.id, HoldRequest(actor="alice", reason="mine", until=now + DAY), owner="alice"
    )
    await runtime.retention.holds.hold_job(job_id, HoldRequest(actor="admin", reason="audit"), owner=None)
    await execute(
        database,
        f"UPDATE media_files SET leased_until = now() + interval '1 h', min_retain_until = now() + interval '2 h'"
        f" WHERE id = '{file.id}'",
    )
    async with runtime.db.transaction() as session:
        pause = PauseFinding(cause=PauseCause.OPERATOR, reason="backup")
        await add_pause(session, Category.UPLOADS, pause, by="admin")

    told = await explain(runtime, file.id)

    assert [
        (one.rule, one.scope, one.until, one.reason, one.by)
        for one in told.blockers
        if one.by or one.rule is Barrier.PAUSED
    ] == [
        (Barrier.HOLD, BarrierScope.FILE, now + DAY, "mine", "alice"),
        (Barrier.HOLD, BarrierScope.JOB, None, "audit", "admin"),
        (Barrier.PAUSED, BarrierScope.CATEGORY, None, "backup", None),
    ]
    assert [one.rule for one in told.blockers][2:4] == [Barrier.JOB_LEASE, Barrier.MINIMUM_RETENTION]
    assert (told.rule, told.action, told.at) == ("hold", "keep", None)
    assert [loser.rule for loser in told.losing_rules] == [
        "job_lease",
        "minimum_retention",
        "category_lifetime",
        "pressure",
    ]
    assert [step.step for step in told.next_steps] == ["protection_ends"] * 3 + ["expires"]
    assert events(told) == ["created", "stored", "held", "held"]
    assert [moment.actor for moment in told.timeline][2:] == ["alice", "admin"]


async def test_an_upload_under_way_lives_by_its_lease(runtime: Runtime) -> None:
    asked = registration()
    await runtime.upload_transactions.register(asked)

    told = await explain(runtime, asked.id)

    assert (told.state, told.action, told.rule) == ("pending", "delete", "upload_lease")
    assert told.at is not None
    assert [(one.rule, one.until) for one in told.blockers] == [(Barrier.UPLOAD_LEASE, told.at)]
    assert told.swept_at is not None
    assert told.swept_at.minute % 15 == 0
    assert events(told) == ["created"]


async def test_an_upload_that_was_given_up_is_told_to_administrators_only(runtime: Runtime) -> None:
    asked = registration()
    await runtime.upload_transactions.register(asked)
    await runtime.deletion.deleter.discard_uploads([asked.id])

    told = await explain(runtime, asked.id, owner=None)

    assert (told.state, told.rule, told.policy_version) == ("purged", "upload_abandoned", None)
    assert events(told) == ["created", "deleted", "purged"]
    with pytest.raises(FileNotFound):
        await explain(runtime, asked.id)


async def test_a_foreign_file_is_unknown_living_or_dead(runtime: Runtime, store_file: StoreFile) -> None:
    living, dead = await store_file(), await store_file()
    await delete_file(runtime, dead.id, owner="alice", actor="alice")

    for file_id in (living.id, dead.id, uuid4()):
        with pytest.raises(FileNotFound):
            await explain(runtime, file_id, owner="bob")


async def test_a_deleted_file_says_who_when_and_why(runtime: Runtime, store_file: StoreFile) -> None:
    file = await store_file()
    await delete_file(runtime, file.id, owner="alice", actor="alice", reason="done with it")

    told = await explain(runtime, file.id)

    assert (told.state, told.action, told.at, told.rule) == ("purged", "done", None, "requested")
    assert told.policy_version is not None
    assert events(told) == ["created", "deleted", "purged"]
    deleted, purged = told.timeline[1:]
    assert (deleted.actor, deleted.reason, deleted.rule) == ("alice", "done with it", "requested")
    assert purged.details == {"method": "unlink"}


async def test_bytes_that_still_have_to_go_are_told_with_attempts_and_the_last_error(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    (file_id,) = await plant(1)
    await claim_all(runtime, Category.TEMP, by="a sweeper that dies")
    claimed = await explain(runtime, file_id)
    await execute(database, "UPDATE purges SET attempts = 3, last_error = 'EIO'")
    failed = await explain(runtime, file_id)
    await execute(database, "UPDATE purges SET due_at = NULL, dead_at = now()")
    dead = await explain(runtime, file_id)
    await execute(database, "UPDATE purges SET due_at = now(), dead_at = NULL")
    await let_purges_lapse(database)
    await sweep(runtime)
    gone = await explain(runtime, file_id)

    assert (claimed.state, claimed.action, claimed.attempts) == ("deleted", "purge", 1)
    assert claimed.at is not None
    assert steps(claimed) == [("purge", claimed.at)]
    assert (failed.attempts, failed.last_error, failed.dead_letter) == (3, "EIO", False)
    assert (dead.dead_letter, dead.at, [one.rule for one in dead.blockers]) == (True, None, [Barrier.DEAD_LETTER])
    assert (gone.state, gone.action, events(gone)[-1]) == ("purged", NextAction.DONE, "purged")


async def test_explaining_asks_few_questions(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    file, job_id = await store_file(), await add_job(database)
    await assign(database, job_id, file.id)
    await runtime.retention.explanations.explain(file.id, owner=None)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(runtime.db.engine.sync_engine, "before_cursor_execute", note)
    await runtime.retention.explanations.explain(file.id, owner=None)
    of_file, asked[:] = len(asked), []
    await runtime.retention.explanations.explain_job(job_id, owner=None, before=None, limit=100)
    event.remove(runtime.db.engine.sync_engine, "before_cursor_execute", note)

    assert of_file <= 6 + 4  # the rank asks for pauses, who holds what, and two queues
    assert len(asked) <= 8


class TestWithoutSchedule:
    """A service whose scheduler only rehearses."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_CLEANUP_DRY_RUN": "true"}

    async def test_no_tick_is_promised(self, runtime: Runtime, store_file: StoreFile) -> None:
        told = await explain(runtime, (await store_file()).id)

        assert told.at is not None
        assert told.swept_at is None
