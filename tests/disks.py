"""Stores that lie on a disk, where tests look at what is there behind their backs."""

from media_analysis.storage.disk import DiskStore
from media_analysis.storage.store import ObjectStore


def disk_of(store: ObjectStore) -> DiskStore:
    """Return a store as the disk that it is."""
    assert isinstance(store, DiskStore)
    return store
