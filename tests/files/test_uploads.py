"""Uploads through the service."""

import hashlib

from media_analysis.files.models import FileState
from tests.conftest import StoreFile


async def test_an_uploaded_file_has_the_digest_of_its_bytes(store_file: StoreFile) -> None:
    content = b"x" * 1_000_000

    stored = await store_file(content)

    assert stored.state is FileState.STORED
    assert stored.sha256 == hashlib.sha256(content).digest()
    assert stored.size_bytes == len(content)
