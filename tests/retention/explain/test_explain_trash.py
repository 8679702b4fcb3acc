"""Explanations on the way through the trash, and back out of it."""

from functools import partial

import pytest

from media_analysis.retention.explain.explanation import Barrier, RetentionState
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile
from tests.retention.conftest import Plant, sweep
from tests.retention.explain.test_explain import DAY, events, explain, steps


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that deletes by way of the trash, where it is kept for a day."""
    return environment | {"DELETION_STRATEGY": "soft", "TRASH_RETENTION": "24h"}


@pytest.fixture
def plant(plant: Plant) -> Plant:
    """Stores what becomes trash first, as the scratch that is planted elsewhere does not."""
    return partial(plant, category=Category.UPLOADS)


async def test_the_way_through_the_trash_is_foretold(runtime: Runtime, store_file: StoreFile) -> None:
    file = await store_file(ttl=3600)

    told = await explain(runtime, file.id)

    assert file.expires_at is not None
    assert told.swept_at is not None
    assert (told.action, told.at, told.rule) == ("trash", file.expires_at, "explicit_expiry")
    assert steps(told) == [
        ("expires", file.expires_at),
        ("trash", file.expires_at),
        ("purge", told.swept_at + DAY),
    ]


async def test_what_a_sweep_threw_away_goes_when_the_trash_ends(runtime: Runtime, plant: Plant) -> None:
    (file_id,) = await plant(1)
    report = await sweep(runtime)

    told = await explain(runtime, file_id)

    assert told.at == report.started_at + DAY
    assert (told.state, told.action, told.rule) == ("trashed", "purge", "trash")
    assert [(one.rule, one.until) for one in told.blockers] == [(Barrier.TRASH, told.at)]
    assert steps(told) == [("purge", told.at)]
    assert events(told) == ["expired", "created", "stored", "trashed"]
    assert (told.timeline[-1].sweep_id, told.timeline[-1].rule) == (report.id, "explicit_expiry")


async def test_the_whole_life_is_told_in_order(runtime: Runtime, store_file: StoreFile) -> None:
    file = await store_file(ttl=3600)
    hold = HoldRequest(actor="alice", reason="wait")
    await runtime.retention.holds.hold_file(file.id, hold, owner="alice")
    await runtime.retention.holds.release_file(file.id, owner="alice", actor="alice")
    await delete_file(runtime, file.id, owner="alice", actor="alice", reason="oops")
    await runtime.retention.trash.restore(file.id, owner="alice", actor="alice")
    await delete_file(runtime, file.id, owner="alice", actor="alice", hard=True)

    told = await explain(runtime, file.id)

    assert events(told) == ["created", "held", "released", "trashed", "restored", "deleted", "purged"]
    assert [moment.at for moment in told.timeline] == sorted(moment.at for moment in told.timeline)


async def test_a_sweep_that_was_undone_stays_in_the_timeline(runtime: Runtime, plant: Plant) -> None:
    (file_id,) = await plant(1)
    report = await sweep(runtime)
    await runtime.retention.trash.undo(report.id, actor="admin")

    told = await explain(runtime, file_id)

    trashed, restored = told.timeline[-2:]
    assert (trashed.event, trashed.sweep_id, trashed.rule) == ("trashed", report.id, "explicit_expiry")
    assert (restored.event, restored.actor) == ("restored", "admin")
    assert told.state is RetentionState.STORED
