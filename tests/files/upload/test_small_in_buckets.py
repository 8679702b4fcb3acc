"""Uploads that are all there, in a store that is far away: nothing is locked while it is asked."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.sessions.models import Role
from media_analysis.storage.category import Category
from media_analysis.storage.disk import DiskStore
from tests.conftest import fetch

Objects = Sequence[tuple[str, bytes]]
OPEN = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"


@pytest.mark.parametrize(("first", "held"), [(True, 1), (False, 0)], ids=["disk", "bucket"])
async def test_no_transaction_is_open_while_a_bucket_is_asked(
    runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch, *, first: bool, held: int
) -> None:
    session, _ = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(hours=1))
    put_many, seen = DiskStore.put_many, list[int]()

    async def counting(store: DiskStore, objects: Objects, *, leaving_bytes: int) -> Sequence[bytes | Exception]:
        seen.append(len(await fetch(database, OPEN)))
        return await put_many(store, objects, leaving_bytes=leaving_bytes)

    monkeypatch.setattr(DiskStore, "put_many", counting)
    monkeypatch.setattr(DiskStore, "names_first", lambda _store, _key: first)
    upload = Upload(owner="alice", category=Category.UPLOADS, filename="a")

    stored = await runtime.files.uploads.store_small(upload, b"a", session_id=session.id)

    assert stored is not None
    assert seen == [held]
