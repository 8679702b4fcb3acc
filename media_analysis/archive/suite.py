"""All that archives can do, over the collaborators of one process."""

import asyncio
from dataclasses import dataclass, field
from functools import cached_property

from media_analysis.archive.archiving import Archiver
from media_analysis.archive.catalog import CatalogService
from media_analysis.archive.due import ArchiveTerms
from media_analysis.archive.execution import PAUSES, ArchiveExecution, Observe
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.restoring import Restorer
from media_analysis.archive.service import ArchiveService
from media_analysis.db.database import Database
from media_analysis.deletion.suite import DeletionServices
from media_analysis.files.upload.protocol import UploadProtocol
from media_analysis.files.upload.room import RoomMaker
from media_analysis.settings.model import Settings
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True)
class ArchiveServices:
    """The services of archives, each made when it is first asked for."""

    settings: Settings
    db: Database
    store: ObjectStore
    protocol: UploadProtocol
    deletion: DeletionServices
    room: RoomMaker
    observe: Observe
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def requests(self) -> ArchiveService:
        terms = ArchiveTerms.of(self.settings.archive)
        return ArchiveService(self.db, self.store, terms, self.protocol.reserve_bytes, self.bell.set)

    @cached_property
    def catalog(self) -> CatalogService:
        return CatalogService(self.db, self.store)

    @cached_property
    def execution(self) -> ArchiveExecution:
        chosen = self.settings.archive
        archiver = Archiver(
            db=self.db,
            store=self.store,
            protocol=self.protocol,
            deleter=self.deletion.deleter,
            kept_for=self.requests.terms.kept_for,
            compression=Compression(chosen.compression),
        )
        restorer = Restorer(
            db=self.db,
            store=self.store,
            protocol=self.protocol,
            deleter=self.deletion.deleter,
            kept_for=self.requests.terms.kept_for,
        )
        return ArchiveExecution(
            db=self.db,
            archiver=archiver,
            restorer=restorer,
            concurrency=chosen.concurrency,
            observe=self.observe,
            room=self.room,
            pauses=[pause * chosen.retry_seconds for pause in PAUSES],
            bell=self.bell,
        )
