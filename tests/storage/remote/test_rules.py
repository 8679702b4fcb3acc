"""What a bucket does behind the store's back is found and said."""

from dataclasses import replace
from http import HTTPMethod
from uuid import uuid4

import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.rules import BucketRules
from media_analysis.storage.remote.store import RemoteStore
from tests.s3 import ENVIRONMENT, asking, new_store, options_for
from tests.storage.remote.proxy import Spoiling, SpoilingProxy

pytestmark = pytest.mark.s3
ABORT = "AbortIncompleteMultipartUpload"
NOTHING = BucketRules(keeps_versions=False, locks_objects=False, deleting=[])


async def configure(bucket: RemoteAddress, what: str, content: str) -> None:
    answer = await asking(bucket).send(HTTPMethod.PUT, query={what: ""}, content=content.encode())
    assert answer.is_success, answer.text


async def versioning(bucket: RemoteAddress, status: str) -> None:
    body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>"
    await configure(bucket, "versioning", body)


async def test_a_plain_bucket_is_nothing_to_warn_of(remote: RemoteStore) -> None:
    assert await remote.examine() == NOTHING
    assert list(await remote.warnings()) == []


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
async def test_a_bucket_that_keeps_versions_is_warned_of(own_bucket: RemoteAddress, status: str) -> None:
    """Suspended counts too: what was put before stays behind its deletion."""
    await versioning(own_bucket, "Enabled")
    await versioning(own_bucket, status)
    store = RemoteStore.at(own_bucket, uuid4(), options_for())

    assert await store.examine() == replace(NOTHING, keeps_versions=True)
    (warning,) = await store.warnings()
    assert "keeps versions of what is deleted" in warning


async def test_a_bucket_that_locks_objects_is_warned_of(bucket: RemoteAddress) -> None:
    address = replace(bucket, bucket=f"media-analysis-test-{uuid4().hex[:20]}")
    made = await asking(address).send(HTTPMethod.PUT, headers={"x-amz-bucket-object-lock-enabled": "true"})
    assert made.is_success, made.text
    store = RemoteStore.at(address, uuid4(), options_for())

    try:
        assert await store.examine() == replace(NOTHING, keeps_versions=True, locks_objects=True)
        assert any("may lock objects" in warning for warning in await store.warnings())
    finally:
        await asking(address).send(HTTPMethod.DELETE)


@pytest.mark.parametrize(
    ("prefix", "rule", "is_enabled", "concerns"),
    [
        ("", "<Expiration><Days>30</Days></Expiration>", True, True),
        ("media", "<Expiration><Days>30</Days></Expiration>", True, True),
        ("media/clips", "<Expiration><Days>30</Days></Expiration>", True, True),
        ("other/", "<Expiration><Days>30</Days></Expiration>", True, False),
        ("", "<Expiration><Days>30</Days></Expiration>", False, False),
        ("", "<Expiration><Date>2099-01-01T00:00:00.000Z</Date></Expiration>", True, True),
        ("", "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>", True, False),
        (
            "",
            f"<{ABORT}><DaysAfterInitiation>7</DaysAfterInitiation></{ABORT}>",
            True,
            False,
        ),
    ],
)
async def test_rules_that_delete_what_has_a_row_are_named(
    own_bucket: RemoteAddress, prefix: str, rule: str, *, is_enabled: bool, concerns: bool
) -> None:
    status = "Enabled" if is_enabled else "Disabled"
    body = (
        f"<LifecycleConfiguration><Rule><ID>tidy</ID><Filter><Prefix>{prefix}</Prefix></Filter>"
        f"<Status>{status}</Status>{rule}</Rule></LifecycleConfiguration>"
    )
    await configure(own_bucket, "lifecycle", body)
    store = RemoteStore.at(replace(own_bucket, prefix="media"), uuid4(), options_for())

    assert (await store.examine()).deleting == (["tidy"] if concerns else [])


async def test_what_a_bucket_does_not_tell_is_said_to_be_unknown(own_bucket: RemoteAddress) -> None:
    """Where only obstore finds the keys, in a machine's own service say, a put tells whether it made a version."""
    store = RemoteStore.at(own_bucket, uuid4(), options_for())
    store.bucket.requests = None  # a gateway here has no such service
    before = await store.examine()
    await versioning(own_bucket, "Enabled")
    after = await store.examine()

    assert (before.keeps_versions, after.keeps_versions) == (False, True)
    assert "has locks or rules that delete is unknown" in before.warnings("it")[0]


async def test_rules_that_may_not_be_asked_for_are_unknown(own_bucket: RemoteAddress) -> None:
    wrong = {**ENVIRONMENT, "AWS_SECRET_ACCESS_KEY": "wrong"}
    store = RemoteStore.at(own_bucket, uuid4(), options_for(wrong))

    assert await store.examine() == BucketRules()
    async with new_store(own_bucket) as right:
        assert await right.examine() == NOTHING


async def test_a_bucket_that_has_too_much_to_do_is_asked_again_and_not_taken_for_one_that_does_not_tell(
    spoiled: RemoteStore, proxy: SpoilingProxy
) -> None:
    for what in (b"?versioning", b"?object-lock", b"?lifecycle"):
        proxy.spoil(Spoiling.SLOW_DOWN, what)
        assert await spoiled.examine() == NOTHING
        assert proxy.is_hit

    impatient = options_for({**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url}, retry_seconds=0.1)
    proxy.spoil(Spoiling.SLOW_DOWN, b"?versioning", times=10)
    with pytest.raises(StoreUnavailable, match="503 SlowDown"):
        await RemoteStore.at(spoiled.bucket.address, uuid4(), impatient).examine()
