"""What a bucket answers is told in words of ours, with no address, no credential and no driver's error."""

from uuid import uuid4

import pytest

from media_analysis.errors import MediaAnalysisError, StoreUnavailable
from media_analysis.storage.remote.store import RemoteStore
from tests.s3 import ENVIRONMENT, options_for
from tests.storage.conftest import put
from tests.storage.remote.proxy import Spoiling, SpoilingProxy

pytestmark = pytest.mark.s3
KEY = "clips/a.bin"


async def failures_of(store: RemoteStore) -> list[BaseException]:
    """Return what each way of asking a bucket that cannot be asked raises."""
    failed: list[BaseException] = []

    async def expect(asked: object) -> None:
        with pytest.raises(MediaAnalysisError) as raised:
            await asked  # type: ignore[misc]
        failed.append(raised.value)

    await expect(store.require_marker())
    await expect(store.adopt(fresh_database=True))
    await expect(put(store, KEY))
    await expect(store.put_many([(KEY, b"")], leaving_bytes=0))
    await expect(store.resume(KEY, size_bytes=0, running=None))
    await expect(store.open(KEY, size_bytes=None))
    await expect(store.read(KEY, size_bytes=7))
    await expect(store.delete_many([KEY]))
    await expect(store.require_writable())
    await expect(anext(aiter(store.walk(10))))
    await expect(store.list_quarantine_days())
    return failed


async def test_wrong_keys_are_told_as_a_refusal(remote: RemoteStore) -> None:
    wrong = options_for({**ENVIRONMENT, "AWS_SECRET_ACCESS_KEY": "a-wrong-secret"})
    store = RemoteStore.at(remote.bucket.address, remote.instance_id, wrong)

    failed = await failures_of(store)
    entry = (await store.look_up([KEY]))[0]

    assert all(isinstance(error, StoreUnavailable) for error in failed)
    assert all("the bucket refuses us: 403" in str(error) for error in failed)
    assert entry is not None
    assert entry.reason == "the bucket refuses us: 403"
    _require_discreet(failed)


async def test_a_gateway_that_is_away_is_told_in_time(remote: RemoteStore) -> None:
    away = options_for({**ENVIRONMENT, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, retry_seconds=0.2)
    store = RemoteStore.at(remote.bucket.address, uuid4(), away)

    failed = await failures_of(store)

    assert all("the bucket cannot be reached" in str(error) for error in failed)
    _require_discreet(failed)


async def test_a_gateway_that_says_nothing_is_told_in_time(remote: RemoteStore, proxy: SpoilingProxy) -> None:
    stalled = options_for(
        {**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url}, request_seconds=0.3, transfer_seconds=0.3, retry_seconds=0.2
    )
    store = RemoteStore.at(remote.bucket.address, remote.instance_id, stalled)
    await store.require_marker()
    proxy.spoil(Spoiling.STALLED, b"", times=1_000_000)

    for asked in (put(store, KEY), store.open(KEY, size_bytes=None), store.delete_many([KEY])):
        with pytest.raises(StoreUnavailable) as late:
            await asked
        _require_discreet([late.value])
        assert "did not answer in time" in str(late.value)


def _require_discreet(failed: list[BaseException]) -> None:
    """No error, nor what it is from, tells an address or a key."""
    for error in failed:
        said = f"{error} {error!r} {error.__cause__!r} {'' if error.__suppress_context__ else repr(error.__context__)}"
        for word in ("127.0.0.1", "http", ENVIRONMENT["AWS_ACCESS_KEY_ID"], "a-wrong-secret", "Signature="):
            assert word not in said
