"""Objects from one store to another under the same key: proven by their hash before, and once more as written."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from media_analysis.errors import DiskFull, MediaAnalysisError, ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.replication.claiming import ReplicaDuty
from media_analysis.storage.hashing import StreamHash, hash_object, read_whole
from media_analysis.storage.store import ObjectStore, ObjectWriter
from media_analysis.storage.unlinking import errno_name

DIFFERS: Final = "hash differs"
"""As a scrub says it."""


class SourceDamaged(Exception):
    """What was to be copied is not what its row says."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class ReplicaCopier:
    """Copies from one store to another; what lies there already is proven, or replaced."""

    source: ObjectStore
    target: ObjectStore
    reserve_bytes: int
    require_held: Callable[[ReplicaDuty], Awaitable[None]]
    """Fails with `StoreUnavailable` once somebody else has the copy: what lies there by then is theirs."""

    async def copy_small(self, duties: Sequence[ReplicaDuty]) -> Mapping[ReplicaDuty, Exception | None]:
        """Copy what fits into memory together; return of each why it was not, None where it was."""
        read = await asyncio.gather(*(self._read(duty) for duty in duties))
        outcomes: dict[ReplicaDuty, Exception | None] = {
            duty: said for duty, said in zip(duties, read, strict=True) if isinstance(said, Exception)
        }
        whole = [(duty, *said) for duty, said in zip(duties, read, strict=True) if not isinstance(said, Exception)]
        put = await self._put([(duty.key, content) for duty, content, _ in whole])
        for (duty, content, expected), said in zip(whole, put, strict=True):
            outcomes[duty] = None if said == expected else await self._replace(duty, content, expected)
        return outcomes

    async def copy_large(self, duty: ReplicaDuty) -> Exception | None:
        """Copy one object as a stream; return why it was not copied, None if it was."""
        try:
            (found,) = await self.target.look_up([duty.key])
            if found is not None:
                expected = duty.sha256 or await self._hash_source(duty)
                if await self.holds(duty, expected):
                    return None
                await self._clear(duty)
            elif duty.attempt > 1:
                await self.target.abort([duty.key])
            if (await self.target.capacity(duty.key)).free_bytes < duty.size_bytes + self.reserve_bytes:
                raise DiskFull
            await self._stream(duty)
        except (MediaAnalysisError, SourceDamaged) as error:
            return error
        except OSError as error:
            return StoreUnavailable(errno_name(error))
        return None

    async def holds(self, duty: ReplicaDuty, expected: bytes) -> bool:
        """Say whether the target has an object's bytes, read from there.

        Raises:
            StoreUnavailable: nobody can tell.

        """
        try:
            return await hash_object(self.target, duty.key, size_bytes=duty.size_bytes) == expected
        except (ObjectMissing, ObjectDamaged):
            return False
        except OSError as error:
            raise StoreUnavailable(errno_name(error)) from error

    async def _read(self, duty: ReplicaDuty) -> tuple[bytes, bytes] | Exception:
        """Return an object's bytes with what they hash to."""
        try:
            content = await self.source.read(duty.key, size_bytes=duty.size_bytes)
        except ObjectMissing:
            return SourceDamaged("missing")
        except ObjectDamaged as error:
            return SourceDamaged(error.difference)
        except MediaAnalysisError as error:
            return error
        except OSError as error:
            return StoreUnavailable(errno_name(error))
        digest = StreamHash()
        await digest.update(content)
        return SourceDamaged(DIFFERS) if duty.sha256 not in {None, digest.value()} else (content, digest.value())

    async def _put(self, objects: Sequence[tuple[str, bytes]]) -> Sequence[bytes | Exception]:
        try:
            return await self.target.put_many(objects, leaving_bytes=self.reserve_bytes) if objects else ()
        except MediaAnalysisError as error:
            return [error] * len(objects)

    async def _replace(self, duty: ReplicaDuty, content: bytes, expected: bytes) -> Exception | None:
        """Take what lies there for the copy if it is one; else put the copy in its place."""
        try:
            (found,) = await self.target.look_up([duty.key])
            if found is not None:
                if await self.holds(duty, expected):
                    return None
                await self._clear(duty)
            (said,) = await self.target.put_many([(duty.key, content)], leaving_bytes=self.reserve_bytes)
        except MediaAnalysisError as error:
            return error
        if isinstance(said, Exception):
            return said
        return None if said == expected else StoreUnavailable("what was written hashes to something else")

    async def _clear(self, duty: ReplicaDuty) -> None:
        await self.require_held(duty)
        outcome = await self.target.delete_many([duty.key])
        if outcome.failed:
            raise StoreUnavailable(f"what lies there cannot be deleted: {outcome.failed[duty.key]}")

    async def _hash_source(self, duty: ReplicaDuty) -> bytes:
        try:
            return await hash_object(self.source, duty.key, size_bytes=duty.size_bytes)
        except ObjectMissing as error:
            raise SourceDamaged("missing") from error
        except ObjectDamaged as error:
            raise SourceDamaged(error.difference) from error

    async def _stream(self, duty: ReplicaDuty) -> None:
        (writer,) = await self.target.create_many([duty.key])
        if isinstance(writer, Exception):
            raise writer
        try:
            expected = await self._pour(duty, writer)
            if await writer.sync() != expected:
                _refuse_written()
        except BaseException:
            # What lies there by now may be the copy of whoever overtook this one: who tries next looks, and deletes.
            with suppress(MediaAnalysisError):
                await writer.revert()
            raise
        finally:
            writer.close()

    async def _pour(self, duty: ReplicaDuty, writer: ObjectWriter) -> bytes:
        """Write all bytes of the source, and return what they hash to; damaged ones never become a copy."""
        digest = StreamHash()
        try:
            async with aclosing(read_whole(self.source, duty.key, size_bytes=duty.size_bytes)) as chunks:
                async for chunk in chunks:
                    await digest.update(chunk)
                    await writer.write(chunk)
        except ObjectMissing as error:
            raise SourceDamaged("missing") from error
        except ObjectDamaged as error:
            raise SourceDamaged(error.difference) from error
        if duty.sha256 not in {None, digest.value()}:
            raise SourceDamaged(DIFFERS)
        return digest.value()


def reason_of(error: Exception) -> str:
    """Return why something was not copied; what a full disk says is meant for whoever uploads."""
    return "no room is left where it is copied to" if isinstance(error, DiskFull) else str(error)


def _refuse_written() -> None:
    raise StoreUnavailable("what was written hashes to something else")
