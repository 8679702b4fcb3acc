"""All that jobs can do, over the collaborators of one process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.kinds import Kind, load_kinds
from media_analysis.db.database import Database
from media_analysis.deletion.suite import DeletionServices
from media_analysis.files.upload.service import UploadService
from media_analysis.jobs.attempts.claiming import ClaimService
from media_analysis.jobs.attempts.execution import AttemptOptions, Execution
from media_analysis.jobs.attempts.external import ExternalService
from media_analysis.jobs.attempts.recovery import RecoveryService
from media_analysis.jobs.attempts.service import AttemptService
from media_analysis.jobs.control import ControlService, WaitingLimits
from media_analysis.jobs.deletion import JobDeletionService
from media_analysis.jobs.result_expiry import ResultExpiryService
from media_analysis.jobs.results import ResultService
from media_analysis.jobs.service import JobService
from media_analysis.jobs.watching import WatchService
from media_analysis.settings.worker import WorkerSettings
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True)
class JobServices:
    """The services of jobs, each made when it is first asked for."""

    settings: WorkerSettings
    db: Database
    store: ObjectStore
    deletion: DeletionServices
    uploads: UploadService
    fork_server: ForkServer

    @cached_property
    def catalog(self) -> JobService:
        return JobService(self.db)

    @cached_property
    def watches(self) -> WatchService:
        return WatchService(self.db)

    @cached_property
    def control(self) -> ControlService:
        return ControlService(self.db, self.deletion.discards, WaitingLimits.of(self.settings))

    @cached_property
    def deletions(self) -> JobDeletionService:
        return JobDeletionService(self.db, self.deletion.deleter)

    @cached_property
    def results(self) -> ResultService:
        return ResultService(self.db)

    @cached_property
    def result_expiry(self) -> ResultExpiryService:
        return ResultExpiryService(self.db)

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        return load_kinds()

    @cached_property
    def claims(self) -> ClaimService:
        return ClaimService(self.db, self.deletion.discards, self.attempts.lease, self.settings.max_attempts)

    @cached_property
    def attempts(self) -> AttemptService:
        lease = timedelta(seconds=self.settings.lease_seconds)
        return AttemptService(self.db, lease=lease, max_attempts=self.settings.max_attempts)

    @cached_property
    def recovery(self) -> RecoveryService:
        return RecoveryService(self.db, self.deletion.discards, self.settings.max_attempts)

    @cached_property
    def execution(self) -> Execution:
        chosen = AttemptOptions.of(self.settings)
        return Execution(self.attempts, self.uploads, self.deletion.discards, self.store, chosen, self.fork_server)

    @cached_property
    def external(self) -> ExternalService:
        shared = (self.db, self.store, self.claims, self.attempts, self.uploads, self.deletion.discards)
        return ExternalService(*shared, AttemptOptions.of(self.settings))
