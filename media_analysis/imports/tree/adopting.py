"""Files of a tree inside the store become rows where they lie."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.db.locks import locked
from media_analysis.deletion.unclaimed import TREE, list_unclaimed, lock_tree
from media_analysis.errors import ObjectMissing, SourceChanged
from media_analysis.failpoints import failpoint
from media_analysis.imports.tree import statements
from media_analysis.imports.tree.candidates import Candidate, Naming, Skip
from media_analysis.imports.tree.copying import AT_ONCE, ImportedBatch
from media_analysis.imports.tree.statements import AddedFiles, Destination
from media_analysis.storage.calls import Held
from media_analysis.storage.sources import digest_of
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True)
class Adopter:
    """Makes rows of what lies in the store and no row names; nothing is written, moved or deleted there."""

    db: Database
    store: ObjectStore

    async def select(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Return those that no row and no deletion under way names."""
        async with self.db.read_only() as session:
            return await _unclaimed(session, candidates)

    async def adopt(
        self, naming: Naming, destination: Destination, batch: Sequence[Candidate], *, read: bool
    ) -> ImportedBatch:
        """Make rows of one batch, `read` for their hashes and types where that is asked for.

        Raises:
            QuotaReached: there is no room; nothing of the batch is kept.
            MarkerMismatch, StoreUnavailable: it is the store no more, or does not answer.

        """
        new = await self.select(batch)
        outcomes = await _read_all(naming, new) if read else new
        readable = [outcome for outcome in outcomes if isinstance(outcome, Candidate)]
        skipped = [outcome for outcome in outcomes if isinstance(outcome, Skip)]
        adopting = self._adopt_on_disk if naming.bucket is None else self._adopt_in_bucket
        stored, changed = await adopting(naming, destination, readable)
        failpoint("import_in_place.stored")
        return ImportedBatch(stored, [*skipped, *[Skip.CHANGED] * changed])

    @retried
    async def _adopt_on_disk(
        self, naming: Naming, destination: Destination, readable: Sequence[Candidate]
    ) -> tuple[AddedFiles, int]:
        async with self.db.transaction() as session:
            # Under this lock nobody sets the objects aside. What no row named when it was looked up after the walk,
            # no deletion can be removing: a row would have come before the name (design law 3).
            await lock_tree(session)
            await self.store.require_marker()  # a move may have closed the store meanwhile
            free = await _unclaimed(session, readable)
            still = await self._still_there(naming, free)
            return await _add(session, naming, destination, still), len(free) - len(still)

    async def _adopt_in_bucket(
        self, naming: Naming, destination: Destination, readable: Sequence[Candidate]
    ) -> tuple[AddedFiles, int]:
        """Do the same; to look at a bucket takes longer than a transaction may, so the lock is held without one."""
        async with locked(self.db, TREE) as lock:
            await self.store.require_marker()
            free = await self.select(readable)
            still = await self._still_there(naming, free)
            stored = await self._add_all(naming, destination, still, lock.require)
        return stored, len(free) - len(still)

    @retried
    async def _add_all(
        self, naming: Naming, destination: Destination, still: Sequence[Candidate], require_held: Held
    ) -> AddedFiles:
        async with self.db.transaction() as session:
            added = await _add(session, naming, destination, still)
            await require_held()
            return added

    async def _still_there(self, naming: Naming, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Return those that stand as the walk saw them."""
        found = zip(candidates, await self.store.look_up([candidate.key for candidate in candidates]), strict=True)
        return [candidate for candidate, entry in found if naming.is_as_walked(candidate, entry)]


async def _unclaimed(session: AsyncSession, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    unclaimed = set(await list_unclaimed(session, [candidate.key for candidate in candidates]))
    return [candidate for candidate in candidates if candidate.key in unclaimed]


async def _add(
    session: AsyncSession, naming: Naming, destination: Destination, candidates: Sequence[Candidate]
) -> AddedFiles:
    fresh = await _with_new_ids(session, naming, candidates)
    stored = await statements.add_stored(session, destination, fresh)
    await statements.count_stored(session, destination, stored)
    failpoint("import_in_place.storing")
    return stored


async def _with_new_ids(session: AsyncSession, naming: Naming, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Give another id to what has the one of a deleted file: it was put back where it lay."""
    fresh: list[Candidate] = []
    asked = list(candidates)
    while asked:
        states = await statements.get_states(session, [candidate.id for candidate in asked])
        fresh += [candidate for candidate in asked if candidate.id not in states]
        asked = [naming.again(candidate) for candidate in asked if candidate.id in states]
    return fresh


async def _read_all(naming: Naming, candidates: Sequence[Candidate]) -> Sequence[Candidate | Skip]:
    """Return each with what its bytes say, or why it is not imported."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def read(candidate: Candidate) -> Candidate | Skip:
        async with turns:
            return await asyncio.to_thread(_read, naming, candidate)

    return await asyncio.gather(*(read(candidate) for candidate in candidates))


def _read(naming: Naming, candidate: Candidate) -> Candidate | Skip:
    try:
        source = naming.open(candidate.entry)
        try:
            return candidate.read_as(digest_of(source), source)
        finally:
            source.close()
    except (SourceChanged, ObjectMissing, FileNotFoundError):
        return Skip.CHANGED
    except OSError:
        return Skip.UNREADABLE
