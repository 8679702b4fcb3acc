"""A soak of its own: one large upload over a slow link to a bucket, on the S3 at TEST_S3_URL."""

import hashlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx

from tests.crash.service import served
from tests.s3 import ENVIRONMENT, new_bucket
from tests.storage.remote.proxy import spoiling_proxy

LINK_BYTES_PER_SECOND: Final = 1_000_000
CHUNK_BYTES: Final = 256 * 1024
TIMEOUT_SECONDS: Final = 120.0


async def soak_link(directory: Path, *, mebibytes: int, seed: int) -> list[str]:
    """Return what is wrong with a file of so many mebibytes after it came over a link of a megabyte a second."""
    running = hashlib.sha256()

    async def content() -> AsyncIterator[bytes]:
        dice = random.Random(seed)
        for _ in range(mebibytes * 2**20 // CHUNK_BYTES):
            chunk = dice.randbytes(CHUNK_BYTES)
            running.update(chunk)
            yield chunk

    async with new_bucket() as bucket, spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as link:
        link.bytes_per_second = LINK_BYTES_PER_SECOND
        about = ENVIRONMENT | {
            "AWS_ENDPOINT_URL": link.url,
            "STORAGE_URL": str(replace(bucket, prefix="soaked")),
            "MEDIA_ANALYSIS_DATA_DIR": str(directory),
            "LOG_LEVEL": "WARNING",
        }
        async with served(about) as service:
            assert service.http is not None
            service.http.timeout = httpx.Timeout(TIMEOUT_SECONDS)
            began = time.monotonic()
            answer = await service.http.post(
                "/files", params={"category": "uploads", "filename": "soaked.bin"}, content=content()
            )
            seconds = time.monotonic() - began
            print(f"{mebibytes:,} MiB were answered {answer.status_code} after {seconds:,.0f} s")
            if answer.status_code != 201:
                return [f"promise 1: the upload did not end: {answer.text}"]
            found = hashlib.sha256()
            async with service.http.stream("GET", f"/files/{answer.json()['id']}/content") as body:
                async for chunk in body.aiter_bytes():
                    found.update(chunk)
    is_same = running.hexdigest() == answer.json()["sha256"] == found.hexdigest()
    return [] if is_same else ["promise 33: the file is not what was sent"]
