"""Opening stores in buckets: what is refused, and in which words."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from media_analysis.errors import InvalidSettings, MarkerMismatch, StoreUnavailable
from media_analysis.files.upload import protocol
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.sessions.models import Role
from media_analysis.settings import load_settings
from media_analysis.storage.category import Category
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.remote import marker, tree
from media_analysis.storage.remote.address import RemoteAddress
from tests.asking import delete_file
from tests.conftest import fetch, storing
from tests.s3 import ENVIRONMENT, asking, new_bucket
from tests.storage.remote.proxy import Spoiling, spoiling_proxy

pytestmark = pytest.mark.s3
VERSIONING = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@pytest.fixture
async def bucket() -> AsyncIterator[RemoteAddress]:
    async with new_bucket() as made:
        yield made


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return environment


Open = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture
def opened(environment: dict[str, str], database: str) -> Open:
    """Opens the services with variables beside the usual ones."""

    def opening(*, serves: bool = True, **variables: str) -> AbstractAsyncContextManager[Runtime]:
        return open_runtime(load_settings(environ=environment | variables).settings, database, serves=serves)

    return opening


async def test_a_bucket_that_keeps_what_is_deleted_is_refused_until_somebody_accepts_it(
    opened: Open, bucket: RemoteAddress
) -> None:
    assert (await asking(bucket).send("PUT", query={"versioning": ""}, content=VERSIONING)).is_success

    with pytest.raises(InvalidSettings, match=r"keeps versions of what is deleted.*STORAGE_REMOTE_ACCEPT_VERSIONS"):
        async with opened(STORAGE_URL=str(bucket)):
            pass
    async with opened(STORAGE_URL=str(bucket), STORAGE_REMOTE_ACCEPT_VERSIONS="true") as runtime:
        problems = await runtime.retention.status.problems()
        file = await storing(runtime)(b"bytes")
        await delete_file(runtime, file.id, owner=None, actor="test", hard=True)
        told = await runtime.retention.explanations.explain(file.id, owner=None)

    assert any("keeps versions" in problem for problem in problems)
    assert (told.timeline[-1].event, told.timeline[-1].details["versions_kept"]) == ("purged", True)


async def test_an_upload_that_finds_its_bucket_away_asks_it_once(
    opened: Open, bucket: RemoteAddress, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default each question is asked again for a minute, and an upload asked it three times."""
    monkeypatch.setattr(marker, "RECENT_SECONDS", 0)
    monkeypatch.setattr(protocol, "GIVING_UP_SECONDS", 0)
    upload = Upload(owner="alice", category=Category.UPLOADS, filename="a")
    async with spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        async with opened(STORAGE_URL=str(bucket), STORAGE_REMOTE_RETRY_SECONDS="0") as runtime:
            session, _ = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(hours=1))
            proxy.seen.clear()
            proxy.spoil(Spoiling.SLOW_DOWN, times=100)
            with pytest.raises(StoreUnavailable):
                await runtime.files.uploads.store_small(upload, b"bytes", session_id=session.id)
            asked = list(proxy.seen)
            (left,) = await fetch(database, "SELECT state::text, due_at <= now() AS is_due FROM media_files")

    assert len(asked) == 1
    assert tuple(left) == ("pending", True)


async def test_what_is_deleted_says_that_it_stays_once_the_bucket_keeps_versions(
    opened: Open, bucket: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "RECENT_SECONDS", 0)
    events = []
    async with opened(STORAGE_URL=str(bucket)) as runtime:
        for _ in ("before", "since"):
            file = await storing(runtime)(b"bytes")
            await delete_file(runtime, file.id, owner=None, actor="test", hard=True)
            events.append((await runtime.retention.explanations.explain(file.id, owner=None)).timeline[-1])
            assert (await asking(bucket).send("PUT", query={"versioning": ""}, content=VERSIONING)).is_success

    assert [event.details.get("versions_kept", False) for event in events] == [False, True]


async def test_a_bucket_is_marked_by_the_first_service_and_by_nothing_else(opened: Open, bucket: RemoteAddress) -> None:
    address = str(replace(bucket, prefix="media"))

    with pytest.raises(MarkerMismatch, match="no service was started on it yet"):
        async with opened(STORAGE_URL=address, serves=False):
            pass
    async with opened(STORAGE_URL=address) as runtime:
        file = await storing(runtime)(b"bytes")
    async with opened(STORAGE_URL=address, serves=False) as again:
        entries = await again.store.look_up([file.key])

    assert entries[0] is not None


async def test_a_store_that_was_moved_without_its_files_is_refused(opened: Open, bucket: RemoteAddress) -> None:
    async with opened() as runtime:
        await storing(runtime)(b"bytes")

    with pytest.raises(MarkerMismatch, match="carries no marker although the database knows files"):
        async with opened(STORAGE_URL=str(bucket)):
            pass


async def test_archives_have_a_bucket_of_their_own_and_credentials_of_their_own(
    opened: Open, bucket: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"ARCHIVE_{name}", value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of another store")

    async with opened(ARCHIVE_URL=str(replace(bucket, prefix="cold"))) as runtime:
        store = runtime.store
        assert isinstance(store, PairedStore)
        where = store.archives.where("archives/a")
        await store.require_writable()

    assert where == f"s3://{bucket.bucket}/cold/archives/a"


@pytest.mark.parametrize(
    ("variables", "error", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, StoreUnavailable, "credentials|access|denied|403|signature"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, StoreUnavailable, "."),
        ({"AWS_ALLOW_HTTP": "false"}, InvalidSettings, "AWS_ALLOW_HTTP"),
    ],
)
async def test_what_the_provider_refuses_is_said_without_its_secrets(
    opened: Open,
    bucket: RemoteAddress,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    error: type[Exception],
    reason: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(error, match=f"(?i){reason}") as refused:
        async with opened(STORAGE_URL=str(bucket), STORAGE_REMOTE_RETRY_SECONDS="1"):
            pass

    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)


async def test_a_bucket_that_is_not_there_is_said(opened: Open) -> None:
    with pytest.raises(StoreUnavailable):
        async with opened(STORAGE_URL=f"s3://nobody-{uuid4().hex[:20]}/media"):
            pass
