"""Opens stores in buckets, as the settings and the provider's usual variables say."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from media_analysis.errors import InvalidSettings, ObjectMissing
from media_analysis.settings import Settings
from media_analysis.storage.marker import Purpose
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.marker import read_marker
from media_analysis.storage.remote.names import piece_name
from media_analysis.storage.remote.paired import PairedBuckets
from media_analysis.storage.remote.store import RemoteStore
from media_analysis.storage.store import ObjectStore


async def require_deletion(store: RemoteStore, settings: Settings) -> None:
    """Return unless what is deleted would stay in the bucket, and nobody said that it may.

    Raises:
        InvalidSettings: it would, as a version or under a lock.
        StoreUnavailable: the bucket does not answer.

    """
    if settings.storage.remote.accept_versions:
        return
    rules = await store.examine()
    if rules.keeps_versions or rules.locks_objects:
        reason = rules.warnings(store.bucket.address)[0]
        raise InvalidSettings(f"{reason}; STORAGE_REMOTE_ACCEPT_VERSIONS=true serves it as it is")


def require_addresses(store: RemoteStore, settings: Settings, *, is_main: bool) -> None:
    """Return unless downloads are to be redirected to a store in which nothing signs addresses.

    Raises:
        InvalidSettings: they are.

    """
    if settings.storage.downloads == "redirect" and is_main and store.presigner is None:
        raise InvalidSettings(
            f"STORAGE_DOWNLOADS is redirect, but nothing signs addresses in {store.bucket.address}: that takes "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
        )


def options_of(settings: Settings, prefix: str) -> RemoteOptions:
    """Return how a bucket is asked; what has `prefix` in the environment is its own."""
    chosen = settings.storage.remote
    return RemoteOptions(
        credentials=credentials(os.environ, prefix),
        connect_seconds=chosen.connect_seconds,
        request_seconds=chosen.request_seconds,
        transfer_seconds=chosen.transfer_seconds,
        retry_seconds=chosen.retry_seconds,
        concurrency=chosen.concurrency,
        scratch=chosen.scratch_path or settings.data_dir / "scratch",
        scratch_bytes=chosen.scratch_bytes,
    )


def buckets_of(store: ObjectStore | None) -> Sequence[RemoteStore]:
    """Return what of a store lies in buckets."""
    parts = (store.main, store.archives) if isinstance(store, PairedStore) else (store,)
    return [part for part in parts if isinstance(part, RemoteStore)]


async def is_one_place(first: RemoteStore, second: RemoteStore) -> bool:
    """Say whether what is written to one store is there in the other: a server may have more names than one.

    Raises:
        StoreUnavailable: one of them does not answer.

    """
    # Of its own, for others write and delete the usual probe; what a crash leaves of it ends as pieces do.
    said, name = uuid4().bytes, piece_name(uuid4().hex, 0, 0)
    await first.bucket.overwrite(name, said)
    try:
        return bytes(await second.bucket.get(name, 0, len(said))) == said
    except ObjectMissing:
        return False
    finally:
        await first.bucket.delete([name])


def pair(main: ObjectStore, archives: RemoteStore) -> PairedStore:
    """Return a store and that of its archives as one; two buckets lend local copies out of one room."""
    return PairedBuckets(main, archives) if isinstance(main, RemoteStore) else PairedStore(main, archives)


@asynccontextmanager
async def open_bucket(
    address: RemoteAddress,
    instance_id: UUID,
    settings: Settings,
    prefix: str,
    purpose: Purpose,
    *,
    beside: ObjectStore | None = None,
) -> AsyncIterator[tuple[RemoteStore, bool]]:
    """Open a store, say whether it is marked, and close it again unless the block succeeds.

    What has `prefix` in the environment is its own. Of local copies it shares the room with a bucket `beside` it.

    Raises:
        InvalidSettings: what the provider's variables say makes no sense.
        StoreUnavailable: the bucket does not answer, or not to these credentials.

    """
    try:
        scratch = beside.scratch if isinstance(beside, RemoteStore) else None
        store = RemoteStore.at(address, instance_id, options_of(settings, prefix), purpose, scratch=scratch)
    except ValueError as error:
        raise InvalidSettings(str(error)) from error
    try:
        yield store, await read_marker(store.bucket) is not None
    except BaseException:
        store.close()
        raise
