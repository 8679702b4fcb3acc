"""What is left of objects that were never whole goes, but what somebody still writes does not."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import pytest

from media_analysis.records.leftovers import LeftoverService
from media_analysis.runtime import Runtime
from media_analysis.storage.store import DeleteOutcome
from tests.conftest import execute, storing

COPY = """
    INSERT INTO replicas (file_id, key, size_bytes, noted_at, due_at, lease_id, last_error)
    SELECT id, key, size_bytes, now() - interval '2 days', now() + interval '{due}', {lease}, {error}
    FROM media_files WHERE id = '{id}'
"""


async def test_what_a_live_lease_still_copies_is_not_aborted_and_what_one_left_is(
    runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a slow link the copy of a large file takes longer than a day."""
    store, lease = storing(runtime), "gen_random_uuid()"
    leases = {
        "copied": ("50 s", lease, "NULL"),
        "left": ("-1 s", lease, "NULL"),
        "failed": ("15 min", lease, "'refused'"),
        "waiting": ("20 s", "NULL", "NULL"),
    }
    files = {name: await store(name.encode()) for name in (*leases, "whole")}
    for name, (due, lease_id, error) in leases.items():
        await execute(database, COPY.format(id=files[name].id, due=due, lease=lease_id, error=error))
    aborted: list[str] = []

    async def abandoned(_: datetime) -> AsyncIterator[Sequence[str]]:
        yield [file.key for file in files.values()]

    async def abort(keys: Sequence[str]) -> DeleteOutcome:
        aborted.extend(keys)
        return DeleteOutcome(keys)

    monkeypatch.setattr(runtime.store, "abandoned", abandoned)
    monkeypatch.setattr(runtime.store, "abort", abort)
    ended = await LeftoverService(runtime.db, runtime.store).end(now=await runtime.db.now())

    assert (ended, aborted) == (4, [file.key for name, file in files.items() if name != "copied"])
