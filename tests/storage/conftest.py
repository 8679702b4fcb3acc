"""Stores of every kind, each fresh."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import adopt_archives, adopt_store
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.places import Places
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.store import RemoteStore
from media_analysis.storage.replicated import ReplicaStore, ReplicatedStore
from media_analysis.storage.store import ObjectStore, ObjectWriter
from tests.azure import Azure, new_azure_store, running_azure
from tests.s3 import new_bucket, new_store

REMOTE = ("remote", "remote_azure")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskStore]:
    root, instance_id = tmp_path / "store", uuid4()
    adopt_store(root, instance_id, fresh_database=True)
    store = DiskStore(Places(root), instance_id)
    yield store
    store.close()


@pytest.fixture
def two_disks(tmp_path: Path) -> Iterator[DiskStore]:
    """A store whose archives lie on a disk of their own."""
    root, archives, instance_id = tmp_path / "store", tmp_path / "archive disk", uuid4()
    adopt_store(root, instance_id, fresh_database=True)
    adopt_archives(archives, instance_id, fresh=True)
    store = DiskStore(Places(root, archives), instance_id)
    yield store
    store.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[PairedStore]:
    """Two stores, each whole by itself, of which one holds the archives."""
    roots, instance_id = (tmp_path / "store", tmp_path / "archives"), uuid4()
    for root in roots:
        adopt_store(root, instance_id, fresh_database=True)
    main, archives = (DiskStore(Places(root), instance_id) for root in roots)
    store = PairedStore(main, archives)
    yield store
    store.close()


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ReplicatedStore]:
    """A store with a replica on another disk."""
    roots, instance_id = (tmp_path / "store", tmp_path / "second"), uuid4()
    for root in roots:
        adopt_store(root, instance_id, fresh_database=True)
    primary, second = (DiskStore(Places(root), instance_id) for root in roots)

    async def open_second() -> ObjectStore:
        return second

    store = ReplicatedStore(primary, ReplicaStore(roots[1].as_uri(), open_second))
    yield store
    store.close()
    second.close()


@pytest.fixture(scope="session")
async def bucket() -> AsyncIterator[RemoteAddress]:
    """A bucket of this worker's tests, who have a prefix each."""
    async with new_bucket() as made:
        yield made


@pytest.fixture
async def remote(bucket: RemoteAddress, tmp_path: Path) -> AsyncIterator[RemoteStore]:
    async with new_store(bucket, scratch=tmp_path / "scratch") as store:
        yield store


@pytest.fixture(scope="session")
async def azure(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azure]:
    async with running_azure(tmp_path_factory) as running:
        yield running


@pytest.fixture
async def remote_azure(azure: Azure, tmp_path: Path) -> AsyncIterator[RemoteStore]:
    async with new_azure_store(azure, tmp_path / "scratch") as store:
        yield store


@pytest.fixture(
    params=["disk", "two_disks", "pair", "replicated", *(pytest.param(kind, marks=pytest.mark.s3) for kind in REMOTE)]
)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """One store of each kind; a new kind adds its fixture's name."""
    made: ObjectStore = request.getfixturevalue(request.param)
    return made


@pytest.fixture(params=["disk", "two_disks"])
def local_store(request: pytest.FixtureRequest) -> DiskStore:
    """Those that promise more than a bucket can: names that are taken at once, and bytes that outlive them."""
    made: DiskStore = request.getfixturevalue(request.param)
    return made


async def create(store: ObjectStore, key: str) -> ObjectWriter:
    """Create one name and return its writer."""
    made = (await store.create_many([key]))[0]
    if isinstance(made, Exception):
        raise made
    return made


async def put(store: ObjectStore, key: str, content: bytes = b"content") -> bytes:
    """Store one object and return its digest."""
    writer = await create(store, key)
    try:
        await writer.write(content)
        return await writer.sync()
    finally:
        writer.close()


async def get(store: ObjectStore, key: str) -> bytes:
    """Return one object whole."""
    reader = await store.open(key, size_bytes=None)
    return b"".join([chunk async for chunk in reader.read(0, reader.size_bytes)])


def open_names(root: Path) -> list[str]:
    """Return what this process holds open below `root`."""
    descriptors = Path("/proc/self/fd")
    targets = [str(entry.readlink()) for entry in descriptors.iterdir() if entry.is_symlink()]
    return [target for target in targets if target.startswith(f"{root}/")]
