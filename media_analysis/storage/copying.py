"""Objects copied from one store to another under the same key, hashed on the way: no damaged one becomes a copy."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from media_analysis.errors import MediaAnalysisError, ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.calls import Held
from media_analysis.storage.entries import EntryKind
from media_analysis.storage.hashing import DIFFERS, Pace, StreamHash, hash_object
from media_analysis.storage.store import ObjectReader, ObjectStore, ObjectWriter
from media_analysis.storage.unlinking import errno_name

_NO_COPY: Final = (EntryKind.DIRECTORY, EntryKind.UNREADABLE)
"""What is no copy, nor the beginning of one."""
_NO_NAME: Final = ("EISDIR", "ENOTDIR")
"""Why a disk does not delete what it could not have under that name."""


class CopySource(Protocol):
    """An object that is to be copied, as its row describes it."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def sha256(self) -> bytes | None: ...


class SourceDamaged(Exception):
    """What was to be copied is not what its row says."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


async def _unpaced(_: int) -> None:
    return


@dataclass(frozen=True)
class ObjectCopier:
    """Copies from one store to another; what lies there already is proven, or replaced.

    What the source's medium says passes as it is (`OSError`): the object may be whole.
    """

    source: ObjectStore
    target: ObjectStore
    require_held: Held
    """Fails once somebody else makes the same copies: what lies in the target by then is theirs."""
    pace: Pace = _unpaced

    async def find(self, wanted: CopySource) -> bytes | None:
        """Return what the copy hashes to that is in the target, once it was read; anything else there is deleted.

        Raises:
            SourceDamaged: nobody wrote down what it should hash to, and the source does not tell.
            StoreUnavailable: nobody can tell, or what lies there cannot be deleted.

        """
        (entry,) = await self.target.look_up([wanted.key])
        if entry is None or entry.kind in _NO_COPY:
            return None
        if entry.size_bytes == wanted.size_bytes:
            expected = wanted.sha256 or await self._hash_source(wanted)
            if await holds(self.target, wanted, expected, pace=self.pace):
                return expected
        await self._clear(wanted.key)
        return None

    async def copy(self, wanted: CopySource) -> bytes:
        """Copy an object as a stream, and return what it hashes to.

        Raises:
            SourceDamaged: it is not what its row says; nothing of it is left in the target.
            DiskFull, StoreUnavailable: the target takes no more, or one of the two does not answer.

        """
        with damage_of_source():
            reader = await self.source.open(wanted.key, size_bytes=wanted.size_bytes)
        try:
            return await self._write(wanted, reader)
        except SourceDamaged:
            await self._clear(wanted.key)
            raise
        finally:
            await reader.close()

    async def _write(self, wanted: CopySource, reader: ObjectReader) -> bytes:
        (writer,) = await self.target.create_many([wanted.key])
        if isinstance(writer, Exception):
            raise writer
        writer.expect(wanted.size_bytes)
        try:
            sha256 = await self._pour(wanted, reader, writer)
            failpoint("copy.written")
            if await writer.sync() != sha256:
                _refuse_written()
        except BaseException:
            # What lies there by now may be the copy of whoever overtook this one: who tries next looks, and deletes.
            with suppress(MediaAnalysisError):
                await writer.revert()
            raise
        finally:
            writer.close()
        failpoint("copy.synced")
        return sha256

    async def _pour(self, wanted: CopySource, reader: ObjectReader, writer: ObjectWriter) -> bytes:
        digest = StreamHash()
        with damage_of_source():
            async with aclosing(reader.read(0, reader.size_bytes)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    await digest.update(chunk)
                    await writer.write(chunk)
                    await self.pace(len(chunk))
        if wanted.sha256 not in {None, digest.value()}:
            raise SourceDamaged(DIFFERS)
        return digest.value()

    async def _hash_source(self, wanted: CopySource) -> bytes:
        with damage_of_source():
            return await hash_object(self.source, wanted.key, size_bytes=wanted.size_bytes, pace=self.pace)

    async def _clear(self, key: str) -> None:
        await self.require_held()
        failed = await delete_copies(self.target, [key])
        if failed:
            raise StoreUnavailable(f"{self.target.where(key)} cannot be deleted: {failed[key]}")


async def delete_copies(store: ObjectStore, keys: Sequence[str], *, overwrite: bool = False) -> Mapping[str, str]:
    """Delete copies, and return why those that stay do.

    There is none of an object whose name is a folder of others on a disk, or lies below another object there.
    """
    failed = (await store.delete_many(keys, overwrite=overwrite)).failed
    unnamed = [key for key, reason in failed.items() if reason in _NO_NAME]
    if not unnamed:
        return failed
    found = zip(unnamed, await store.look_up(unnamed), strict=True)
    absent = {key for key, entry in found if entry is None or entry.kind is EntryKind.DIRECTORY}
    return {key: reason for key, reason in failed.items() if key not in absent}


async def holds(store: ObjectStore, wanted: CopySource, sha256: bytes, *, pace: Pace = _unpaced) -> bool:
    """Say whether a store has an object's bytes, read from there.

    Raises:
        StoreUnavailable: nobody can tell.

    """
    try:
        return await hash_object(store, wanted.key, size_bytes=wanted.size_bytes, pace=pace) == sha256
    except (ObjectMissing, ObjectDamaged):
        return False
    except OSError as error:
        raise StoreUnavailable(errno_name(error)) from error


@contextmanager
def damage_of_source() -> Iterator[None]:
    """Tell what shows where an object is read as damage of what is to be copied.

    Raises:
        SourceDamaged: the block raised `ObjectMissing` or `ObjectDamaged`.

    """
    try:
        yield
    except ObjectMissing as error:
        raise SourceDamaged("missing") from error
    except ObjectDamaged as error:
        raise SourceDamaged(error.difference) from error


def _refuse_written() -> None:
    raise StoreUnavailable("what was written hashes to something else")
