"""Uploads that are gone on with as their clients do, here and in another process."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from media_analysis.errors import IncompleteUpload
from media_analysis.files.resumable.known import KnownUpload
from media_analysis.files.resumable.pieces import Piece
from media_analysis.files.resumable.service import ResumableUploads
from media_analysis.files.upload.limits import Acceptance
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import chunks, fetch
from tests.disks import disk_of
from tests.files.conftest import objects

CONTENT = bytes(range(256)) * 8_000
THIRD = len(CONTENT) // 3
UPLOAD = Upload(owner="alice", category=Category.UPLOADS, filename="a.bin", declared_bytes=len(CONTENT))


@pytest.fixture
def uploads(runtime: Runtime) -> ResumableUploads:
    return runtime.files.resumable


@pytest.fixture
async def elsewhere(runtime: Runtime) -> AsyncIterator[ResumableUploads]:
    """The same uploads in another process, which knows nothing of what this one does."""
    other = ResumableUploads(runtime.db, runtime.files.uploads, runtime.files.resumable.unfinished_seconds)
    yield other
    await other.close()


def piece(offset: int, content: bytes, *, is_checked: bool = False) -> Piece:
    return Piece(offset_bytes=offset, body=chunks(content), announced_bytes=len(content), is_checked=is_checked)


async def broken_off(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise IncompleteUpload


def only_pictures(runtime: Runtime) -> ResumableUploads:
    """The same uploads where nothing but pictures is taken."""
    limits = replace(runtime.files.uploads.limits, accepted=Acceptance({Category.UPLOADS: ("image/*",)}))
    return replace(runtime.files.resumable, uploads=replace(runtime.files.uploads, limits=limits))


async def begin(uploads: ResumableUploads, content: bytes = b"", upload: Upload = UPLOAD) -> UUID:
    known = await uploads.create(upload, metadata="", is_partial=False)
    if content:
        await uploads.append(known.id, piece(0, content), owner="alice")
    return known.id


async def end(uploads: ResumableUploads, upload_id: UUID) -> KnownUpload:
    """Go on wherever the upload says it does, to its end."""
    known = await uploads.settle(upload_id, owner="alice")
    return await uploads.append(upload_id, piece(known.offset_bytes, CONTENT[known.offset_bytes :]), owner="alice")


async def require_stored(database: str, upload_id: UUID) -> None:
    (row,) = await fetch(database, "SELECT id, state, size_bytes, sha256 FROM media_files")
    assert (row["id"], row["state"], row["size_bytes"]) == (upload_id, "stored", len(CONTENT))
    assert row["sha256"] == hashlib.sha256(CONTENT).digest()


@pytest.fixture
def remains_nothing(runtime: Runtime) -> Callable[[], None]:
    def require() -> None:
        assert objects(disk_of(runtime.store).root) == []

    return require
