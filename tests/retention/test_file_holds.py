"""Holds on files: what they keep, until when, who may release them, and what is told of them."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from media_analysis.deletion.strategy import Strategy
from media_analysis.errors import (
    AdminRequired,
    FileGone,
    FileHeld,
    FileNotFound,
    FileNotReady,
    InvalidRequest,
    MediaAnalysisError,
)
from media_analysis.files.expiry import Expiry
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.states import FOREVER
from tests.asking import delete_file
from tests.conftest import StoreFile
from tests.files.conftest import registration
from tests.retention.conftest import FUTURE, Plant, living, sweep
from tests.retention.jobs import events, facts_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def asked(actor: str = "alice", until: datetime | None = None) -> HoldRequest:
    return HoldRequest(actor=actor, reason="evidence", until=until)


async def test_a_file_held_without_end_outlives_its_expiry_and_goes_once_released(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    later = await runtime.db.now() + DAY

    hold = await runtime.retention.holds.hold_file(file_id, asked(), owner="alice")
    held = await facts_of(database, file_id)
    kept = await sweep(runtime, now=later)
    with pytest.raises(FileHeld):
        await delete_file(runtime, file_id, owner=None, actor="admin", hard=True)
    await runtime.retention.holds.release_file(file_id, owner="alice", actor="alice")
    released = await facts_of(database, file_id)
    gone = await sweep(runtime, now=later)

    assert (hold.ends_at, held["due_at"], held["version"]) == (None, None, 2)
    assert (released["held_until"], released["hold_reason"], released["held_by"]) == (None, None, None)
    assert (released["due_at"], released["version"]) == (released["expires_at"], 3)
    assert (kept.files, gone.files) == (0, 1)


@pytest.mark.parametrize(("held_for", "due_with"), [(2 * HOUR, "held_until"), (HOUR / 2, "expires_at")])
async def test_a_hold_with_an_end_is_due_with_whatever_ends_last(
    runtime: Runtime, plant: Plant, database: str, held_for: timedelta, due_with: str
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    now = await runtime.db.now()

    await runtime.retention.holds.hold_file(file_id, asked(until=now + held_for), owner="alice")
    row = await facts_of(database, file_id)
    early = await sweep(runtime, now=row["due_at"] - timedelta(microseconds=1))
    due = await sweep(runtime, now=row["due_at"])

    assert row["due_at"] == row[due_with]
    assert (early.files, due.files) == (0, 1)


async def test_an_indefinite_file_is_never_due_held_or_not(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file(expiry=Expiry())
    until = await runtime.db.now() + HOUR

    await runtime.retention.holds.hold_file(stored.id, asked(until=until), owner="alice")
    held = await facts_of(database, stored.id)
    await runtime.retention.holds.release_file(stored.id, owner="alice", actor="alice")

    assert held["due_at"] is None
    assert (await facts_of(database, stored.id))["due_at"] is None


async def test_a_new_end_given_during_a_hold_is_due_when_the_hold_ends(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    """Nobody looks at a file again because its hold ended: it must be due by itself."""
    (file_id,) = await plant(1, ends_in=FUTURE)
    until = await runtime.db.now() + DAY
    await runtime.retention.holds.hold_file(file_id, asked(until=until), owner="alice")

    await runtime.files.catalog.change(file_id, owner="alice", expiry=Expiry(lifetime=timedelta(minutes=1)))

    assert (await facts_of(database, file_id))["due_at"] == until
    assert (await sweep(runtime, now=until)).files == 1


async def test_a_hold_in_the_trash_stops_the_purge_until_it_is_released(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file()
    soft = replace(runtime.deletion.deleter, strategy=Strategy(requests=DAY))
    await delete_file(runtime, stored.id, deleter=soft, owner="alice", actor="alice")
    ends_at = (await facts_of(database, stored.id))["trash_ends_at"]

    await runtime.retention.holds.hold_file(stored.id, asked(), owner="alice")
    kept = await sweep(runtime, now=ends_at)
    await runtime.retention.holds.hold_file(stored.id, asked(), owner="alice", now=ends_at + HOUR)
    with pytest.raises(FileGone):
        await runtime.files.catalog.get(stored.id, owner="alice")
    await runtime.retention.holds.release_file(stored.id, owner="alice", actor="alice", now=ends_at + HOUR)
    gone = await sweep(runtime, now=ends_at)

    assert (kept.files, gone.files) == (0, 1)


async def test_what_expired_is_gone_unless_a_hold_still_keeps_it(runtime: Runtime, plant: Plant, database: str) -> None:
    expired, held = await plant(2, ends_in=FUTURE)
    later = await runtime.db.now() + DAY
    await runtime.retention.holds.hold_file(held, asked(), owner="alice")

    for attempt in (
        runtime.retention.holds.hold_file(expired, asked(), owner="alice", now=later),
        runtime.retention.holds.release_file(expired, owner="alice", actor="alice", now=later),
    ):
        with pytest.raises(FileGone):
            await attempt
    await runtime.retention.holds.hold_file(held, asked(until=later + HOUR), owner="alice", now=later)

    assert (await facts_of(database, held))["due_at"] == later + HOUR
    assert (await sweep(runtime, now=later)).files == 1
    assert await living(database) == {held}


async def test_what_an_administrator_holds_its_owner_neither_releases_nor_weakens(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    now = await runtime.db.now()
    until = now + HOUR
    await runtime.retention.holds.hold_file(file_id, asked(), owner="alice")
    await runtime.retention.holds.hold_file(file_id, asked("admin", until), owner=None)
    before = await facts_of(database, file_id)

    for attempt in (
        runtime.retention.holds.release_file(file_id, owner="alice", actor="alice"),
        runtime.retention.holds.hold_file(file_id, asked(until=now + timedelta(minutes=1)), owner="alice"),
    ):
        with pytest.raises(AdminRequired):
            await attempt

    assert await facts_of(database, file_id) == before
    await runtime.retention.holds.hold_file(file_id, asked(), owner=None)
    await runtime.retention.holds.release_file(file_id, owner=None, actor="admin")
    assert (await facts_of(database, file_id))["held_until"] is None


async def test_a_hold_that_has_ended_binds_nobody(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    stored = await store_file()
    until = await runtime.db.now() + HOUR
    await runtime.retention.holds.hold_file(stored.id, asked("admin", until), owner=None)

    await runtime.retention.holds.release_file(stored.id, owner="alice", actor="alice", now=until)

    assert (await facts_of(database, stored.id))["held_until"] is None


async def refused_by(runtime: Runtime, file_id: UUID, owner: str = "alice") -> list[type[MediaAnalysisError]]:
    """Return what a hold and a release answer."""
    found = []
    for attempt in (
        runtime.retention.holds.hold_file(file_id, asked(owner), owner=owner),
        runtime.retention.holds.release_file(file_id, owner=owner, actor=owner),
    ):
        with pytest.raises(MediaAnalysisError) as refused:
            await attempt
        found.append(refused.type)
    return found


async def test_what_cannot_be_held_says_why(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    stored, deleted, pending = await store_file(), await store_file(), registration()
    await delete_file(runtime, deleted.id, owner="alice", actor="alice", hard=True)
    await runtime.upload_transactions.register(pending)

    assert await refused_by(runtime, stored.id, owner="bob") == [FileNotFound] * 2
    assert await refused_by(runtime, deleted.id) == [FileGone] * 2
    assert await refused_by(runtime, pending.id) == [FileNotReady] * 2
    with pytest.raises(InvalidRequest, match="until"):
        await runtime.retention.holds.hold_file(stored.id, asked(until=await runtime.db.now()), owner="alice")
    assert (await facts_of(database, stored.id))["held_until"] is None
    assert await events(database, action="held") == []


async def test_every_hold_and_release_is_audited_and_nothing_else_is(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file()
    until = await runtime.db.now() + HOUR

    await runtime.retention.holds.release_file(stored.id, owner="alice", actor="alice")
    await runtime.retention.holds.hold_file(stored.id, asked(until=until), owner="alice")
    await runtime.retention.holds.hold_file(stored.id, asked("admin"), owner=None)
    await runtime.retention.holds.release_file(stored.id, owner=None, actor="root")

    told = await events(database, file_id=stored.id)
    assert [(event["actor"], event["action"], event["owner"], event["reason"]) for event in told] == [
        ("alice", "held", "alice", "evidence"),
        ("admin", "held", "alice", "evidence"),
        ("root", "released", "alice", "evidence"),
    ]
    assert [json.loads(event["told"]) for event in told] == [
        {"until": until.isoformat(), "reason": "evidence", "by": "alice"},
        {"until": None, "reason": "evidence", "by": "admin"},
        {"until": None, "reason": "evidence", "by": "admin"},
    ]
    assert (await facts_of(database, stored.id))["version"] == 4


async def test_a_hold_without_end_reads_back_as_such(runtime: Runtime, store_file: StoreFile) -> None:
    """PostgreSQL's `infinity` comes back without its zone and compares with nothing."""
    stored = await store_file()
    await runtime.retention.holds.hold_file(stored.id, asked(), owner="alice")

    assert (await runtime.files.catalog.get(stored.id, owner="alice")).held_until == FOREVER
