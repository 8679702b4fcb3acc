"""Replicas in buckets, of what lies on a disk or in another bucket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from media_analysis.cli.import_ import destination_of
from media_analysis.errors import InvalidSettings
from media_analysis.imports.tree.buckets import open_tree
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import load_settings
from media_analysis.storage.category import Category
from media_analysis.storage.remote.address import RemoteAddress
from tests.asking import delete_file
from tests.conftest import execute, fetch, storing
from tests.files.test_buckets import VERSIONING
from tests.imports.tree.test_import_buckets import put
from tests.replication.conftest import replication_of, settled
from tests.replication.test_copying import lying
from tests.s3 import ENVIRONMENT, asking, new_bucket

pytestmark = pytest.mark.s3
PARTED = bytes(range(256)) * (9 * 4096)
"""More than one request puts."""
Open = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture
async def first() -> AsyncIterator[RemoteAddress]:
    async with new_bucket() as made:
        yield made


@pytest.fixture
async def bucket() -> AsyncIterator[RemoteAddress]:
    """Where replicas lie."""
    async with new_bucket() as made:
        yield replace(made, prefix="second")


@pytest.fixture
def opened(environment: dict[str, str], bucket: RemoteAddress, database: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def opening(**variables: str | None) -> AbstractAsyncContextManager[Runtime]:
        told = environment | {"STORAGE_REPLICA_URL": str(bucket)} | variables
        given = {name: value for name, value in told.items() if value is not None}
        return open_runtime(load_settings(environ=given).settings, database)

    return opening


@pytest.mark.parametrize("begins", ["disk", "bucket"])
async def test_a_file_is_copied_mended_and_deleted_in_both(
    opened: Open, first: RemoteAddress, bucket: RemoteAddress, database: str, begins: str
) -> None:
    url = None if begins == "disk" else str(first)
    async with opened(STORAGE_URL=url) as runtime:
        stored = [await storing(runtime)(content) for content in (b"small", PARTED)]
        await settled(runtime, database)
        services = replication_of(runtime)
        copy = await services.store.replica.require()
        for file in stored:
            await services.store.primary.delete_many([file.key])
        assert (await runtime.scrub.run()).problems == len(stored)
        await settled(runtime, database)
        await copy.delete_many([stored[1].key])
        await runtime.scrub.run()
        await settled(runtime, database)
        for store in (services.store.primary, copy):
            assert [await store.read(file.key, size_bytes=file.size_bytes or 0) for file in stored] == [
                b"small",
                PARTED,
            ]

        await delete_file(runtime, stored[0].id, owner="alice", actor="alice")

        for store in (services.store.primary, copy):
            assert [entry is None for entry in await store.look_up([file.key for file in stored])] == [True, False]
    (again,) = await fetch(database, "SELECT count(*) FROM purges WHERE again AND due_at > now() + interval '23 hours'")
    assert again[0] == 1

    async with opened(STORAGE_URL=str(bucket), STORAGE_REPLICA_URL=None) as runtime:
        row = await runtime.files.catalog.get(UUID(str(stored[1].id)), owner=None)
        assert await runtime.store.read(row.key, size_bytes=len(PARTED)) == PARTED


async def test_what_no_disk_has_a_name_for_is_told_and_the_rest_is_copied_and_all_of_it_deleted(
    opened: Open, first: RemoteAddress, database: str, second: Path
) -> None:
    pair, long = {"old/a", "old/a/b"}, f"old/{'x' * 256}"
    async with opened(STORAGE_URL=str(first), STORAGE_REPLICA_URL=second.as_uri()) as runtime:
        for key in (*pair, long):
            await put(first, key)
        async with open_tree(replace(first, prefix="old"), runtime.settings) as tree:
            request = TreeImportRequest(directory=tree, category=Category.FRAMES, owner="alice", actor="test")
            await destination_of(runtime).run(request)
        kept = await storing(runtime)(b"kept")
        await settled(runtime, database, lost=2)
        status = await replication_of(runtime).status.read()
        copied = lying(second).keys()
        for row in await fetch(database, "SELECT id FROM media_files"):
            await delete_file(runtime, row["id"], owner="alice", actor="alice")

        assert status is not None
        told, (refused,) = dict(status.failing), pair - copied
        assert copied == {kept.key, *pair} - {refused}
        assert told.keys() == {refused, long}
        assert "another object" in told[refused] or "other objects" in told[refused]
        assert "more bytes than the disk takes" in told[long]
        assert lying(second) == {}
        await execute(database, "UPDATE replicas SET due_at = now() WHERE due_at IS NOT NULL")
        await settled(runtime, database)
    assert await fetch(database, "SELECT FROM purges WHERE confirmed_at IS NULL AND NOT again") == []


async def test_a_bucket_that_is_no_second_place_is_refused(
    opened: Open, bucket: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, reason in ((bucket, "the store itself"), (replace(bucket, prefix=""), "inside the store")):
        with pytest.raises(InvalidSettings, match=reason):
            async with opened(STORAGE_URL=str(url)):
                pass
    assert (await asking(bucket).send("PUT", query={"versioning": ""}, content=VERSIONING)).is_success
    with pytest.raises(InvalidSettings, match="keeps versions of what is deleted"):
        async with opened():
            pass


async def test_the_bucket_of_the_store_is_no_second_place_under_another_name_of_its_server(
    opened: Open, bucket: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"REPLICA_{name}", value)
    monkeypatch.setenv("REPLICA_AWS_ENDPOINT_URL", ENVIRONMENT["AWS_ENDPOINT_URL"].replace("127.0.0.1", "localhost"))

    with pytest.raises(InvalidSettings, match="by another name the same place"):
        async with opened(STORAGE_URL=str(bucket)):
            pass

    async with opened(STORAGE_URL=str(bucket), STORAGE_REPLICA_URL=str(replace(bucket, prefix="beside"))) as runtime:
        assert (await replication_of(runtime).store.replica.require()).where("") != runtime.store.where("")


async def test_a_replica_store_has_credentials_of_its_own_and_its_absence_keeps_nobody_from_starting(
    opened: Open, bucket: RemoteAddress, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"REPLICA_{name}", value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of another store")
    monkeypatch.setenv("REPLICA_AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    async with opened(STORAGE_REMOTE_RETRY_SECONDS="0.1", STORAGE_REMOTE_CONNECT_SECONDS="0.5") as runtime:
        file = await storing(runtime)(b"comes in")
        assert "alert:replica_away:replica" in await runtime.alerts.check()
    monkeypatch.setenv("REPLICA_AWS_ENDPOINT_URL", ENVIRONMENT["AWS_ENDPOINT_URL"])
    async with opened() as runtime:
        await settled(runtime, database)
        copy = await replication_of(runtime).store.replica.require()
        assert await copy.read(file.key, size_bytes=8) == b"comes in"
