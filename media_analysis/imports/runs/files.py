"""The files of one old run: what they are for, how many there are, and how they become ours."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.deletion.unclaimed import list_unclaimed, lock_tree
from media_analysis.failpoints import failpoint
from media_analysis.imports.runs.finding import FoundRun, Ground
from media_analysis.imports.runs.naming import category_of
from media_analysis.imports.tree import statements
from media_analysis.imports.tree.candidates import Candidate, Naming, Skip, count_bytes
from media_analysis.imports.tree.copying import Copier, ImportedBatch
from media_analysis.imports.tree.statements import AddedFiles, Destination
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry
from media_analysis.storage.walk import look, walk_in_batches

MEASURE_BATCH: Final = 5000
IN_PLACE_BATCH: Final = 2000
COPY_BATCH: Final = 32
"""What a crash repeats, and the bytes in flight, stay small."""


@dataclass
class Survey:
    """What a folder holds that can be imported."""

    sizes: Counter[Category] = field(default_factory=Counter)
    files: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)
    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    past: int = 0
    """Files whose category's lifetime is over."""

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes.values())

    def add(self, category: Category, candidate: Candidate, born_until: datetime | None) -> None:
        """Count a file; those of its category that were born until then are past their end."""
        at = candidate.modified_at
        self.past += born_until is not None and at <= born_until
        self.files += 1
        self.sizes[category] += candidate.entry.size_bytes
        self.oldest_at = at if self.oldest_at is None else min(self.oldest_at, at)
        self.newest_at = at if self.newest_at is None else max(self.newest_at, at)


@dataclass(frozen=True)
class RunFolder:
    """One folder on disk, and the names its files get."""

    ground: Ground
    found: FoundRun

    @property
    def path(self) -> Path:
        return self.ground.root / self.found.folder

    @property
    def modified_at(self) -> datetime:
        return datetime.fromtimestamp(self.found.modified_ns // 10**9, UTC)

    def naming(self, category: Category) -> Naming:
        """Return how files of a category are named.

        Ids of copies come from the run's id and the path below it, so that they are the same wherever the folder lies
        and whatever it is called.
        """
        job_id = self.found.name.id
        if self.ground.in_place:
            return Naming(self.path, category, True, f"{self.ground.prefix}{self.found.folder}/", job_id)
        return Naming(Path(f"run {job_id}"), category, False, job_id=job_id)

    async def batches(self, size: int) -> AsyncIterator[tuple[Mapping[Category, Sequence[Candidate]], Sequence[Skip]]]:
        """Yield what can be imported by category, and why other names cannot be."""
        namings = {category: self.naming(category) for category in Category}
        async for entries in walk_in_batches(self.path, size):
            judged = [(category, namings[category].judge(entry)) for category, entry in _sorted(entries)]
            candidates: dict[Category, list[Candidate]] = {}
            for category, outcome in judged:
                if isinstance(outcome, Candidate):
                    candidates.setdefault(category, []).append(outcome)
            yield candidates, [outcome for _, outcome in judged if isinstance(outcome, Skip)]

    async def survey(self, lifetimes: Mapping[Category, timedelta | None], now: datetime) -> Survey:
        """Count what is there."""
        survey = Survey()
        born_until = {category: now - lifetime for category, lifetime in lifetimes.items() if lifetime is not None}
        async for candidates, skipped in self.batches(MEASURE_BATCH):
            survey.skipped.update(skipped)
            for category, files in candidates.items():
                for candidate in files:
                    survey.add(category, candidate, born_until.get(category))
        return survey


@dataclass
class ImportedFiles:
    """What became of a run's files."""

    files: int = 0
    size_bytes: int = 0
    known: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)

    def add(self, batch: ImportedBatch, *, of: int) -> None:
        """Count a batch of so many files."""
        self.files += len(batch.added.ids)
        self.size_bytes += batch.added.size_bytes
        self.known += of - len(batch.added.ids) - len(batch.skipped)
        self.skipped.update(batch.skipped)


@dataclass(frozen=True)
class FileImporter:
    """Makes the files of a folder those of a job, by copy or where they lie."""

    db: Database
    copier: Copier

    async def run(self, folder: RunFolder, destinations: Mapping[Category, Destination]) -> ImportedFiles:
        """Import what is not ours yet; what a crash leaves undone, the next call goes on with."""
        taken, in_place = ImportedFiles(), folder.ground.in_place
        importing = self._import_in_place if in_place else self._copy
        async for candidates, skipped in folder.batches(IN_PLACE_BATCH if in_place else COPY_BATCH):
            taken.skipped.update(skipped)
            for category, files in candidates.items():
                taken.add(await importing(folder, destinations[category], files), of=len(files))
        return taken

    async def count_new(self, folder: RunFolder) -> ImportedFiles:
        """Count what `run` would import, as far as can be said without doing it."""
        taken = ImportedFiles()
        async for candidates, skipped in folder.batches(IN_PLACE_BATCH):
            taken.skipped.update(skipped)
            for category, files in candidates.items():
                taken.add(await self._select(folder, category, files), of=len(files))
        return taken

    async def _select(self, folder: RunFolder, category: Category, files: Sequence[Candidate]) -> ImportedBatch:
        if folder.ground.in_place:
            new, skipped = await self._list_unclaimed(files), []
        else:
            found, why = await self.copier.select(folder.naming(category), files, take_over=False)
            new, skipped = list(found), list(why)
        added = AddedFiles(frozenset(candidate.id for candidate in new), count_bytes(new))
        return ImportedBatch(added, skipped)

    async def _copy(
        self, folder: RunFolder, destination: Destination, candidates: Sequence[Candidate]
    ) -> ImportedBatch:
        naming = folder.naming(destination.category)
        new, skipped = await self.copier.select(naming, candidates, take_over=True)
        passed = ImportedBatch(AddedFiles(), skipped)
        if not new:
            return passed
        lying = Naming(folder.path, destination.category, False, job_id=destination.job_id)
        return passed.plus(await self.copier.copy(lying, destination, new))

    @retried
    async def _import_in_place(
        self, folder: RunFolder, destination: Destination, candidates: Sequence[Candidate]
    ) -> ImportedBatch:
        new = await self._list_unclaimed(candidates)
        async with self.db.transaction() as session:
            # Nobody sets objects aside under this lock, and what no row named before it no deletion is removing.
            await lock_tree(session)
            await self.copier.protocol.store.require_marker()  # a move may have closed the store meanwhile
            unclaimed = set(await list_unclaimed(session, [candidate.key for candidate in new]))
            free = [candidate for candidate in new if candidate.key in unclaimed]
            still = await asyncio.to_thread(_unchanged, folder.path, free)
            fresh = await _with_new_ids(session, folder.naming(destination.category), still)
            stored = await statements.add_stored(session, destination, fresh)
            await statements.count_stored(session, destination, stored)
            failpoint("import_runs_in_place.claiming")
        failpoint("import_runs_in_place.claimed")
        return ImportedBatch(stored, [Skip.CHANGED] * (len(free) - len(still)))

    async def _list_unclaimed(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        async with self.db.read_only() as session:
            unclaimed = set(await list_unclaimed(session, [candidate.key for candidate in candidates]))
        return [candidate for candidate in candidates if candidate.key in unclaimed]


def destinations_of(
    owner: str, job_id: UUID | None, *, over_quota: bool, now: datetime | None
) -> Mapping[Category, Destination]:
    """Return whose the files of each category become."""
    return {
        category: Destination(owner=owner, category=category, job_id=job_id, over_quota=over_quota, now=now)
        for category in Category
    }


def _sorted(entries: Sequence[Entry]) -> Sequence[tuple[Category, Entry]]:
    return [(category_of(entry.name), entry) for entry in entries]


def _unchanged(root: Path, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    now = look(root, [candidate.entry.name for candidate in candidates])
    return [candidate for candidate, entry in zip(candidates, now, strict=True) if candidate.entry == entry]


async def _with_new_ids(session: AsyncSession, naming: Naming, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Give other ids to what has those of deleted files: it was put back where it lay."""
    known = await statements.get_states(session, [candidate.id for candidate in candidates])
    free = [candidate for candidate in candidates if candidate.id not in known]
    for candidate in candidates:
        if candidate.id in known:
            free += await _with_new_ids(session, naming, [naming.again(candidate)])
    return free
