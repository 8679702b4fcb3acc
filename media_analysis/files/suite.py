"""All that files can do by themselves, over the collaborators of one process."""

from dataclasses import dataclass
from functools import cached_property

from media_analysis.db.database import Database
from media_analysis.files.limits import UploadLimits
from media_analysis.files.products import ProductService
from media_analysis.files.registrar import Registrar
from media_analysis.files.room import RoomMaker
from media_analysis.files.service import FileService
from media_analysis.files.uploads import Abandon, UploadService
from media_analysis.settings.storage import StorageSettings
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True)
class FileServices:
    """The services of files, each made when it is first asked for."""

    settings: StorageSettings
    db: Database
    store: ObjectStore
    registrar: Registrar
    room: RoomMaker
    abandon: Abandon

    @cached_property
    def catalog(self) -> FileService:
        return FileService(self.db, self.store)

    @cached_property
    def uploads(self) -> UploadService:
        limits = UploadLimits.of(self.settings)
        return UploadService(self.db, self.store, self.registrar, self.room, limits, self.abandon)

    @cached_property
    def products(self) -> ProductService:
        return ProductService(self.db)
