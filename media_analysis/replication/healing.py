"""Primaries mended from replicas: what is damaged is set aside, never lost before the replica is proven."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

from media_analysis.errors import MediaAnalysisError, ObjectDamaged, ObjectMissing
from media_analysis.failpoints import failpoint
from media_analysis.replication.claiming import ReplicaDuty
from media_analysis.replication.copying import ReplicaCopier, reason_of
from media_analysis.storage.copying import SourceDamaged, holds
from media_analysis.storage.hashing import DIFFERS, hash_object
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.unlinking import errno_name


@dataclass(frozen=True, slots=True)
class Healed:
    """The primary is whole."""

    was: str | None
    """What was wrong with it; None if nothing was."""


@dataclass(frozen=True, slots=True)
class NotHealed:
    """The primary is as it was."""

    reason: str
    replica_is_lost: bool = False
    """Whether the replica is not whole either."""


@dataclass(frozen=True)
class Healer:
    """Puts the replica's bytes where the primary's should be."""

    primary: ObjectStore
    replica: ObjectStore
    reserve_bytes: int
    require_held: Callable[[ReplicaDuty], Awaitable[None]]

    async def heal(self, duty: ReplicaDuty, *, day: date) -> Healed | NotHealed:
        """Mend one file. Killed at any step, the same again mends it.

        The row's hash decides, read from both: the primary may have been brought back by somebody else.
        """
        if duty.sha256 is None:
            return NotHealed("nobody knows what it should hash to")
        try:
            was = await self._wrong(duty)
            if was is None:
                return Healed(None)
            if not await holds(self.replica, duty, duty.sha256):
                return NotHealed(f"neither primary nor replica is whole; the primary: {was}", replica_is_lost=True)
            (found,) = await self.primary.look_up([duty.key])
            if found is not None:
                held = partial(self.require_held, duty)
                await self.primary.set_aside([duty.key], day=day, require_held=held)
            failpoint("replica.set_aside")
            copier = ReplicaCopier(self.replica, self.primary, self.reserve_bytes, self.require_held)
            outcome = await copier.copy_large(duty)
        except MediaAnalysisError as error:
            return NotHealed(str(error))
        if isinstance(outcome, SourceDamaged):
            return NotHealed(f"the replica: {outcome.sentence}", replica_is_lost=True)
        return NotHealed(reason_of(outcome)) if outcome is not None else Healed(was)

    async def _wrong(self, duty: ReplicaDuty) -> str | None:
        """Return what is wrong with the primary, None if nothing is.

        Raises:
            StoreUnavailable: nobody can tell.

        """
        try:
            sha256 = await hash_object(self.primary, duty.key, size_bytes=duty.size_bytes)
        except ObjectMissing:
            return "missing"
        except ObjectDamaged as error:
            return error.difference
        except OSError as error:
            return f"cannot be read ({errno_name(error)})"
        return None if sha256 == duty.sha256 else DIFFERS
