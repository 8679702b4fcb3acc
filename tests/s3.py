"""A real S3 for tests: buckets of their own on the gateway that answers at `TEST_S3_URL` (`scripts/test --s3`)."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPMethod
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.names import is_path
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.store import RemoteStore
from media_analysis.storage.remote.xml import child_text, parse

URL = os.environ.get("TEST_S3_URL")
"""Where the gateway answers; without one the tests that need it are left out."""
ENVIRONMENT = {
    "AWS_ENDPOINT_URL": URL or "",
    "AWS_ACCESS_KEY_ID": os.environ.get("TEST_S3_KEY", "MEDIAACCESSKEY01"),
    "AWS_SECRET_ACCESS_KEY": os.environ.get("TEST_S3_SECRET", "mediasecret0123456789mediasecret"),
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
"""How the gateway is reached, by the usual variables."""


def leave_out_s3(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need a gateway, if nobody named one."""
    if URL is None and (wanting := [item for item in items if item.get_closest_marker("s3")]):
        config.hook.pytest_deselected(items=wanting)
        items[:] = [item for item in items if item not in wanting]


def options_for(environment: Mapping[str, str] = ENVIRONMENT, **about: Any) -> RemoteOptions:
    """Return options that give up sooner than those of a service."""
    facts = {"request_seconds": 20.0, "transfer_seconds": 20.0, "retry_seconds": 10.0} | about
    return RemoteOptions(credentials=credentials(environment), **facts)


def asking(address: RemoteAddress) -> S3Requests:
    """Return what sends a test's own requests to a bucket."""
    requests = S3Requests.to(address, options_for())
    assert requests is not None
    return requests


@asynccontextmanager
async def new_bucket() -> AsyncIterator[RemoteAddress]:
    """Make a bucket; it goes with all that is in it."""
    address = RemoteAddress.parse(f"s3://media-analysis-test-{uuid4().hex[:20]}")
    made = await asking(address).send(HTTPMethod.PUT)
    assert made.status_code == 200, made.text
    try:
        yield address
    finally:
        await empty(address)
        await asking(address).send(HTTPMethod.DELETE)


async def empty(address: RemoteAddress) -> None:
    """Delete all there is in a bucket, old versions and parts of what was never ended included."""
    store = RemoteStore.at(address, uuid4(), options_for())
    async for page in store.bucket.pages():
        await store.bucket.delete([entry.name for entry in page if is_path(entry.name)])
        for entry in page:
            if not is_path(entry.name):
                await asking(address).send(HTTPMethod.DELETE, key=entry.name)
    store.close()
    await _delete_listed(address, "versions", "versionId", {"Version", "DeleteMarker"}, "VersionId")
    await _delete_listed(address, "uploads", "uploadId", {"Upload"}, "UploadId")


async def _delete_listed(address: RemoteAddress, what: str, name: str, kinds: set[str], told: str) -> None:
    requests = asking(address)
    while found := [
        (child_text(element, "Key"), child_text(element, told))
        for element in parse((await requests.send(HTTPMethod.GET, query={what: ""})).content)
        if element.tag in kinds
    ]:
        for key, value in found:
            await requests.send(HTTPMethod.DELETE, key=key, query={name: value})


@asynccontextmanager
async def new_store(
    bucket: RemoteAddress, *, instance_id: UUID | None = None, **about: Any
) -> AsyncIterator[RemoteStore]:
    """Open a store below a prefix of its own in a bucket, with its marker."""
    address = replace(bucket, prefix=uuid4().hex)
    store = RemoteStore.at(address, instance_id or uuid4(), options_for(**about))
    await store.adopt(fresh_database=True)
    try:
        yield store
    finally:
        store.close()


async def mirror(address: RemoteAddress, into: Path, environment: Mapping[str, str] = ENVIRONMENT) -> Path:
    """Copy all that lies below an address to a directory."""
    bucket = Bucket(address, options_for(environment))
    try:
        return await copied(bucket, into)
    finally:
        bucket.close()


async def copied(bucket: Bucket, into: Path) -> Path:
    """Copy all that lies in a bucket that is opened already to a directory."""
    async for page in bucket.pages():
        for entry in page:
            path = into / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await bucket.get(entry.name, 0, entry.size_bytes) if entry.size_bytes else b"")
    return into
