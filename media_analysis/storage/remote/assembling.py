"""Objects made of others, or of their first bytes: read in a thread, hashed, and put as one."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from media_analysis.errors import StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.remote.bucket import Bucket, require_free
from media_analysis.storage.remote.joining import join
from media_analysis.storage.remote.reading import fetch_here
from media_analysis.storage.remote.writing import SINGLE_BYTES

READ_BYTES: Final = 512 * 1024
"""What is read by one request, beside the parts that are on their way."""
AHEAD: Final = 3
"""How many such requests are under way: a distant bucket answers late."""
Range = tuple[str, int]
"""An object's name, and how many of its first bytes are meant."""


async def assemble(bucket: Bucket, key: str, ranges: Sequence[Range], *, digest: bytes | None = None) -> bytes:
    """Make the bytes of ranges, one behind the other, one new object; return its SHA-256, which may be known.

    What is larger than one request carries is joined by S3, elsewhere read and put over whatever was there: that
    nothing is, is looked for last.

    Raises:
        ObjectMissing, ObjectDamaged: a range is not to be had whole.
        StoreUnavailable: the name is taken, or it cannot be put.

    """
    running = hashlib.sha256()
    if sum(size_bytes for _, size_bytes in ranges) <= SINGLE_BYTES:
        content = await bucket.in_thread(lambda: list(_hashed(_read(bucket, ranges), running)))
        if not await bucket.create(key, content):
            raise StoreUnavailable("the name is taken")
    elif bucket.requests is not None:
        digest = digest or await hash_ranges(bucket, ranges)
        await join(bucket, bucket.requests, key, ranges)
        return digest
    else:
        pieces = _for_new(bucket, key, _hashed(_read(bucket, ranges), running))
        # What is read ahead takes the place of a second part on its way: a request has 16 MiB.
        await bucket.in_thread(lambda: bucket.put_here(key, pieces, at_once=1))
    return running.digest()


async def hash_ranges(bucket: Bucket, ranges: Sequence[Range]) -> bytes:
    """Return the SHA-256 of the bytes of ranges, one behind the other."""
    running = hashlib.sha256()

    def read_all() -> None:
        for _ in _hashed(_read(bucket, ranges), running):
            pass

    await bucket.in_thread(read_all)
    return running.digest()


def _read(bucket: Bucket, ranges: Sequence[Range]) -> Iterator[bytes]:
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="assembling") as readers:
        ahead: deque[Future[memoryview]] = deque()
        for asked in _split(ranges):
            ahead.append(readers.submit(fetch_here, bucket, *asked))
            if len(ahead) == AHEAD:
                bucket.require_open()
                yield bytes(ahead.popleft().result())
        while ahead:
            yield bytes(ahead.popleft().result())


def _split(ranges: Sequence[Range]) -> Iterator[tuple[str, int, int]]:
    for name, size_bytes in ranges:
        for start in range(0, size_bytes, READ_BYTES):
            yield name, start, min(size_bytes, start + READ_BYTES)


def _hashed(pieces: Iterator[bytes], running: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        running.update(piece)
        yield piece


def _for_new(bucket: Bucket, key: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces
    failpoint("remote.completing")
    require_free(bucket, key)
