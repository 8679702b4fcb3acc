"""`serve` on a bucket that is not there yet, as it is when a gateway is started beside it."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import READY_SECONDS, running, serving
from tests.s3 import ENVIRONMENT, asking, new_bucket

pytestmark = pytest.mark.s3


async def test_a_service_waits_for_its_bucket_and_says_for_what(environment: dict[str, str], tmp_path: Path) -> None:
    async with new_bucket() as bucket:
        await asking(bucket).send("DELETE")
        about = environment | ENVIRONMENT | {"STORAGE_URL": f"{bucket}/media"}
        with serving(printed=tmp_path / "printed", **about) as service:
            await asyncio.to_thread(service.wait_for, "waiting for the bucket: the bucket does not exist")
            await asking(bucket).send("PUT")

            address = await asyncio.to_thread(service.url)

            answer = await asyncio.to_thread(httpx.get, f"{address}/readyz", timeout=READY_SECONDS)

            assert answer.json()["ready"] is True
            assert service.output.count("waiting for the bucket") == 1


async def test_a_service_gives_up_on_a_bucket_that_does_not_come(environment: dict[str, str], tmp_path: Path) -> None:
    about = environment | ENVIRONMENT | {"AWS_SECRET_ACCESS_KEY": "wrong", "STORAGE_REMOTE_RETRY_SECONDS": "0.5"}

    with running(
        "serve", "--port", "0", printed=tmp_path / "printed", **about, STORAGE_URL="s3://media/store"
    ) as service:
        code = await asyncio.to_thread(service.process.wait, READY_SECONDS)

    assert code == 1
    assert service.output.endswith(
        "media-analysis: the store does not answer (the bucket refuses us: 403 SignatureDoesNotMatch)\n"
    )
