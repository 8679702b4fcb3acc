"""Bodies of uploads: chunks as they arrive, within deadlines."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from media_analysis.errors import IdempotencyKeyReused, UploadStalled
from media_analysis.files.models import MediaFile
from media_analysis.media.sniff import HEAD_BYTES

Body = AsyncIterator[bytes]


async def timed(body: Body, idle_seconds: float) -> Body:
    """Pass chunks on, and fail when none comes for too long."""
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await anext(body, None)
        except TimeoutError as error:
            raise UploadStalled(idle_seconds=idle_seconds) from error
        if chunk is None:
            return
        yield chunk


async def split_head(body: Body) -> tuple[bytes, Body]:
    """Return the first bytes of `body`, enough to tell its type, and a body that still begins with them."""
    gathered: list[bytes] = []
    length = 0
    async for chunk in body:
        gathered.append(chunk)
        length += len(chunk)
        if length >= HEAD_BYTES:
            break
    head = b"".join(gathered)

    async def whole() -> Body:
        if head:
            yield head
        async for chunk in body:
            yield chunk

    return head[:HEAD_BYTES], whole()


async def require_same_body(earlier: MediaFile, body: Body) -> MediaFile:
    """Return `earlier` once `body` has proved to be what it was made of."""
    digest = hashlib.sha256()
    async for chunk in body:
        digest.update(chunk)
    if digest.digest() != earlier.sha256:
        raise IdempotencyKeyReused
    return earlier
