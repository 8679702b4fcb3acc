"""Connections that break at a COMMIT, which may or may not have happened."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from media_analysis.errors import DatabaseUnavailable
from media_analysis.files.upload.service import Upload
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.jobs.uploads import JOBS_OF_UPLOADS
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings, load_settings
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.store import ObjectWriter
from tests.conftest import chunks, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import lapse_leases, objects, registration, sweep
from tests.files.cutting_proxy import CuttingProxy, cutting_proxy
from tests.oracle import inspect_everything

UPLOAD = Upload(owner="alice", category=Category.UPLOADS, filename="a", declared_bytes=100_000)
CONTENT = bytes(100_000)
T0, T1, T2 = (
    b"INSERT INTO media_files",
    b"state = 'pending' ORDER BY id FOR UPDATE",
    b"state = 'stored', reserved_bytes",
)


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(database) as opened:
        yield opened


@pytest.fixture
async def far(settings: Settings, proxy: CuttingProxy, runtime: Runtime) -> AsyncIterator[Runtime]:
    """The services behind the proxy; `runtime` has a direct way to the same database and store."""
    async with open_runtime(settings, proxy.url) as opened:
        yield opened


@pytest.mark.parametrize("delivered", [True, False], ids=["after COMMIT", "before COMMIT"])
@pytest.mark.parametrize("statement", [T0, T2], ids=["T0", "T2"])
async def test_a_lost_connection_at_a_commit_still_yields_the_stored_file(
    far: Runtime, proxy: CuttingProxy, database: str, statement: bytes, *, delivered: bool
) -> None:
    proxy.arm(statement, delivered=delivered)

    stored = await far.files.uploads.store_file(UPLOAD, chunks(CONTENT))

    rows = await fetch(database, "SELECT files, size_bytes, reserved_bytes FROM ledger")
    assert proxy.cuts == 1
    assert stored.state is FileState.STORED
    assert [tuple(row) for row in rows] == [(1, len(CONTENT), 0)]


async def test_a_database_that_stays_away_after_the_fact_leaves_the_file_stored(
    proxy: CuttingProxy, database: str, environment: dict[str, str], runtime: Runtime
) -> None:
    settings = load_settings(environ={**environment, "DATABASE_DEADLINE_SECONDS": "8"}).settings
    async with open_runtime(settings, proxy.url) as far:
        proxy.arm(T2, ends=True)
        with pytest.raises(DatabaseUnavailable):
            await far.files.uploads.store_file(UPLOAD, chunks(CONTENT))

    (row,) = await fetch(database, "SELECT id::text, state::text, encode(sha256, 'hex') AS sha256 FROM media_files")
    assert row["state"] == "stored"
    assert await inspect_everything(database, settings.store_path, acknowledged={row["id"]: row["sha256"]}) == []


async def test_a_connection_lost_when_the_name_was_made_fails_the_upload_and_leaves_nothing(
    far: Runtime, proxy: CuttingProxy, database: str
) -> None:
    proxy.arm(T1, delivered=False)

    with pytest.raises(DatabaseUnavailable):
        await far.files.uploads.store_file(UPLOAD, chunks(CONTENT))

    assert proxy.cuts == 1
    assert objects(disk_of(far.store).root) == []
    assert await fetch(database, "SELECT id FROM media_files") == []


async def test_an_upload_goes_on_when_only_the_answer_was_lost_that_its_name_is_safe(
    far: Runtime, proxy: CuttingProxy
) -> None:
    proxy.arm(T1)

    stored = await far.files.uploads.store_file(UPLOAD, chunks(CONTENT))

    assert (proxy.cuts, stored.state) == (1, FileState.STORED)


@dataclass(frozen=True)
class LockLosingStore:
    """The store of a machine that froze: while it creates names, their rows' locks and leases end."""

    store: DiskStore
    database: str
    elsewhere: Runtime

    async def create_many(self, keys: Sequence[str]) -> Sequence[ObjectWriter | Exception]:
        await execute(
            self.database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        await lapse_leases(self.database)
        await sweep(self.elsewhere)
        return await self.store.create_many(keys)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


async def test_names_made_after_their_lock_was_lost_are_taken_back(runtime: Runtime, database: str) -> None:
    store = LockLosingStore(disk_of(runtime.store), database, runtime)
    upload_transactions = UploadTransactions(runtime.db, store, lease_seconds=60, jobs=JOBS_OF_UPLOADS)  # type: ignore[arg-type]
    asked = registration()
    await upload_transactions.register(asked)

    with pytest.raises(DatabaseUnavailable):
        await upload_transactions.create(asked)

    assert objects(disk_of(runtime.store).root) == []
