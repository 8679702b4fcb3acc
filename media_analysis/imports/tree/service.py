"""Import: an existing tree becomes files of ours, where it lies or by copy, again and again if it must."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.errors import InvalidRequest, MediaAnalysisError, QuotaReached
from media_analysis.files.buckets import buckets_of
from media_analysis.files.upload.room import RoomMaker
from media_analysis.imports.tree import statements
from media_analysis.imports.tree.adopting import Adopter
from media_analysis.imports.tree.buckets import BucketTree
from media_analysis.imports.tree.candidates import Candidate, Naming, Skip, count_bytes, portions
from media_analysis.imports.tree.copying import Copier, ImportedBatch
from media_analysis.imports.tree.statements import AddedFiles, Destination
from media_analysis.storage.category import Category
from media_analysis.storage.entries import EntryKind
from media_analysis.storage.places import ARCHIVES, Places
from media_analysis.storage.remote.names import is_own
from media_analysis.storage.remote.store import RemoteStore
from media_analysis.storage.replicated import ReplicatedStore
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.tree import places_of, roots_of
from media_analysis.storage.walk import OWN_NAMES

IN_PLACE_BATCH: Final = 2000
COPY_BATCH: Final = 100
MEASURE_BATCH: Final = 5000
_NOT_IN_PLACE: Final = "only a tree inside the store can be imported in place"


@dataclass(frozen=True, kw_only=True)
class TreeImportRequest:
    """Which tree, as what, and how."""

    directory: Path | BucketTree
    category: Category
    owner: str
    actor: str
    in_place: bool | None = None
    """None is in place for a tree inside the store, else by copy."""
    read: bool = False
    """Whether files imported in place are read for their hash and their media type; copies always are."""
    job_id: UUID | None = None
    over_quota: bool = False


@dataclass
class TreeImportReport:
    """What became of the tree so far."""

    in_place: bool
    seen: int = 0
    files: int = 0
    size_bytes: int = 0
    known: int = 0
    """Files that had a row already, from an earlier import for instance."""
    due_at_once: int = 0
    """Imported files whose lifetime is over; the next sweep takes them."""
    skipped: Counter[Skip] = field(default_factory=Counter)

    def add(self, batch: ImportedBatch, *, of: int) -> None:
        """Count a batch of so many files."""
        self.files += len(batch.added.ids)
        self.size_bytes += batch.added.size_bytes
        self.due_at_once += batch.added.due_at_once
        self.known += of - len(batch.added.ids) - len(batch.skipped)
        self.skipped.update(batch.skipped)


@dataclass(frozen=True, slots=True)
class Measure:
    """How much a tree holds that can be imported."""

    names: int
    size_bytes: int


Progress = Callable[[TreeImportReport, Measure], None]


@dataclass(frozen=True)
class TreeImportService:
    """Imports trees; what a run leaves undone, the same run asked for again goes on with."""

    db: Database
    store: ObjectStore
    copier: Copier
    room: RoomMaker

    async def run(
        self, request: TreeImportRequest, *, progress: Progress | None = None, now: datetime | None = None
    ) -> TreeImportReport:
        """Import a tree; nothing in it is changed or deleted.

        Raises:
            InvalidRequest: the directory cannot be imported this way.
            QuotaReached, DiskReserveReached: there is no room for it.
            SourceUnavailable, JobNotFound, MarkerMismatch: as the names say.

        """
        await self.store.require_marker()
        naming = await self._naming_of(request)
        destination = Destination(
            owner=request.owner,
            category=request.category,
            job_id=request.job_id,
            over_quota=request.over_quota,
            now=now,
        )
        measure = await self._measure(naming)
        await self._require_room(naming, destination, measure)
        report = TreeImportReport(naming.in_place)
        try:
            async for batch in _batches(naming, report):
                importing = self._adopt if naming.in_place else self._copy
                report.add(await importing(naming, destination, batch, read=request.read), of=len(batch))
                if progress is not None:
                    progress(report, measure)
        finally:
            await self.room.look(request.category)
        await self._record(request, report)
        return report

    async def _naming_of(self, request: TreeImportRequest) -> Naming:
        """Decide how the tree is imported, and refuse what would swallow the store or itself."""
        if isinstance(request.directory, Path):
            return self._naming_in(request.directory, request)
        return await self._naming_in_bucket(request.directory, request)

    async def _naming_in_bucket(self, tree: BucketTree, request: TreeImportRequest) -> Naming:
        named = partial(Naming, Path(str(tree.address)), request.category, job_id=request.job_id, bucket=tree)
        place = await tree.find_place(self.store.instance_id, await self._own_buckets())
        if place is None and request.in_place:
            raise InvalidRequest("DIR", _NOT_IN_PLACE)
        if place is None:
            return named(in_place=False)
        prefix = tree.address.prefix_below(place)
        if is_own(f"{prefix}a"):
            raise InvalidRequest("DIR", "it is the store's own")
        # Where replicas are, archives alone, or what a move fills or has left, nothing becomes a file by lying there.
        if request.in_place is False or self.store.where(f"{prefix}a") != place.where(f"{prefix}a"):
            raise InvalidRequest("DIR", "it lies in the store" if prefix else "it is the store")
        apart = not prefix and self.store.where(f"{ARCHIVES}/a") != place.where(f"{ARCHIVES}/a")
        return named(in_place=True, prefix=prefix, skip=frozenset({ARCHIVES}) if apart else frozenset())

    async def _own_buckets(self) -> Sequence[RemoteStore]:
        if not isinstance(self.store, ReplicatedStore):
            return buckets_of(self.store)
        own = list(buckets_of(self.store.primary))
        with suppress(MediaAnalysisError):  # replicas that are away have a marker still
            own += buckets_of(await self.store.replica.require())
        return own

    def _naming_in(self, directory: Path, request: TreeImportRequest) -> Naming:
        try:
            directory = directory.resolve(strict=True)
        except OSError as error:
            raise InvalidRequest("DIR", "no such directory") from error
        if not directory.is_dir():
            raise InvalidRequest("DIR", "not a directory")
        places, roots = places_of(self.store), roots_of(self.store)
        if any(directory in root.parents for root in roots):
            raise InvalidRequest("DIR", "the store lies inside it")
        root = next((root for root in roots if directory == root or root in directory.parents), None)
        if root is None:
            if request.in_place:
                raise InvalidRequest("DIR", _NOT_IN_PLACE)
            return Naming(directory, request.category, False, "", request.job_id, frozenset())
        if places is None or request.in_place is False:  # in place where keys would lie elsewhere it cannot be
            raise InvalidRequest("DIR", "it lies in the store")
        prefix = _prefix(directory, root, places)
        skip = frozenset() if prefix else OWN_NAMES | _foreign(places)
        return Naming(directory, request.category, True, prefix, request.job_id, skip)

    async def _measure(self, naming: Naming) -> Measure:
        names = size_bytes = 0
        async for entries in naming.walk(MEASURE_BATCH):
            names += len(entries)
            size_bytes += sum(entry.size_bytes for entry in entries if entry.kind is EntryKind.FILE)
        return Measure(names, size_bytes)

    async def _require_room(self, naming: Naming, destination: Destination, measure: Measure) -> None:
        """Refuse up front what the quota has no room for; only then is it worth knowing what is imported already."""
        await statements.open_account(self.db, destination)
        try:
            async with self.db.read_only() as session:
                await statements.require_room(session, destination, measure.size_bytes)
        except QuotaReached:
            needed_bytes = 0
            async for batch in _batches(naming, TreeImportReport(naming.in_place)):
                needed_bytes += count_bytes(await self._select_new(naming, batch))
            async with self.db.read_only() as session:
                await statements.require_room(session, destination, needed_bytes)

    async def _select_new(self, naming: Naming, batch: Sequence[Candidate]) -> Sequence[Candidate]:
        if not naming.in_place:
            return (await self.copier.select(naming, batch, take_over=False))[0]
        return await self._adopter.select(batch)

    @property
    def _adopter(self) -> Adopter:
        return Adopter(self.db, self.store)

    async def _adopt(
        self, naming: Naming, destination: Destination, batch: Sequence[Candidate], *, read: bool
    ) -> ImportedBatch:
        adopted = await self._adopter.adopt(naming, destination, batch, read=read)
        await _require_bucket(naming, adopted)
        return adopted

    async def _copy(
        self, naming: Naming, destination: Destination, batch: Sequence[Candidate], *, read: bool
    ) -> ImportedBatch:
        del read  # a copy passes through our hands anyway
        new, skipped = await self.copier.select(naming, batch, take_over=True)
        copied = ImportedBatch(AddedFiles(), skipped)
        for portion in portions(new):
            copied = copied.plus(await self.copier.copy(naming, destination, portion))
        await _require_bucket(naming, copied)
        return copied

    @retried
    async def _record(self, request: TreeImportRequest, report: TreeImportReport) -> None:
        details = {
            "category": request.category.value,
            "in_place": report.in_place,
            "files": report.files,
            "size_bytes": report.size_bytes,
            "known": report.known,
            "due_at_once": report.due_at_once,
            "skipped": {skip.value: count for skip, count in report.skipped.items()},
            "over_quota": request.over_quota,
        }
        act = Act(
            actor=request.actor,
            action=Action.IMPORTED,
            owner=request.owner,
            job_id=request.job_id,
            details=details,
        )
        async with self.db.transaction() as session:
            await add_events(session, [act])


async def _batches(naming: Naming, report: TreeImportReport) -> AsyncIterator[Sequence[Candidate]]:
    """Yield what can be imported, and count what cannot."""
    size = IN_PLACE_BATCH if naming.in_place else COPY_BATCH
    async for entries in naming.walk(size):
        judged = [naming.judge(entry) for entry in entries]
        report.seen += len(entries)
        report.skipped.update(outcome for outcome in judged if isinstance(outcome, Skip))
        candidates = [outcome for outcome in judged if isinstance(outcome, Candidate)]
        if candidates:
            yield candidates


def _prefix(directory: Path, root: Path, places: Places) -> str:
    """Return what the keys of a tree inside the store begin with; refuse a tree whose keys would lie elsewhere."""
    prefix = "" if directory == root else directory.relative_to(root).as_posix() + "/"
    if prefix.partition("/")[0] in OWN_NAMES:
        raise InvalidRequest("DIR", "it is the store's own")
    if places.root_of(prefix) != root:
        raise InvalidRequest("DIR", "archives lie below the base path of archives, and nothing else does")
    return prefix


def _foreign(places: Places) -> frozenset[str]:
    """Name what lies in the store's root by mistake: archives that have a root of their own."""
    return frozenset() if places.archives is None else frozenset({ARCHIVES})


async def _require_bucket(naming: Naming, batch: ImportedBatch) -> None:
    """Fail if what could not be read of a batch are not single objects, but their bucket."""
    if naming.bucket is not None and Skip.UNREADABLE in batch.skipped:
        await naming.bucket.require_answer()
