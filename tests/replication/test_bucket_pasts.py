"""Buckets that were something else before they took replicas, or were emptied by hand since."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.integrity.comparison import ReplicaComparison
from media_analysis.replication.opening import mark_new
from media_analysis.storage.category import Category
from media_analysis.storage.marker import Marker
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.marker import read_marker, write_marker
from media_analysis.storage.remote.store import RemoteStore
from tests.asking import delete_file
from tests.conftest import execute, fetch, storing
from tests.replication.conftest import replication_of, settled
from tests.replication.test_copying import LARGE
from tests.replication.test_opening import Open, opened
from tests.s3 import ENVIRONMENT, asking, empty, new_bucket, options_for

__all__ = ["opened"]
pytestmark = pytest.mark.s3


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RemoteAddress]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"REPLICA_{name}", value)
    async with new_bucket() as made:
        yield replace(made, prefix="second")


@pytest.mark.parametrize("keeps_marker", [True, False])
async def test_a_bucket_that_was_emptied_by_hand_is_filled_again(
    opened: Open, bucket: RemoteAddress, database: str, monkeypatch: pytest.MonkeyPatch, *, keeps_marker: bool
) -> None:
    monkeypatch.setattr("media_analysis.storage.replicated.RECENT_SECONDS", 0.0)
    monkeypatch.setattr("media_analysis.storage.replicated.LONGEST_AWAY_SECONDS", 0.0)
    monkeypatch.setattr("media_analysis.storage.remote.marker.RECENT_SECONDS", 0.0)
    async with opened(STORAGE_REPLICA_URL=str(bucket)) as runtime:
        kept, large, deleted = [await storing(runtime)(content) for content in (b"kept", LARGE, b"deleted")]
        await settled(runtime, database)
        if keeps_marker:
            for file in (kept, large, deleted):
                await asking(bucket).send("DELETE", key=f"{bucket.prefix}/{file.key}")
        else:
            await empty(bucket)
        await delete_file(runtime, deleted.id, owner="alice", actor="alice")

        services = replication_of(runtime)
        if not keeps_marker:
            with pytest.raises(StoreUnavailable, match="marker"):
                await services.replicas.run(is_large=False)
            await mark_new(runtime.db, runtime.settings)
        await ReplicaComparison(runtime.db, services).run()
        await settled(runtime, database)
        await execute(database, "UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL")
        await runtime.deletion.deleter.finish_entries()

        copy = await services.store.replica.require()
        for file, content in ((kept, b"kept"), (large, LARGE)):
            assert await copy.read(file.key, size_bytes=len(content)) == content
        assert (await copy.look_up([deleted.key]))[0] is None
        (open_purges,) = await fetch(database, "SELECT count(*) FROM purges WHERE confirmed_at IS NULL AND NOT again")
        assert open_purges[0] == 0


async def test_a_bucket_that_archives_left_by_a_move_takes_replicas(
    opened: Open, bucket: RemoteAddress, database: str
) -> None:
    async with opened(STORAGE_REPLICA_URL=None) as runtime:
        packed = await storing(runtime)(b"an archive", category=Category.ARCHIVES)
        left = RemoteStore.at(bucket, runtime.store.instance_id, options_for())
        await write_marker(left.bucket, Marker(left.instance_id, archives_at="s3://cold"))

    async with opened(STORAGE_REPLICA_URL=str(bucket)) as runtime:
        await settled(runtime, database)

    marker = await read_marker(left.bucket)
    assert await left.read(packed.key, size_bytes=10) == b"an archive"
    left.close()
    assert marker == Marker(left.instance_id)
