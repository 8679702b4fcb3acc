"""Objects copied from a place to another one, each hashed on the way."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from media_analysis.errors import DiskFull, ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.failpoints import failpoint
from media_analysis.integrity.inspection import ReadThrottle
from media_analysis.moves.places import OpenPlace
from media_analysis.moves.statements import SourceObject
from media_analysis.storage.calls import each
from media_analysis.storage.hashing import hash_object
from media_analysis.storage.store import ObjectWriter
from media_analysis.storage.unlinking import errno_name

AT_ONCE: Final = 8
"""How many objects are on their way together."""


@dataclass(frozen=True)
class CopyOutcome:
    """What became of an object that was to be copied."""

    error: str | None
    sha256: bytes | None = None
    """What its bytes hash to, where nobody knew."""


@dataclass(frozen=True)
class ObjectCopier:
    """Copies objects under their keys; what an earlier try left of one is looked at first."""

    source: OpenPlace
    target: OpenPlace
    throttle: ReadThrottle

    async def copy_all(self, files: Sequence[SourceObject]) -> Mapping[str, CopyOutcome]:
        """Copy objects, some at a time, and return by key what became of each.

        Raises:
            MoveRefused: the target has no room.
            MarkerMismatch, StoreUnavailable: it takes nothing.

        """
        begun = [file.key for file in files if file.is_begun]
        if begun:
            await self.target.store.abort(begun)  # parts of what a process that was killed was putting
        try:
            outcomes = await each(self._copy_or_tell, files, at_once=AT_ONCE)
        except DiskFull as error:
            raise MoveRefused(
                f"{self.target.url} is full: make room there, and say it again; what was copied counts"
            ) from error
        return {file.key: outcome for file, outcome in zip(files, outcomes, strict=True)}

    async def _copy_or_tell(self, file: SourceObject) -> CopyOutcome:
        try:
            if file.is_begun:
                known = await self._find(file)
                if known is not None:
                    return known
            return await self._copy(file)
        except ObjectMissing:
            return CopyOutcome("missing")
        except ObjectDamaged as error:
            return CopyOutcome(error.difference)
        except OSError as error:
            return CopyOutcome(f"cannot be read ({errno_name(error)})")

    async def _find(self, file: SourceObject) -> CopyOutcome | None:
        """Return that it is in the target already, once that was read; something else that lies there is deleted."""
        (entry,) = await self.target.store.look_up([file.key])
        if entry is None:
            return None
        expected = file.sha256
        if entry.size_bytes == file.size_bytes:
            expected = expected or await self._hash(self.source, file)
            if expected == await self._hash(self.target, file):
                return CopyOutcome(None, expected)
        await self._delete(file.key)
        return None

    async def _hash(self, place: OpenPlace, file: SourceObject) -> bytes:
        return await hash_object(place.store, file.key, size_bytes=file.size_bytes, pace=self.throttle.take)

    async def _copy(self, file: SourceObject) -> CopyOutcome:
        reader = await self.source.store.open(file.key, size_bytes=file.size_bytes)
        try:
            writer = await self._create(file.key)
            try:
                async with aclosing(reader.read(0, reader.size_bytes)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        await writer.write(chunk)
                        await self.throttle.take(len(chunk))
                failpoint("move.copying")
                sha256 = await writer.sync()
            finally:
                writer.close()
        except BaseException:
            await reader.close()
            raise
        failpoint("move.copied")
        if file.sha256 not in {None, sha256}:
            await self._delete(file.key)
            return CopyOutcome("hash differs")
        return CopyOutcome(None, sha256)

    async def _create(self, key: str) -> ObjectWriter:
        (writer,) = await self.target.store.create_many([key])
        if isinstance(writer, Exception):
            raise writer
        return writer

    async def _delete(self, key: str) -> None:
        failed = (await self.target.store.delete_many([key])).failed
        if failed:
            raise StoreUnavailable(f"{self.target.store.where(key)} cannot be deleted: {failed[key]}")
