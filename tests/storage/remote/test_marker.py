"""The marker of a bucket: whose it is, and whose it never becomes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.store import RemoteStore
from tests.s3 import options_for

pytestmark = pytest.mark.s3


@pytest.fixture
def empty(bucket: RemoteAddress) -> RemoteAddress:
    """Where nothing is yet."""
    return replace(bucket, prefix=uuid4().hex)


def store_at(address: RemoteAddress) -> RemoteStore:
    return RemoteStore.at(address, uuid4(), options_for())


async def test_a_new_database_takes_an_empty_prefix_and_finds_it_again(empty: RemoteAddress) -> None:
    store = store_at(empty)

    await store.adopt(fresh_database=True)
    await RemoteStore.at(empty, store.instance_id, options_for()).adopt(fresh_database=False)

    await store.require_marker()


async def test_a_database_that_knows_files_never_marks_a_bucket(empty: RemoteAddress) -> None:
    store = store_at(empty)

    with pytest.raises(MarkerMismatch, match="carries no marker"):
        await store.adopt(fresh_database=False)
    with pytest.raises(MarkerMismatch, match="is missing"):
        await store.require_marker()


async def test_a_prefix_with_objects_of_others_is_not_taken(empty: RemoteAddress) -> None:
    store = store_at(empty)
    await store.bucket.create("theirs.bin", b"theirs")

    with pytest.raises(MarkerMismatch, match=r"is not empty and carries no marker: theirs\.bin"):
        await store.adopt(fresh_database=True)


async def test_a_prefix_inside_another_store_is_not_taken(empty: RemoteAddress) -> None:
    await store_at(empty).adopt(fresh_database=True)
    inner = store_at(replace(empty, prefix=f"{empty.prefix}/uploads/inner"))

    with pytest.raises(MarkerMismatch, match=f"lies inside {empty}, which is a store already"):
        await inner.adopt(fresh_database=True)

    assert [entry async for page in inner.bucket.pages() for entry in page] == []


async def test_a_bucket_of_another_database_is_refused(empty: RemoteAddress) -> None:
    await store_at(empty).adopt(fresh_database=True)

    for fresh_database in (True, False):
        with pytest.raises(MarkerMismatch, match="names another database"):
            await store_at(empty).adopt(fresh_database=fresh_database)


async def test_who_finds_what_another_of_its_database_has_stored_meanwhile_begins_beside_it(
    empty: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, pages = store_at(empty), Bucket.pages
    second = RemoteStore.at(empty, first.instance_id, options_for())

    async def first_begins(bucket: Bucket, **asked: Any) -> AsyncIterator[Any]:
        if bucket is second.bucket:
            await first.adopt(fresh_database=True)
            await first.bucket.create("uploads/a.bin", b"a")
        async for page in pages(bucket, **asked):
            yield page

    monkeypatch.setattr(Bucket, "pages", first_begins)
    await second.adopt(fresh_database=True)

    await second.require_marker()


async def test_of_several_that_begin_at_once_one_has_it(empty: RemoteAddress) -> None:
    outcomes = await asyncio.gather(
        *(store_at(empty).adopt(fresh_database=True) for _ in range(4)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes].count(MarkerMismatch) == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b'{"instance_id": "no id"}', b"[" * 5_000])
async def test_what_is_no_marker_is_refused(empty: RemoteAddress, content: bytes) -> None:
    store = store_at(empty)
    await store.bucket.create(MARKER_NAME, content)

    with pytest.raises(MarkerMismatch):
        await store.require_marker()
    with pytest.raises(MarkerMismatch):
        await store.adopt(fresh_database=True)
