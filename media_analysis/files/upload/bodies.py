"""Bodies of uploads: chunks as they arrive, within deadlines."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from media_analysis.errors import IdempotencyKeyReused, UploadOverdue, UploadStalled, UploadTooSlow
from media_analysis.files.models import MediaFile
from media_analysis.media.types.sniff import HEAD_BYTES

Body = AsyncIterator[bytes]


RATE_WINDOW_SECONDS: Final = 60.0
"""How long a rate is measured before anybody is called slow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long an upload may take; what the service itself takes for a chunk counts for the deadline alone."""

    idle_seconds: float
    min_bytes_per_second: int
    deadline_seconds: float


async def timed(body: Body, pace: Pace, *, clock: Callable[[], float] = time.monotonic) -> Body:
    """Pass chunks on as long as the client keeps up.

    Raises:
        UploadStalled, UploadTooSlow, UploadOverdue: nothing came for too long, too little, or not all of it in time.

    """
    ends_at = clock() + pace.deadline_seconds
    waited_seconds, window_bytes = 0.0, 0
    while (chunk := await _next_chunk(body, pace, ends_at, clock)) is not None:
        data, seconds = chunk
        waited_seconds, window_bytes = waited_seconds + seconds, window_bytes + len(data)
        if waited_seconds >= RATE_WINDOW_SECONDS:
            if window_bytes < waited_seconds * pace.min_bytes_per_second:
                raise UploadTooSlow(min_bytes_per_second=pace.min_bytes_per_second)
            waited_seconds, window_bytes = 0.0, 0
        yield data


async def _next_chunk(body: Body, pace: Pace, ends_at: float, clock: Callable[[], float]) -> tuple[bytes, float] | None:
    """Return a chunk and how long it was waited for; None at the end."""
    began = clock()
    left_seconds = ends_at - began
    if left_seconds <= 0:
        raise UploadOverdue(deadline_seconds=pace.deadline_seconds)
    try:
        async with asyncio.timeout(min(pace.idle_seconds, left_seconds)):
            chunk = await anext(body, None)
    except TimeoutError as error:
        if left_seconds < pace.idle_seconds:
            raise UploadOverdue(deadline_seconds=pace.deadline_seconds) from error
        raise UploadStalled(idle_seconds=pace.idle_seconds) from error
    return None if chunk is None else (chunk, clock() - began)


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
