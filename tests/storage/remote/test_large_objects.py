"""Objects of more bytes than parts of the usual size hold: said beforehand, they are put in larger ones."""

import hashlib
import os

import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.moves.statements import SourceObject
from media_analysis.storage.copying import ObjectCopier
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.remote import bucket
from media_analysis.storage.remote.store import RemoteStore
from tests.storage.conftest import create, get, put

pytestmark = pytest.mark.s3
KEY = "outputs/2026-01-01/large.bin"
CONTENT = os.urandom(16 * 2**20)


@pytest.fixture
def few_parts(remote: RemoteStore, monkeypatch: pytest.MonkeyPatch) -> RemoteStore:
    """A bucket whose objects have two parts at most."""
    monkeypatch.setattr(bucket, "MOST_PARTS", 2)
    assert remote.largest_bytes < len(CONTENT)
    return remote


async def test_a_large_object_of_which_nobody_said_so_fails_where_it_passes_what_parts_hold(
    few_parts: RemoteStore,
) -> None:
    with pytest.raises(StoreUnavailable, match=f"at most {few_parts.largest_bytes} bytes"):
        await put(few_parts, KEY, CONTENT)


async def test_a_large_object_whose_size_was_said_is_whole(few_parts: RemoteStore) -> None:
    writer = await create(few_parts, KEY)
    writer.expect(len(CONTENT))

    await writer.write(CONTENT)
    sha256 = await writer.sync()

    assert sha256 == hashlib.sha256(CONTENT).digest()
    assert await get(few_parts, KEY) == CONTENT


async def test_a_large_object_is_copied_from_a_disk(few_parts: RemoteStore, disk: DiskStore) -> None:
    sha256 = await put(disk, KEY, CONTENT)

    async def held() -> None:
        return

    wanted = SourceObject(None, KEY, len(CONTENT), sha256, is_begun=False)
    assert await ObjectCopier(disk, few_parts, held).copy(wanted) == sha256
    assert await get(few_parts, KEY) == CONTENT
