"""All that deletes, over the collaborators of one process."""

from dataclasses import dataclass
from functools import cached_property

from media_analysis.db.database import Database
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.discarding import DiscardService
from media_analysis.deletion.pauses import PauseService
from media_analysis.deletion.strategy import Strategy
from media_analysis.settings.model import Settings
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True)
class DeletionServices:
    """The services of deletion, each made when it is first asked for."""

    settings: Settings
    db: Database
    store: ObjectStore

    @cached_property
    def deleter(self) -> Deleter:
        strategy = Strategy.of(self.settings.deletion, use_trash=self.settings.storage.cleanup.use_trash)
        return Deleter(self.db, self.store, self.settings.storage.cleanup.max_attempts, strategy)

    @cached_property
    def discards(self) -> DiscardService:
        return DiscardService(self.db, self.deleter)

    @cached_property
    def pauses(self) -> PauseService:
        return PauseService(self.db)
