"""A page of objects copied from a place to another one, and what became of each."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from media_analysis.errors import DiskFull
from media_analysis.errors.moves import MoveRefused
from media_analysis.errors.operations import NameRefused
from media_analysis.integrity.inspection import ReadThrottle
from media_analysis.moves.places import OpenPlace
from media_analysis.moves.statements import SourceObject
from media_analysis.storage.calls import each
from media_analysis.storage.copying import ObjectCopier, SourceDamaged
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
class MoveCopier:
    """Copies objects under their keys; what an earlier try left of one is looked at first."""

    source: OpenPlace
    target: OpenPlace
    throttle: ReadThrottle
    require_alone: Callable[[], Awaitable[None]]
    """Fails once another run may write under the same keys."""

    async def copy_all(self, files: Sequence[SourceObject]) -> Mapping[str, CopyOutcome]:
        """Copy objects, some at a time, and return by key what became of each.

        Raises:
            MoveRefused: the target has no room, or another run may be at work.
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
        await self.require_alone()
        copier = ObjectCopier(self.source.store, self.target.store, self.require_alone, self.throttle.take)
        try:
            known = await copier.find(file) if file.is_begun else None
            return CopyOutcome(None, known or await copier.copy(file))
        except SourceDamaged as error:
            return CopyOutcome(error.sentence)
        except NameRefused as error:
            return CopyOutcome(str(error))
        except OSError as error:
            return CopyOutcome(f"cannot be read ({errno_name(error)})")
