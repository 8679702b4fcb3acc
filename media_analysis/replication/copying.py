"""Objects from one store to another under the same key: proven by their hash before, and once more as written."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from media_analysis.errors import DiskFull, MediaAnalysisError, StoreUnavailable
from media_analysis.replication.claiming import ReplicaDuty
from media_analysis.storage.copying import ObjectCopier, SourceDamaged, damage_of_source
from media_analysis.storage.hashing import DIFFERS, StreamHash
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.unlinking import errno_name


@dataclass(frozen=True)
class ReplicaCopier:
    """Copies from one store to another; what lies there already is proven, or replaced."""

    source: ObjectStore
    target: ObjectStore
    reserve_bytes: int
    require_held: Callable[[ReplicaDuty], Awaitable[None]]
    """Fails with `StoreUnavailable` once somebody else has the replica: what lies there by then is theirs."""

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
        copier = self._copier(duty)
        try:
            if await copier.find(duty) is not None:
                return None
            if duty.attempt > 1:
                await self.target.abort([duty.key])
            if (await self.target.capacity(duty.key)).free_bytes < duty.size_bytes + self.reserve_bytes:
                raise DiskFull
            await copier.copy(duty)
        except (MediaAnalysisError, SourceDamaged) as error:
            return error
        except OSError as error:
            return StoreUnavailable(errno_name(error))
        return None

    def _copier(self, duty: ReplicaDuty) -> ObjectCopier:
        return ObjectCopier(self.source, self.target, partial(self.require_held, duty))

    async def _read(self, duty: ReplicaDuty) -> tuple[bytes, bytes] | Exception:
        """Return an object's bytes with what they hash to."""
        try:
            with damage_of_source():
                content = await self.source.read(duty.key, size_bytes=duty.size_bytes)
        except (MediaAnalysisError, SourceDamaged) as error:
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
            if await self._copier(duty).find(replace(duty, sha256=expected)) is not None:
                return None
            (said,) = await self.target.put_many([(duty.key, content)], leaving_bytes=self.reserve_bytes)
        except MediaAnalysisError as error:
            return error
        if isinstance(said, Exception):
            return said
        return None if said == expected else StoreUnavailable("what was written hashes to something else")


def reason_of(error: Exception) -> str:
    """Return why something was not copied; what a full disk says is meant for whoever uploads."""
    return "no room is left where it is copied to" if isinstance(error, DiskFull) else str(error)
