"""All that makes and mends replicas, over the collaborators of one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from media_analysis.db.database import Database
from media_analysis.events.horizon import EventHorizon
from media_analysis.replication.noting import ReplicaNoting
from media_analysis.replication.places import ReplicaPlaces
from media_analysis.replication.service import ReplicaService
from media_analysis.replication.status import ReplicaStatusService
from media_analysis.settings.replica import ReplicaSettings
from media_analysis.storage.category import Category
from media_analysis.storage.replicated import ReplicatedStore


@dataclass(frozen=True)
class ReplicationServices:
    """The services of replicas, each made when it is first asked for."""

    db: Database
    store: ReplicatedStore
    chosen: ReplicaSettings
    reserve_bytes: int

    @property
    def categories(self) -> Sequence[Category]:
        """Of which categories files are copied."""
        return self.chosen.categories

    @cached_property
    def places(self) -> ReplicaPlaces:
        return ReplicaPlaces(self.db)

    @cached_property
    def noting(self) -> ReplicaNoting:
        return ReplicaNoting(self.db, EventHorizon(self.db), self.store.replica.address)

    @cached_property
    def replicas(self) -> ReplicaService:
        return ReplicaService(self.db, self.store, self.reserve_bytes)

    @cached_property
    def status(self) -> ReplicaStatusService:
        return ReplicaStatusService(self.db)
