"""Where an object is gone on with: what is durable of it is found, and what came after that is removed."""

from collections.abc import Sequence

from media_analysis.errors import ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.entries import Entry
from media_analysis.storage.remote.assembling import Range
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.deleting import delete_all, list_pieces
from media_analysis.storage.remote.names import piece_name, place_of_piece
from media_analysis.storage.remote.reading import fetch


async def find_ranges(bucket: Bucket, key: str, size_bytes: int, *, fence: int) -> Sequence[Range]:
    """Return what an object's first bytes, so many, lie in, and delete every other piece of it that no newer one put.

    They lie in pieces, or in the object itself where a try before made it and ended before it could say so: then they
    are made pieces again, unless they are all of it. The object stays as it is.

    Raises:
        ObjectMissing, ObjectDamaged: it has not that many.
        StoreUnavailable: the bucket does not answer, or does not delete.

    """
    found = [(place_of_piece(entry.name), entry) for entry in await list_pieces(bucket, key)]
    pieces = [entry for place, entry in sorted(found, key=_order) if place is None or place[1] <= fence]
    chain, reached_bytes = _chain(pieces, size_bytes)
    if reached_bytes == size_bytes:
        await _delete(bucket, {piece.name for piece in pieces} - {name for name, _ in chain})
        return chain
    try:
        whole_bytes = (await bucket.find(key)).size_bytes
    except ObjectMissing:
        if pieces:
            raise ObjectDamaged(key, f"size is {reached_bytes}, not {size_bytes}") from None
        raise
    if whole_bytes < size_bytes:
        raise ObjectDamaged(key, f"size is {whole_bytes}, not {size_bytes}")
    await _delete(bucket, {piece.name for piece in pieces})
    return [(key, size_bytes)] if whole_bytes == size_bytes else await _take_apart(bucket, key, size_bytes, fence)


def _order(found: tuple[tuple[int, int] | None, Entry]) -> tuple[int, int]:
    return found[0] or (-1, -1)


def _chain(pieces: Sequence[Entry], size_bytes: int) -> tuple[Sequence[Range], int]:
    """Return the pieces that follow each other from the first byte on until `size_bytes`, and how far they reach."""
    # Of two at one offset the newer counts: the older one came late.
    found = {place[0]: piece for piece in pieces if piece.size_bytes and (place := place_of_piece(piece.name))}
    chain: list[Range] = []
    at = 0
    while at < size_bytes and (piece := found.get(at)) is not None:
        at += piece.size_bytes
        chain.append((piece.name, piece.size_bytes))
    return chain, at


async def _take_apart(bucket: Bucket, key: str, size_bytes: int, fence: int) -> Sequence[Range]:
    ranges: list[Range] = []
    part_bytes = bucket.options.part_bytes
    for start in range(0, size_bytes, part_bytes):
        end = min(size_bytes, start + part_bytes)
        name = piece_name(key, start, fence)
        if not await bucket.create(name, await fetch(bucket, key, start, end)):
            raise StoreUnavailable("the name of a piece is taken")
        ranges.append((name, end - start))
        failpoint("remote.piece_put")
    return ranges


async def _delete(bucket: Bucket, names: set[str]) -> None:
    failed = await delete_all(bucket, sorted(names))
    if failed:
        raise StoreUnavailable(f"pieces that do not count stay: {next(iter(failed.values()))}")
