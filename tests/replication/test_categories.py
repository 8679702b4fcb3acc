"""Of which categories files are copied: chosen otherwise while the replica is away, or when it is the store."""

from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.storage.category import Category
from tests.conftest import fetch, storing
from tests.replication.conftest import replication_of, settled
from tests.replication.test_copying import lying, mount, unmount
from tests.replication.test_opening import Open, opened

__all__ = ["opened"]


async def test_what_is_chosen_while_the_replica_is_away_is_what_is_copied_once_it_is_back(
    opened: Open, database: str, second: Path
) -> None:
    async with opened(STORAGE_REPLICA_CATEGORIES="uploads,clips") as runtime:
        before = await storing(runtime)(b"copied before", category=Category.CLIPS)
        await settled(runtime, database)
    unmount(second)
    async with opened(STORAGE_REPLICA_CATEGORIES="uploads,clips") as runtime:
        await storing(runtime)(b"no clip is copied any more", category=Category.CLIPS)
        upload = await storing(runtime)(b"an upload")
        output = await storing(runtime)(b"an output", category=Category.OUTPUTS)
        while await replication_of(runtime).noting.run():
            pass
    async with opened(STORAGE_REPLICA_CATEGORIES="uploads,outputs") as runtime:
        status = await replication_of(runtime).status.read()
        assert status is not None
        assert (status.categories, status.lag.files) == (["uploads", "outputs"], 1)
    mount(second)

    async with opened(STORAGE_REPLICA_CATEGORIES="uploads,outputs") as runtime:
        await settled(runtime, database)

    assert lying(second).keys() == {before.key, upload.key, output.key}
    assert len(await fetch(database, "SELECT FROM replicas WHERE copied_at IS NOT NULL")) == 3


async def test_a_replica_without_archives_is_not_taken_for_where_they_lie(
    opened: Open, database: str, second: Path, tmp_path: Path
) -> None:
    archives = (tmp_path / "archives").as_uri()
    async with opened(ARCHIVE_URL=archives, STORAGE_REPLICA_CATEGORIES="uploads") as runtime:
        await storing(runtime)(b"an archive", category=Category.ARCHIVES)
        await settled(runtime, database)

    with pytest.raises(MarkerMismatch, match="ARCHIVE_URL"):
        async with opened(STORAGE_URL=second.as_uri(), STORAGE_REPLICA_URL=None):
            pass
    async with opened(STORAGE_URL=second.as_uri(), STORAGE_REPLICA_URL=None, ARCHIVE_URL=archives) as runtime:
        assert runtime.replication is None
