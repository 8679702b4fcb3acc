"""Links of a megabyte a second: what takes longer than any one request may, ends."""

import os
from dataclasses import replace
from typing import Final
from uuid import uuid4

import pytest

from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.store import RemoteStore
from tests.s3 import ENVIRONMENT, options_for
from tests.storage.conftest import create, get
from tests.storage.remote.proxy import spoiling_proxy

pytestmark = [pytest.mark.s3, pytest.mark.large]
CHUNK: Final = os.urandom(2**20)
MEBIBYTES: Final = 24
KEY: Final = "clips/a.bin"


async def test_an_object_ends_that_takes_longer_than_its_parts_may(bucket: RemoteAddress) -> None:
    address = replace(bucket, prefix=uuid4().hex)
    async with spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as link:
        options = options_for({**ENVIRONMENT, "AWS_ENDPOINT_URL": link.url}, transfer_seconds=18, retry_seconds=1)
        store = RemoteStore.at(address, uuid4(), options)
        await store.adopt(fresh_database=True)
        link.bytes_per_second = 1_000_000

        writer = await create(store, KEY)
        for _ in range(MEBIBYTES):
            await writer.write(CHUNK)
        await writer.sync()
        writer.close()

        assert await get(store, KEY) == CHUNK * MEBIBYTES
        store.close()
