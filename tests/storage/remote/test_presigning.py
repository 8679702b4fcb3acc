"""Addresses at which a bucket answers whoever has them: with one object, as it was said, until they end."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from media_analysis.storage.disk import DiskStore
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.presented import Presented
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.presigning import presigner_to
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.store import RemoteStore
from tests.storage.conftest import put
from tests.storage.remote.conftest import eventually

SHEET = Presented(
    media_type="image/svg+xml",
    disposition="attachment; filename=\"a b_.svg\"; filename*=UTF-8''a%20b%C3%A9.svg",
    cache_control="private, no-cache",
)
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hidden"}


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.s3) for kind in ("remote", "remote_azure")])
def asked(request: pytest.FixtureRequest) -> RemoteStore:
    """A store of each provider that addresses are signed of."""
    store: RemoteStore = request.getfixturevalue(request.param)
    return store


def soon(seconds: float = 30) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_whoever_has_an_address_reads_its_object_and_no_other_as_it_was_said(
    asked: RemoteStore,
) -> None:
    await put(asked, "clips/a.bin", b"some bytes")
    await put(asked, "clips/b.bin", b"other bytes")
    address = asked.sign_address("clips/a.bin", SHEET, ends_at=soon())
    assert address is not None

    async with httpx.AsyncClient() as http:
        whole = await http.get(address)
        part = await http.get(address, headers={"Range": "bytes=5-7"})
        other = await http.get(address.replace("a.bin", "b.bin"))
        as_page = await http.get(address.replace(quote("image/svg+xml", safe=""), quote("text/html", safe="")))
        deleted = await http.delete(address)

    assert (whole.status_code, whole.content) == (200, b"some bytes")
    assert (part.status_code, part.content) == (206, b"byt")
    told = [whole.headers[name] for name in ("content-type", "content-disposition", "cache-control")]
    assert told == [SHEET.media_type, SHEET.disposition, SHEET.cache_control]
    assert [answer.status_code for answer in (other, as_page, deleted)] == [403, 403, 403]
    assert await asked.read("clips/a.bin", size_bytes=10) == b"some bytes"


async def test_an_address_ends_by_itself(asked: RemoteStore) -> None:
    await put(asked, "clips/a.bin", b"some bytes")
    address = asked.sign_address("clips/a.bin", SHEET, ends_at=soon(2))
    assert address is not None

    async with httpx.AsyncClient() as http:
        first = await http.get(address)
        await eventually(lambda: refused(http, address))

    assert first.status_code == 200
    assert asked.sign_address("clips/a.bin", SHEET, ends_at=soon(0.5)) is None


async def refused(http: httpx.AsyncClient, address: str) -> bool:
    return (await http.get(address)).status_code == 403


def test_an_address_is_signed_as_amazon_says() -> None:
    """The example of "Authenticating Requests: Using Query Parameters"; the keys are that page's own."""
    requests = S3Requests(
        url="https://examplebucket.s3.amazonaws.com",
        region="us-east-1",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )

    address = requests.address("test.txt", {}, at=datetime(2013, 5, 24, tzinfo=UTC), seconds=86_400)

    assert address.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("gs://media", {}),
        ("s3://media", {"AWS_REGION": "eu-central-1"}),
        ("s3://media", {**KEYS, "AWS_SSE_CUSTOMER_KEY_BASE64": "a2V5"}),
        ("az://media", {"AZURE_STORAGE_ACCOUNT_NAME": "name", "AZURE_STORAGE_SAS_TOKEN": "sv=1"}),
    ],
    ids=["google", "keys of a machine", "keys of objects", "no key"],
)
def test_nothing_signs_addresses_without_what_that_takes(url: str, environment: Mapping[str, str]) -> None:
    options = RemoteOptions(credentials=credentials(environment))

    assert presigner_to(RemoteAddress.parse(url), options) is None


def test_what_signs_shows_no_key() -> None:
    azure = {"AZURE_STORAGE_ACCOUNT_NAME": "name", "AZURE_STORAGE_ACCOUNT_KEY": "aGlkZGVu"}
    signers = [
        presigner_to(RemoteAddress.parse(url), RemoteOptions(credentials=credentials(told)))
        for url, told in (("s3://media", KEYS), ("az://media", azure))
    ]

    assert all(signers)
    assert "hidden" not in repr(signers)


def test_a_pair_signs_for_the_store_that_has_the_object(disk: DiskStore, tmp_path: Path) -> None:
    options = RemoteOptions(credentials=credentials(KEYS), scratch=tmp_path / "scratch")
    bucket = RemoteStore.at(RemoteAddress.parse("s3://media"), uuid4(), options)

    pair = PairedStore(bucket, disk)

    assert pair.sign_address("clips/a.bin", SHEET, ends_at=soon()) is not None
    assert pair.sign_address("archives/2026/01/a.tar", SHEET, ends_at=soon()) is None
    bucket.close()
