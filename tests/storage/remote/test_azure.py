"""What Azure answers otherwise than S3, on its emulator: the contract is tested on it with all other stores."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.rules import BucketRules
from media_analysis.storage.remote.store import RemoteStore
from tests.azure import Azure
from tests.storage.conftest import put
from tests.storage.remote.conftest import names_in

pytestmark = pytest.mark.s3


async def test_more_keys_than_one_request_names_are_deleted_with_those_that_are_not_there(
    remote_azure: RemoteStore,
) -> None:
    """Azure takes 256 at once, and calls it an error that one is not there."""
    keys = [f"clips/{number}.bin" for number in range(300)]
    await remote_azure.put_many([(key, b"") for key in keys], leaving_bytes=0)

    outcome = await remote_azure.delete_many([*keys, "clips/never.bin"])

    assert (list(outcome.gone), outcome.failed) == ([*keys, "clips/never.bin"], {})
    assert await names_in(remote_azure) == []


async def test_a_container_that_is_not_there_confirms_nothing(azure: Azure, tmp_path: Path) -> None:
    store = RemoteStore.at(RemoteAddress.parse("az://nobody-made-this"), uuid4(), azure.options(tmp_path))

    for asked in (store.require_marker(), store.delete_many(["clips/a.bin"]), store.require_writable()):
        with pytest.raises(StoreUnavailable, match="the bucket does not exist"):
            await asked


async def test_a_wrong_key_is_told_as_a_refusal(remote_azure: RemoteStore, azure: Azure, tmp_path: Path) -> None:
    options = azure.options(tmp_path)
    told = credentials({**options.credentials.variables, "AZURE_STORAGE_ACCOUNT_KEY": "d3Jvbmc="})
    store = RemoteStore.at(remote_azure.bucket.address, uuid4(), replace(options, credentials=told))

    with pytest.raises(StoreUnavailable, match="the bucket refuses us: 403"):
        await store.require_marker()


async def test_what_azure_does_not_tell_is_unknown(remote_azure: RemoteStore) -> None:
    await put(remote_azure, "clips/a.bin")

    assert await remote_azure.examine() == BucketRules(keeps_versions=False)
    assert [keys async for keys in remote_azure.abandoned(datetime.now(UTC))] == []
