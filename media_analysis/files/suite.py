"""All that files can do by themselves, over the collaborators of one process."""

from dataclasses import dataclass
from functools import cached_property

from media_analysis.db.database import Database
from media_analysis.files.addresses import AddressService
from media_analysis.files.links.service import LinkService
from media_analysis.files.products import ProductService
from media_analysis.files.reading import ReadingService
from media_analysis.files.resumable.service import ResumableUploads
from media_analysis.files.service import FileService
from media_analysis.files.upload.limits import UploadLimits
from media_analysis.files.upload.protocol import UploadProtocol
from media_analysis.files.upload.room import RoomMaker
from media_analysis.files.upload.service import UploadService
from media_analysis.settings.storage import StorageSettings
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True)
class FileServices:
    """The services of files, each made when it is first asked for."""

    settings: StorageSettings
    db: Database
    store: ObjectStore
    protocol: UploadProtocol
    room: RoomMaker

    @cached_property
    def catalog(self) -> FileService:
        return FileService(self.db, self.store)

    @cached_property
    def reading(self) -> ReadingService:
        return ReadingService(self.db.driver.reads)

    @cached_property
    def uploads(self) -> UploadService:
        limits = UploadLimits.of(self.settings, largest_bytes=self.store.largest_bytes)
        return UploadService(self.protocol, self.room, limits)

    @cached_property
    def resumable(self) -> ResumableUploads:
        return ResumableUploads(self.db, self.uploads, self.settings.upload.unfinished_seconds)

    @cached_property
    def links(self) -> LinkService:
        return LinkService(self.db, self.catalog, self.uploads, self.settings.links)

    @cached_property
    def signing(self) -> AddressService:
        return AddressService(self.store, is_on=self.settings.downloads == "redirect")

    @cached_property
    def products(self) -> ProductService:
        return ProductService(self.db)
