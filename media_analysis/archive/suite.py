"""All that archives can do, over the collaborators of one process."""

from dataclasses import dataclass
from functools import cached_property

from media_analysis.archive.archiving import Archiver
from media_analysis.archive.catalog import CatalogService
from media_analysis.archive.due import ArchiveTerms
from media_analysis.archive.execution import PAUSES, ArchiveExecution, Observe
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.restoring import Restorer
from media_analysis.archive.returning import ReturnService
from media_analysis.archive.service import ArchiveService
from media_analysis.db.database import Database
from media_analysis.files.registrar import Registrar
from media_analysis.files.room import RoomMaker
from media_analysis.retention.deletion import Deleter
from media_analysis.retention.discarding import DiscardService
from media_analysis.retention.restoring import RestoreService
from media_analysis.storage.disk import DiskStore


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveOptions:
    """When and how runs are archived."""

    terms: ArchiveTerms
    compression: Compression
    concurrency: int
    reserve_bytes: int
    retry_seconds: float


@dataclass(frozen=True)
class Archives:
    """The services of archives, each made when it is first asked for."""

    db: Database
    store: DiskStore
    registrar: Registrar
    deleter: Deleter
    discards: DiscardService
    trash: RestoreService
    room: RoomMaker
    options: ArchiveOptions
    observe: Observe

    @cached_property
    def requests(self) -> ArchiveService:
        return ArchiveService(self.db, self.store, self.options.terms, self.options.reserve_bytes)

    @cached_property
    def returns(self) -> ReturnService:
        return ReturnService(self.db, self.requests, self.trash)

    @cached_property
    def catalog(self) -> CatalogService:
        return CatalogService(self.db, self.store)

    @cached_property
    def execution(self) -> ArchiveExecution:
        archiver = Archiver(
            db=self.db,
            store=self.store,
            registrar=self.registrar,
            deleter=self.deleter,
            kept_for=self.options.terms.kept_for,
            compression=self.options.compression,
            reserve_bytes=self.options.reserve_bytes,
        )
        restorer = Restorer(
            db=self.db,
            store=self.store,
            registrar=self.registrar,
            deleter=self.deleter,
            discards=self.discards,
            kept_for=self.options.terms.kept_for,
            reserve_bytes=self.options.reserve_bytes,
        )
        return ArchiveExecution(
            db=self.db,
            archiver=archiver,
            restorer=restorer,
            concurrency=self.options.concurrency,
            observe=self.observe,
            room=self.room,
            lease_seconds=self.registrar.lease_seconds,
            pauses=[pause * self.options.retry_seconds for pause in PAUSES],
        )
