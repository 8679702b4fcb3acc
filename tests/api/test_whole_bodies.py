"""Bodies that are taken whole: up to a length, and while there is memory for them."""

from typing import Any
from unittest.mock import AsyncMock

import pytest

from media_analysis.errors import DatabaseUnavailable
from media_analysis.files.upload.service import UploadService
from media_analysis.files.upload.small import HELD_BYTES, WHOLE_BYTES
from media_analysis.runtime import Runtime
from tests.conftest import Client

URL = "/api/v1/files"


@pytest.mark.parametrize(("most_bytes", "size_bytes", "status"), [
    (HELD_BYTES, WHOLE_BYTES, 201), (HELD_BYTES, WHOLE_BYTES + 1, 503), (2 * WHOLE_BYTES - 1, WHOLE_BYTES, 503),
], ids=["whole", "longer", "without memory for it"])  # fmt: skip
async def test_a_body_is_taken_whole_up_to_a_length_and_while_there_is_memory(
    client: Client, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, most_bytes: int, size_bytes: int, status: int
) -> None:
    await client.upload()
    monkeypatch.setattr(UploadService, "store_file", AsyncMock(side_effect=DatabaseUnavailable("the long way")))
    memory = runtime.files.uploads.small.memory
    memory.most_bytes = most_bytes

    about: dict[str, Any] = {"params": {"category": "uploads", "filename": "a"}, "content": bytes(size_bytes)}
    answer = await client.request("POST", URL, **about)

    assert answer.status_code == status
    with memory.hold("alice") as held:
        assert held.add(most_bytes // 2)  # nothing is held any more
