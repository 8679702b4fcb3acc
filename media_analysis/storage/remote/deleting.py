"""Deletions in bulk, with a reason for every key that did not go."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Final

from media_analysis.errors import MediaAnalysisError
from media_analysis.storage.calls import reason_of
from media_analysis.storage.entries import Entry
from media_analysis.storage.remote.bucket import PAGE, Bucket
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


async def find_pieces(bucket: Bucket, keys: Sequence[str], *, at_once: int = PAGE) -> Sequence[str]:
    """Return the names of the pieces that lie there of objects which are not whole yet; others are passed over."""
    if len(keys) <= FEW:
        pieces = await bucket.each(lambda key: list_pieces(bucket, key), keys)
        return [piece.name for some in pieces for piece in some]
    found, folders = list[str](), tuple(sorted(f"{pieces_of(key)}/" for key in keys))
    while folders:
        folders = await _find_below(bucket, folders, found, at_once)
    return found


async def _find_below(bucket: Bucket, folders: tuple[str, ...], found: list[str], at_once: int) -> tuple[str, ...]:
    """List from the first folder on, up to where others lie before the next one; return the folders behind them."""
    wanted, passed = frozenset(folders), 0
    can_skip = bucket.requests is not None  # else a listing begins with the first name, whatever it is told
    async with aclosing(bucket.pages(pieces_of(), at_once=at_once, after=folders[0])) as pages:
        async for page in pages:
            found.extend(entry.name for entry in page if f"{pieces_of(key_of_piece(entry.name))}/" in wanted)
            last = page[-1].name
            while passed < len(folders) and folders[passed] < last and not last.startswith(folders[passed]):
                passed += 1
            if passed == len(folders) or (can_skip and folders[passed] > last):
                return folders[passed:]
    return ()


async def list_pieces(bucket: Bucket, key: str) -> Sequence[Entry]:
    """Return the pieces of one object, but none of those whose keys lie below its own."""
    return [entry async for page in bucket.pages(pieces_of(key)) for entry in page if key_of_piece(entry.name) == key]


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
