"""Deletions in bulk, with a reason for every key that did not go."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from media_analysis.errors import MediaAnalysisError
from media_analysis.storage.calls import reason_of
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.clients import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from media_analysis.storage.remote.names import key_of_piece, pieces_of

BATCH: Final = 1_000
"""What one request to S3 may name."""
FEW: Final = 8
"""So many keys are asked for pieces one by one; more by one listing of all pieces there are."""
AGAIN: Final = (
    *("SlowDown", "ServiceUnavailable", "InternalError", "ServerBusy", "OperationTimedOut"),
    "cannot be reached",
)
"""What a bucket says of single keys that it may take a moment later; a connection may have been closed while idle."""


async def delete_all(bucket: Bucket, names: Sequence[str]) -> Mapping[str, str]:
    """Delete objects by as few requests as can be; return why those that stay do. One that is absent is gone."""
    batches = [names[first : first + BATCH] for first in range(0, len(names), BATCH)]
    failed: dict[str, str] = {}
    for reasons in await bucket.each(lambda batch: _delete_batch(bucket, batch), batches):
        failed |= reasons
    return failed


async def find_pieces(bucket: Bucket, keys: Sequence[str]) -> Sequence[str]:
    """Return the names of the pieces that lie there of objects which are not whole yet."""
    if len(keys) <= FEW:
        found = await bucket.each(lambda key: names_below(bucket, pieces_of(key)), keys)
        return [name for names in found for name in names]
    wanted = frozenset(keys)
    pages = bucket.pages(pieces_of())
    return [entry.name async for page in pages for entry in page if key_of_piece(entry.name) in wanted]


async def names_below(bucket: Bucket, folder: str) -> Sequence[str]:
    return [entry.name async for page in bucket.pages(folder) for entry in page]


async def _delete_batch(bucket: Bucket, names: Sequence[str]) -> Mapping[str, str]:
    try:
        if await bucket.delete(names):
            return {}
    except MediaAnalysisError as error:
        return dict.fromkeys(names, reason_of(error))
    # Some are gone, and of one of the others it is known why it is not: each is asked for again by itself.
    reasons = await bucket.each(lambda name: _delete_one(bucket, name), names)
    return {name: reason for name, reason in zip(names, reasons, strict=True) if reason is not None}


async def _delete_one(bucket: Bucket, name: str) -> str | None:
    deadline = asyncio.get_running_loop().time() + bucket.options.retry_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await bucket.delete([name])
        except MediaAnalysisError as error:
            reason = reason_of(error)
            if not any(word in reason for word in AGAIN) or asyncio.get_running_loop().time() + pause > deadline:
                return reason
        else:
            return None
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
