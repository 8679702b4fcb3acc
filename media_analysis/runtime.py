"""Opens everything a process works with, once, and closes it in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, DatabaseOptions, open_database
from media_analysis.db.embedded import embedded_server
from media_analysis.db.health import require_safe_settings
from media_analysis.db.instance import ensure_instance
from media_analysis.db.migrations import require_schema
from media_analysis.files.queries import has_files
from media_analysis.files.registrar import Registrar
from media_analysis.files.service import FileService
from media_analysis.files.uploads import UploadLimits, UploadService
from media_analysis.retention.deletion import Deleter
from media_analysis.retention.status import StatusService
from media_analysis.retention.sweep import SweepOptions, SweepService
from media_analysis.sessions.service import SessionService
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import adopt_store
from media_analysis.telemetry.metrics import Metrics

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The services of one process."""

    settings: Settings
    db: Database
    store: DiskStore
    files: FileService
    uploads: UploadService
    sessions: SessionService
    deleter: Deleter
    sweeps: SweepService
    status: StatusService
    metrics: Metrics


@asynccontextmanager
async def database_url(settings: Settings, *, report: Report, exclusive: bool = False) -> AsyncIterator[str]:
    """Yield the URL of the configured server, or of the embedded one, started for as long as the block runs."""
    if settings.database.url is not None:
        yield settings.database.url.get_secret_value()
        return
    directory = settings.data_dir.resolve() / "postgres"
    async with embedded_server(directory, report=report, exclusive=exclusive) as server:
        yield server.url


def database_options(settings: Settings) -> DatabaseOptions:
    """Return what the settings say of the connection pool."""
    chosen = settings.database
    return DatabaseOptions(
        pool_min=chosen.pool_min,
        pool_max=chosen.pool_max,
        connect_timeout_seconds=chosen.connect_timeout_seconds,
        command_timeout_seconds=chosen.command_timeout_seconds,
        statement_timeout_seconds=chosen.statement_timeout_seconds,
        deadline_seconds=chosen.deadline_seconds,
    )


@asynccontextmanager
async def open_runtime(settings: Settings, url: str) -> AsyncIterator[Runtime]:
    """Open the services over a migrated database.

    Raises:
        SchemaBehind, UnsafeDatabase: the database may not be served as it is.
        MarkerMismatch: the store is another database's.

    """
    async with AsyncExitStack() as opened:
        db = await opened.enter_async_context(open_database(url, database_options(settings)))
        instance_id = await _adopt(db, settings.store_path.resolve())
        await db.connect(settings.database.pool_min)
        store = DiskStore(settings.store_path.resolve(), instance_id)
        opened.callback(store.close)
        registrar = Registrar(db, store, settings.storage.upload.lease_seconds)
        opened.push_async_callback(registrar.close)
        yield _assemble(settings, db, store, registrar)


async def _adopt(db: Database, root: Path) -> UUID:
    async with db.transaction() as session:
        await require_schema(session)
        await require_safe_settings(session)
        instance_id = await ensure_instance(session, uuid7())
        fresh = not await has_files(session)
    adopt_store(root, instance_id, fresh_database=fresh)
    return instance_id


def _assemble(settings: Settings, db: Database, store: DiskStore, registrar: Registrar) -> Runtime:
    storage, metrics = settings.storage, Metrics()
    deleter = Deleter(db, store, storage.cleanup.max_attempts)
    return Runtime(
        settings=settings,
        db=db,
        store=store,
        files=FileService(db, store),
        uploads=UploadService(
            db=db,
            store=store,
            registrar=registrar,
            lifetimes={category: storage.retention.of(category) for category in Category},
            limits=_upload_limits(settings),
            abandon=deleter.abandon,
        ),
        sessions=SessionService(db),
        deleter=deleter,
        sweeps=SweepService(db, deleter, _sweep_options(settings), metrics.observe_sweep),
        status=StatusService(
            db,
            store,
            {category: storage.quotas.of(category) for category in Category},
            storage.monitoring.reserve_bytes,
            storage.monitoring.alert_threshold_percent,
        ),
        metrics=metrics,
    )


def _upload_limits(settings: Settings) -> UploadLimits:
    storage = settings.storage
    return UploadLimits(
        max_bytes=storage.upload.max_bytes,
        reserve_bytes=storage.monitoring.reserve_bytes,
        lease_seconds=storage.upload.lease_seconds,
        idle_seconds=storage.upload.idle_seconds,
        accepted={category: storage.accept.of(category) for category in Category},
    )


def _sweep_options(settings: Settings) -> SweepOptions:
    cleanup = settings.storage.cleanup
    budget = None if cleanup.budget_seconds is None else timedelta(seconds=cleanup.budget_seconds)
    return SweepOptions(
        batch_size=cleanup.batch_size,
        workers=cleanup.workers,
        budget=budget,
        budget_files=cleanup.budget_files,
        budget_bytes=cleanup.budget_bytes,
    )
