"""Import of a directory of old runs and archives: one by one, and again as often as it takes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from media_analysis.archive.progress import TaskProgress
from media_analysis.db.database import Database
from media_analysis.errors import ArchiveDamaged, InvalidRequest, ObjectMissing, SourceChanged
from media_analysis.failpoints import failpoint
from media_analysis.files.upload.room import RoomMaker
from media_analysis.imports.runs.archives import ArchiveImporter
from media_analysis.imports.runs.drafts import OldArchive
from media_analysis.imports.runs.files import RunFolder
from media_analysis.imports.runs.finding import Found, FoundArchive, FoundRun, Ground, Passed, find
from media_analysis.imports.runs.outcomes import Fate, ImportOutcome, ImportReport, Known, PassedOver, Refused, Subject
from media_analysis.imports.runs.runs import RunImporter
from media_analysis.imports.runs.terms import ImportRequest
from media_analysis.imports.tree.candidates import allowed_name
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.unlinking import errno_name

Progress = Callable[[ImportReport, int], None]
"""Hears what became of how many so far, and how many there are."""
_REFUSALS: Final = (Refused, ArchiveDamaged, SourceChanged, ObjectMissing)


@dataclass(frozen=True)
class RunImportService:
    """Imports directories; what one call leaves undone, the same call again goes on with."""

    db: Database
    store: ObjectStore
    runs: RunImporter
    archives: ArchiveImporter
    room: RoomMaker

    async def run(
        self, request: ImportRequest, *, progress: Progress | None = None, now: datetime | None = None
    ) -> ImportReport:
        """Import what is found; nothing in the directory is changed or deleted, unless folders are to be renamed.

        What cannot be imported is told, and does not keep the others from it.

        Raises:
            InvalidRequest: the directory cannot be imported this way.
            QuotaReached, QuotaPassed, DiskReserveReached, DiskFull: there is no room for more.
            MarkerMismatch, DatabaseUnavailable, StoreUnavailable: as the names say.

        """
        await self.store.require_marker()
        ground = await asyncio.to_thread(Ground.of, request.directory, self.store)
        if ground.in_place and request.rename:
            raise InvalidRequest("--rename", "what lies in the store keeps its names, which are its keys")
        report = ImportReport(ground.in_place, request.dry_run)
        try:
            found = await asyncio.to_thread(find, ground.root)
        except OSError as error:
            raise InvalidRequest("DIR", f"it cannot be read: {errno_name(error)}") from error
        at = now or await self.db.now()
        try:
            for each in found:
                report.outcomes.append(await self._judge(ground, each, request, at, now))
                failpoint("import_runs.next")
                if progress is not None:
                    progress(report, len(found))
        finally:
            if not request.dry_run:
                await self.room.look(*Category)
        return report

    async def _judge(
        self, ground: Ground, found: Found, request: ImportRequest, at: datetime, counted_from: datetime | None
    ) -> ImportOutcome:
        try:
            return await self._import(ground, found, request, at, counted_from)
        except Known as known:
            return _untaken(found, Fate.KNOWN, str(known))
        except PassedOver as passed:
            return _untaken(found, Fate.SKIPPED, str(passed))
        except _REFUSALS as refused:
            return _untaken(found, Fate.REFUSED, str(refused))
        except OSError as error:
            return _untaken(found, Fate.REFUSED, errno_name(error))

    async def _import(
        self, ground: Ground, found: Found, request: ImportRequest, at: datetime, counted_from: datetime | None
    ) -> ImportOutcome:
        self._require_place(ground, found)
        match found:
            case FoundRun():
                folder = RunFolder(ground, found)
                if request.dry_run:
                    return await self.runs.plan(folder, request, now=at)
                return await self.runs.run(folder, request, now=at, counted_from=counted_from)
            case FoundArchive():
                importing = self.archives.plan if request.dry_run else self.archives.run
                return await importing(OldArchive(ground, found), request, now=at, progress=TaskProgress())
            case Passed():
                raise PassedOver(found.reason)
        assert_never(found)

    def _require_place(self, ground: Ground, found: Found) -> None:
        """Return unless its key would lie below another root of the store."""
        name = _what(found)[0]
        if isinstance(found, Passed) or not ground.in_place:
            return
        if self.store.where(ground.prefix + name) != str(ground.root / name):
            raise Refused("archives lie below the base path of archives, and nothing else does")


def _untaken(found: Found, fate: Fate, reason: str) -> ImportOutcome:
    name, subject = _what(found)
    return ImportOutcome(name=name, subject=subject, fate=fate, reason=reason)


def _what(found: Found) -> tuple[str, Subject]:
    match found:
        case FoundRun():
            return found.folder, Subject.RUN
        case FoundArchive():
            return allowed_name(found.entry.name), Subject.ARCHIVE
        case Passed():
            return allowed_name(found.name), Subject.OTHER
    assert_never(found)
