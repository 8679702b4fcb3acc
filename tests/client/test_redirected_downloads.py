"""Downloads that a bucket sends: gone on with, proven, and never asked for with our token."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from media_analysis.client import AsyncClient, Unreachable
from tests.client.server import make_token, running_server
from tests.s3 import ENVIRONMENT, new_bucket
from tests.storage.remote.proxy import Spoiling, SpoilingProxy, spoiling_proxy

pytestmark = pytest.mark.s3
LARGE = os.urandom(6_000_000)
SIGNED = b"X-Amz-Signature"


@pytest.fixture
async def gateway() -> AsyncIterator[SpoilingProxy]:
    async with spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as opened:
        yield opened


@pytest.fixture
async def alice(environment: dict[str, str], gateway: SpoilingProxy, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Somebody at a server whose bucket is reached by a proxy that spoils requests."""
    async with new_bucket() as bucket:
        told = {"STORAGE_URL": str(bucket), "STORAGE_DOWNLOADS": "redirect", "AWS_ENDPOINT_URL": gateway.url}
        with ExitStack() as running:
            # In a thread, for the proxy that it starts through lives on this loop.
            serving = running_server(environment | ENVIRONMENT | told, tmp_path / "printed")
            url, admin = await asyncio.to_thread(running.enter_context, serving)
            async with AsyncClient(url, make_token(url, admin, owner="alice"), patience_seconds=5) as client:
                yield client
            await asyncio.to_thread(running.close)


async def test_a_download_goes_on_where_the_bucket_broke_off_and_brings_it_no_token(
    alice: AsyncClient, gateway: SpoilingProxy, tmp_path: Path
) -> None:
    file = await alice.upload(LARGE, filename="large.bin")
    gateway.spoil(Spoiling.CUT, SIGNED, after_bytes=2_000_000)

    path = await alice.download(file.id, tmp_path / "large.bin")

    asked = [head for head in gateway.heads if SIGNED in head]
    assert path.read_bytes() == LARGE
    assert len(asked) == 2
    first = re.search(rb"\r\nrange: bytes=(\d+)-\r\n", asked[1].lower())
    assert first is not None
    assert 1_900_000 < int(first[1]) < len(LARGE)
    assert not [head for head in asked if b"authorization" in head.lower() or b"mas_" in head]


async def test_an_address_that_is_refused_is_asked_for_anew_and_never_told(
    alice: AsyncClient, gateway: SpoilingProxy, tmp_path: Path
) -> None:
    file = await alice.upload(LARGE, filename="large.bin")
    gateway.spoil(Spoiling.SLOW_DOWN, SIGNED)

    path = await alice.download(file.id, tmp_path / "passing.bin")
    gateway.spoil(Spoiling.SLOW_DOWN, SIGNED, times=1000)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1, which has the bytes, answered 503") as refused:
        await alice.download(file.id, tmp_path / "lasting.bin")
    gateway.times = 0

    assert path.read_bytes() == LARGE
    assert "X-Amz" not in str(refused.value)
    assert not (tmp_path / "lasting.bin").exists()
