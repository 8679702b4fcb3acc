"""Pieces that S3 joins: parts of the right sizes, all of them or nothing."""

import hashlib
import os

import pytest

from media_analysis.errors import MediaAnalysisError, ObjectMissing, StoreUnavailable
from media_analysis.storage.remote.bucket import MOST_PARTS
from media_analysis.storage.remote.joining import LEAST_PART_BYTES, MOST_PART_BYTES, join, plan_parts
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.store import RemoteStore
from tests.storage.conftest import get, put
from tests.storage.remote.conftest import names_in, parts_below
from tests.storage.remote.proxy import Spoiling, SpoilingProxy

LEAST = LEAST_PART_BYTES
KEY = "uploads/2026-01-01/a.bin"
SIZES = (6_000_000, 1_000, 2_000_000, 5_300_000, 7_000_000, 12_000_000, 3)


@pytest.mark.parametrize(
    "sizes",
    [
        (1,),
        (LEAST, LEAST),
        (LEAST - 1, LEAST, 1),
        (1, 1, 1),
        (1, MOST_PART_BYTES, 1),
        (3 * MOST_PART_BYTES + 7, 5),
        SIZES,
        (1_000_000,) * 70_000,
        (6 * 2**20,) * 9_000,
    ],
)
def test_parts_are_of_allowed_sizes_and_are_all_there_is(sizes: tuple[int, ...]) -> None:
    ranges = [(str(number), size) for number, size in enumerate(sizes)]

    parts = plan_parts(ranges)

    assert len(parts) <= MOST_PARTS
    assert all(sum(map(len, part)) >= LEAST for part in parts[:-1])
    assert all(len(span) <= MOST_PART_BYTES for part in parts for span in part)
    reached: dict[str, int] = {}
    for span in (span for part in parts for span in part):
        assert span.start == reached.get(span.name, 0) < span.end
        reached[span.name] = span.end
    assert list(reached.items()) == ranges


def test_little_of_long_pieces_travels() -> None:
    parts = plan_parts([("short", 10), ("long", MOST_PART_BYTES)])

    assert sum(sum(map(len, part)) for part in parts if len(part) > 1) == LEAST


async def lay(store: RemoteStore) -> tuple[list[tuple[str, int]], bytes]:
    """Put objects of all sizes; return them with all of their bytes."""
    content = os.urandom(sum(SIZES))
    ranges, at = [], 0
    for number, size in enumerate(SIZES):
        ranges.append((f"clips/{number}.bin", size))
        await put(store, f"clips/{number}.bin", content[at : at + size])
        at += size
    return ranges, content


@pytest.mark.s3
async def test_objects_are_joined_byte_for_byte(remote: RemoteStore, requests: S3Requests) -> None:
    ranges, content = await lay(remote)
    assert remote.bucket.requests is not None

    await join(remote.bucket, remote.bucket.requests, KEY, ranges)

    assert await get(remote, KEY) == content
    assert await parts_below(requests, remote.bucket.address.prefix) == []


@pytest.mark.s3
async def test_a_bucket_that_is_busy_is_asked_for_parts_again(spoiled: RemoteStore, proxy: SpoilingProxy) -> None:
    ranges, content = await lay(spoiled)
    assert spoiled.bucket.requests is not None
    proxy.spoil(Spoiling.SLOW_DOWN, b"partNumber", times=3)

    await join(spoiled.bucket, spoiled.bucket.requests, KEY, ranges)

    assert proxy.times == 0
    assert await get(spoiled, KEY) == content


@pytest.mark.s3
@pytest.mark.parametrize("obstacle", ["the name is taken", "a piece is missing", "nobody answers"])
async def test_what_cannot_be_joined_leaves_nothing(
    spoiled: RemoteStore, proxy: SpoilingProxy, requests: S3Requests, obstacle: str
) -> None:
    ranges, _ = await lay(spoiled)
    assert spoiled.bucket.requests is not None
    if obstacle == "the name is taken":
        await put(spoiled, KEY, b"first")
    elif obstacle == "a piece is missing":
        await spoiled.delete_many([ranges[0][0]])
    else:
        proxy.spoil(Spoiling.UNASKED, b"PUT", times=1_000_000)

    with pytest.raises(MediaAnalysisError) as failed:
        await join(spoiled.bucket, spoiled.bucket.requests, KEY, ranges)

    assert isinstance(failed.value, StoreUnavailable | ObjectMissing)
    assert await parts_below(requests, spoiled.bucket.address.prefix) == []
    assert (KEY in await names_in(spoiled)) == (obstacle == "the name is taken")
    if obstacle == "the name is taken":
        assert await get(spoiled, KEY) == b"first"


@pytest.mark.s3
@pytest.mark.parametrize("by_s3", [True, False])
async def test_pieces_of_all_sizes_become_one_object_however_it_is_made(remote: RemoteStore, *, by_s3: bool) -> None:
    """Where obstore alone knows the keys of S3, all pieces are read and put again."""
    if not by_s3:
        remote.bucket.requests = None
    content, at = os.urandom(sum(SIZES)), 0
    for size in SIZES:
        writer = await remote.resume(KEY, size_bytes=at, running=None)
        await writer.write(content[at : at + size])
        await writer.checkpoint()
        writer.close()
        at += size

    last = await remote.resume(KEY, size_bytes=at, running=None)
    digest = await last.sync()
    last.close()

    assert digest == hashlib.sha256(content).digest()
    assert await get(remote, KEY) == content
    assert await names_in(remote) == [KEY]
