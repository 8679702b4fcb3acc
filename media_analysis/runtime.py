"""Opens everything a process works with, once, and closes it in reverse."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.archive.figures import FigureService
from media_analysis.archive.suite import ArchiveServices
from media_analysis.db.database import Database, open_database
from media_analysis.db.health import require_safe_settings
from media_analysis.db.instance import ensure_instance
from media_analysis.db.migrations import require_schema
from media_analysis.db.pooling import require_own_sessions
from media_analysis.deletion.suite import DeletionServices
from media_analysis.events.ending import EventEndService
from media_analysis.feed.service import FeedService
from media_analysis.files.suite import FileServices
from media_analysis.files.upload.protocol import UploadProtocol
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.integrity.scrub import ScrubService
from media_analysis.jobs.attempts.execution import AttemptOptions
from media_analysis.jobs.automatic.suite import AutomaticServices, chosen_kinds
from media_analysis.jobs.suite import JobServices
from media_analysis.jobs.uploads import JOBS_OF_UPLOADS
from media_analysis.records.leftovers import LeftoverService
from media_analysis.records.quarantine import QuarantineService
from media_analysis.records.service import RecordService
from media_analysis.renditions.keeping import RenditionKeeper
from media_analysis.renditions.making import PictureMaker
from media_analysis.renditions.queue import DecodingQueue
from media_analysis.renditions.service import RenditionService
from media_analysis.replication.opening import open_replicated
from media_analysis.replication.suite import ReplicationServices
from media_analysis.retention.notices.alerts import AlertService
from media_analysis.retention.pressure.changes import adopt_disk_marks, adopt_policy
from media_analysis.retention.pressure.levels import DiskMarks
from media_analysis.retention.returning import ReturnService
from media_analysis.retention.suite import RetentionServices
from media_analysis.sessions.admission import AdmissionService, activity_limits
from media_analysis.sessions.service import SessionService
from media_analysis.sessions.throttle import TokenThrottle
from media_analysis.settings import Settings
from media_analysis.settings.policy import configured_policy
from media_analysis.settings.postgres import database_options
from media_analysis.storage.replicated import ReplicatedStore
from media_analysis.storage.store import ObjectStore
from media_analysis.telemetry.metrics import Metrics
from media_analysis.webhooks.suite import WebhookServices


@dataclass(frozen=True)
class Runtime:
    """The services of one process, each made when it is first asked for."""

    settings: Settings
    db: Database
    store: ObjectStore
    upload_transactions: UploadTransactions
    fork_server: ForkServer
    metrics: Metrics

    @cached_property
    def sessions(self) -> SessionService:
        return SessionService(self.db)

    @cached_property
    def admission(self) -> AdmissionService:
        throttle = TokenThrottle(self.metrics.requests.observe_wrong_token)
        return AdmissionService(
            self.sessions, activity_limits(self.settings.server), throttle, self.files.links.find_good
        )

    @cached_property
    def deletion(self) -> DeletionServices:
        return DeletionServices(self.settings, self.db, self.store)

    @cached_property
    def retention(self) -> RetentionServices:
        return RetentionServices(self.settings, self.db, self.store, self.deletion, self.metrics)

    @cached_property
    def files(self) -> FileServices:
        return FileServices(self.settings.storage, self.db, self.store, self.uploads, self.retention.pressure)

    @cached_property
    def uploads(self) -> UploadProtocol:
        reserve_bytes, discard = self.settings.storage.monitoring.reserve_bytes, self.deletion.deleter.discard_uploads
        return UploadProtocol(self.db, self.store, self.upload_transactions, discard, reserve_bytes)

    @cached_property
    def jobs(self) -> JobServices:
        worker, uploads = self.settings.worker, self.files.uploads
        return JobServices(worker, self.db, self.store, self.deletion, uploads, self.fork_server)

    @cached_property
    def renditions(self) -> RenditionService:
        maker = PictureMaker(self.db, self.store, AttemptOptions.of(self.settings.worker), self.fork_server)
        return RenditionService(RenditionKeeper(self.uploads), maker, DecodingQueue(places=os.cpu_count() or 1))

    @cached_property
    def automatic(self) -> AutomaticServices:
        on_upload = chosen_kinds(self.settings.analysis.on_upload, self.jobs.kinds)
        reserve_bytes = self.settings.storage.monitoring.reserve_bytes
        return AutomaticServices(self.db, self.store, self.jobs.control, self.jobs.kinds, on_upload, reserve_bytes)

    @cached_property
    def replication(self) -> ReplicationServices | None:
        if not isinstance(self.store, ReplicatedStore):
            return None
        chosen = self.settings.storage
        return ReplicationServices(self.db, self.store, chosen.replica, chosen.monitoring.reserve_bytes)

    @cached_property
    def feed(self) -> FeedService:
        return FeedService(self.db)

    @cached_property
    def webhooks(self) -> WebhookServices:
        return WebhookServices(self.settings.webhooks, self.db, self.feed)

    @cached_property
    def archives(self) -> ArchiveServices:
        shared = (self.settings, self.db, self.store, self.uploads, self.deletion, self.retention.pressure)
        return ArchiveServices(*shared, self.metrics.archives.observe)

    @cached_property
    def returns(self) -> ReturnService:
        return ReturnService(self.db, self.archives.requests, self.retention.trash)

    @cached_property
    def alerts(self) -> AlertService:
        return AlertService(self.db, self.retention.status, FigureService.of(self.archives), self.replication)

    @cached_property
    def records(self) -> RecordService:
        chosen, ends = self.settings.storage.records, self.settings.storage.cleanup.rehearses_because is None
        quarantine = QuarantineService(self.db, self.store, chosen.quarantine, ends)
        leftovers = LeftoverService(self.db, self.store)
        return RecordService(self.db, self.retention.clock, chosen.lives(), quarantine, self.event_ends, leftovers)

    @cached_property
    def event_ends(self) -> EventEndService:
        return EventEndService(self.db, self.settings.events.keep, self.settings.events.max_rows)

    @cached_property
    def scrub(self) -> ScrubService:
        chosen = self.settings.storage.scrub
        budget = None if chosen.budget_seconds is None else timedelta(seconds=chosen.budget_seconds)
        return ScrubService(self.db, self.store, chosen.bytes_per_second, budget)


@asynccontextmanager
async def open_runtime(settings: Settings, url: str, *, serves: bool = True) -> AsyncIterator[Runtime]:
    """Open the services over a migrated database; only if it `serves` is a changed policy adopted, a store created.

    Raises:
        SchemaBehind, UnsafeDatabase: the database may not be served as it is.
        MarkerMismatch, NoDataDirectory: the store is another database's, or not there.

    """
    async with (
        open_database(url, database_options(settings)) as db,
        aclosing(ForkServer()) as fork_server,
        open_services(settings, db, fork_server, serves=serves) as runtime,
    ):
        yield runtime


@asynccontextmanager
async def open_services(
    settings: Settings, db: Database, fork_server: ForkServer, *, serves: bool = True
) -> AsyncIterator[Runtime]:
    """Open the services as `open_runtime` does, over what is open already and stays so at their end."""
    async with AsyncExitStack() as opened:
        await require_own_sessions(db)
        instance_id = await db.over_conflicts(partial(_adopt, settings, db, serves=serves))
        store = await open_replicated(db, settings, instance_id, creates=serves)
        opened.callback(store.close)
        if serves:
            await db.over_conflicts(partial(adopt_disk_marks, db, store, DiskMarks.of(settings.storage)))
        await db.connect(settings.database.pool_min)
        upload_transactions = UploadTransactions(db, store, settings.storage.upload.lease_seconds, JOBS_OF_UPLOADS)
        opened.push_async_callback(upload_transactions.close)
        metrics = Metrics(served=settings.storage.monitoring.metrics_enabled)
        runtime = Runtime(settings, db, store, upload_transactions, fork_server, metrics)
        opened.push_async_callback(runtime.files.uploads.small.close)
        opened.push_async_callback(runtime.files.resumable.close)
        opened.push_async_callback(runtime.renditions.close)
        async with aclosing(runtime.retention.pressure):
            yield runtime


async def _adopt(settings: Settings, db: Database, *, serves: bool) -> UUID:
    async with db.transaction() as session:
        await require_schema(session)
        await require_safe_settings(session)
        instance_id = await ensure_instance(session, uuid7())
        await adopt_policy(session, configured_policy(settings), only_the_first=not serves)
    return instance_id
