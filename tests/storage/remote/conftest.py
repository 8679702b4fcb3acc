"""Stores in buckets, reached directly or by a proxy that spoils requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPMethod
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.store import RemoteStore
from media_analysis.storage.remote.xml import child_text, parse
from tests.s3 import ENVIRONMENT, asking, new_bucket, options_for
from tests.storage.remote.proxy import SpoilingProxy, spoiling_proxy


@pytest.fixture
async def own_bucket() -> AsyncIterator[RemoteAddress]:
    """A bucket of one test, whose settings it may change."""
    async with new_bucket() as made:
        yield made


@pytest.fixture
async def proxy() -> AsyncIterator[SpoilingProxy]:
    async with spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as opened:
        yield opened


@pytest.fixture
async def spoiled(remote: RemoteStore, proxy: SpoilingProxy, tmp_path: Path) -> AsyncIterator[RemoteStore]:
    """The store of this test, reached by a proxy that spoils requests."""
    options = options_for({**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url}, scratch=tmp_path / "scratch")
    store = RemoteStore.at(remote.bucket.address, remote.instance_id, options)
    yield store
    store.close()


@pytest.fixture
def requests(bucket: RemoteAddress) -> S3Requests:
    """What asks the bucket of this worker's tests."""
    return asking(bucket)


async def parts_below(requests: S3Requests, prefix: str) -> list[str]:
    """Return the keys of uploads in parts that nobody ended."""
    answer = await requests.send(HTTPMethod.GET, query={"uploads": "", "prefix": prefix})
    return [child_text(upload, "Key") for upload in parse(answer.content).iter("Upload")]


async def eventually(holds: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def names_in(store: RemoteStore) -> list[str]:
    """Return all names below a store's address but its marker, the store's own included."""
    found = [entry.name async for page in store.bucket.pages() for entry in page]
    return [name for name in found if name != ".media-analysis"]


def key() -> str:
    return f"clips/{uuid4()}.bin"
