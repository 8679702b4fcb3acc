"""What lies in the bucket of the store, and no row names, becomes files of ours where it lies."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.db import locks
from media_analysis.db.locks import SessionLock
from media_analysis.errors import InvalidRequest, MarkerMismatch
from media_analysis.imports.tree import adopting
from media_analysis.imports.tree.buckets import BucketTree, open_tree
from media_analysis.integrity.verify import VerifyReport, VerifyRequest, VerifyService
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.entries import Entry
from media_analysis.storage.marker import Marker
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.names import piece_name
from tests.asking import delete_file
from tests.conftest import Client, OpenRuntime, fetch
from tests.files.conftest import eventually
from tests.imports.tree.conftest import Importing, rows
from tests.imports.tree.test_import_buckets import listed, put, refuse
from tests.media import clips
from tests.mirrored import CopiedOracle, opening
from tests.retention.conftest import let_purges_lapse, sweep
from tests.reused import Pool
from tests.s3 import ENVIRONMENT, asking, new_bucket
from tests.storage.remote.proxy import Spoiling, spoiling_proxy

pytestmark = pytest.mark.s3


@pytest.fixture
async def store() -> AsyncIterator[RemoteAddress]:
    async with new_bucket() as made:
        yield replace(made, prefix="media/store")
        await asking(made).send("DELETE", query={"policy": ""})


@pytest.fixture
def archives(store: RemoteAddress, request: pytest.FixtureRequest) -> RemoteAddress | None:
    """Where archives lie that are not in the store."""
    return replace(store, prefix=f"{store.prefix}-archives") if getattr(request, "param", None) == "apart" else None


@pytest.fixture
def environment(
    environment: dict[str, str],
    store: RemoteAddress,
    archives: RemoteAddress | None,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    placed = {"STORAGE_URL": store, "ARCHIVE_URL": archives}
    return environment | {name: str(address) for name, address in placed.items() if address is not None}


@pytest.fixture
def open_here(
    settings: Settings,
    database: str,
    pool: Pool,
    shared_fork_server: ForkServer,
    store: RemoteAddress,
    archives: RemoteAddress | None,
    tmp_path: Path,
) -> OpenRuntime:
    oracle = CopiedOracle(database, store, tmp_path / "mirrored", archives)
    return opening(settings, pool, shared_fork_server, oracle)


@pytest.fixture
async def tree(store: RemoteAddress, runtime: Runtime) -> AsyncIterator[BucketTree]:
    async with open_tree(replace(store, prefix=f"{store.prefix}/old"), runtime.settings) as opened:
        yield opened


async def remove(address: RemoteAddress, *keys: str) -> None:
    for key in keys:
        await asking(address).send("DELETE", key=address.full_key(key))


async def test_objects_become_files_where_they_lie_with_their_names_times_and_if_asked_for_hashes(
    importing: Importing, tree: BucketTree, store: RemoteAddress, client: Client, database: str
) -> None:
    wanted = {"film": clips.h264().read_bytes(), "deep/ü %25+#?~.txt": b"text", "empty.jpg": b""}
    for name, content in wanted.items():
        await put(tree.address, name, content)
    before = await listed(tree)

    report = await importing(tree, read=True)

    found = {row["key"]: row for row in await rows(database)}
    assert (report.in_place, report.files, report.skipped) == (True, 3, {})
    assert set(found) == {f"old/{name}" for name in wanted}
    assert await listed(tree) == before
    film = found["old/film"]
    assert (film["media_type"], film["sha256"]) == ("video/mp4", hashlib.sha256(wanted["film"]).digest())
    assert int(film["stored_at"].timestamp() * 1000) == before[2][2] // 10**6
    got = await client.request("GET", f"/api/v1/files/{film['id']}/content", by="admin")
    assert got.content == wanted["film"]
    again = await importing(tree)
    assert (again.files, again.known) == (0, 3)


@pytest.mark.parametrize("archives", ["apart", "with it"], indirect=True)
async def test_of_the_whole_store_what_is_nobodys_becomes_files_but_neither_its_own_names_nor_archives_that_lie_apart(
    importing: Importing, client: Client, store: RemoteAddress, runtime: Runtime, database: str
) -> None:
    stored = await client.request("POST", "/api/v1/files?category=uploads&filename=a", by="admin", content=b"stored")
    foreign = {"footage/a.mp4", "archives/2026/01/foreign.tar.gz"}
    piece = piece_name("uploads/b", 0, 1)
    for name in (*foreign, f".quarantine/2026-01-02/{uuid4()}", piece):
        await put(store, name)

    async with open_tree(store, runtime.settings) as whole:
        report = await importing(whole)

    found = {row["key"] for row in await rows(database) if str(row["id"]) != stored.json()["id"]}
    apart = isinstance(runtime.store, PairedStore)
    assert (found, report.known) == ({"footage/a.mp4"} if apart else foreign, 1)
    await remove(store, piece, *foreign - found)


async def test_what_was_deleted_and_put_back_is_another_file_once_nothing_is_to_be_deleted_there_any_more(
    importing: Importing, tree: BucketTree, runtime: Runtime, database: str
) -> None:
    await put(tree.address, "a")
    await importing(tree)
    (first,) = await rows(database)
    await delete_file(runtime, first["id"], owner=None, actor="test", hard=True)
    await sweep(runtime)
    gone = await listed(tree)

    await put(tree.address, "a")
    early = await importing(tree)
    await let_purges_lapse(database)
    await sweep(runtime)
    await put(tree.address, "a")
    late = await importing(tree)

    (second,) = await rows(database)
    assert (gone, early.files, late.files, second["id"] == first["id"]) == ([], 0, 1, False)


async def test_objects_that_change_while_they_are_imported_get_no_row(
    importing: Importing, tree: BucketTree, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("deleted", "kept", "replaced", "swapped"):
        await put(tree.address, name)
    locked = locks.locked

    @asynccontextmanager
    async def changing(*about: Any) -> AsyncIterator[SessionLock]:
        async with locked(*about) as lock:
            await put(tree.address, "replaced", b"of another size")
            await put(tree.address, "swapped", b"CONTENT")  # within the same second, as a rule
            await remove(tree.address, "deleted")
            yield lock

    monkeypatch.setattr(adopting, "locked", changing)
    report = await importing(tree)

    assert (report.files, report.skipped) == (1, {"changed": 3})
    assert [row["filename"] for row in await rows(database)] == ["kept"]
    await remove(tree.address, "replaced", "swapped")


async def test_nothing_is_set_aside_while_it_is_imported(
    importing: Importing, tree: BucketTree, runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(tree.address, "a")
    later = await runtime.db.now() + timedelta(hours=2)
    verifying: list[asyncio.Task[VerifyReport]] = []
    look_up = runtime.store.look_up

    async def waits() -> bool:
        return bool(await fetch(database, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    async def looking(keys: Sequence[str]) -> Sequence[Entry | None]:
        if not verifying:
            request = VerifyRequest(actor="test", quarantine=True)
            service = VerifyService(runtime.db, runtime.store)
            verifying.append(asyncio.create_task(service.run(request, now=later)))
            await eventually(waits)
        return await look_up(keys)

    monkeypatch.setattr(type(runtime.store), "look_up", lambda _, keys: looking(keys))
    await importing(tree)
    report = await verifying[0]

    assert report.quarantined == 0
    assert [name for name, _, _ in await listed(tree)] == ["a"]


async def test_other_places_of_the_store_its_own_names_and_copies_are_refused_and_so_is_what_lies_elsewhere_in_place(
    importing: Importing, tree: BucketTree, store: RemoteAddress, runtime: Runtime
) -> None:
    former = replace(store, prefix=f"{store.prefix}-former")
    await put(former, ".media-analysis", Marker(runtime.store.instance_id).content())
    await put(replace(store, prefix="elsewhere"), "a")

    async def refusal(prefix: str, **about: Any) -> str:
        async with open_tree(replace(store, prefix=prefix), runtime.settings) as opened:
            with pytest.raises(InvalidRequest) as refused:
                await importing(opened, **about)
        return refused.value.reason

    assert await refusal(tree.address.prefix, in_place=False) == "it lies in the store"
    assert await refusal(f"{store.prefix}/.quarantine/2026-01-02") == "it is the store's own"
    assert await refusal(former.prefix) == "it is the store"
    assert await refusal(f"{former.prefix}/uploads") == "it lies in the store"
    assert "only a tree inside the store" in await refusal("elsewhere", in_place=True)


async def test_a_tree_in_the_store_is_known_to_keys_that_see_the_tree_alone_and_to_another_name_of_the_server(
    importing: Importing,
    tree: BucketTree,
    store: RemoteAddress,
    runtime: Runtime,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await put(tree.address, "a")
    async with spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as proxy:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": proxy.url}).items():
            monkeypatch.setenv(f"IMPORT_{name}", value)
        proxy.spoil(Spoiling.REFUSED, b".media-analysis", times=100)
        async with open_tree(tree.address, runtime.settings) as opened:
            report = await importing(opened)
        assert proxy.is_hit
        async with open_tree(replace(store, prefix=store.prefix.rpartition("/")[0]), runtime.settings) as around:
            with pytest.raises(InvalidRequest, match="the store lies inside it"):
                await importing(around)

    assert (report.in_place, report.files) == (True, 1)
    assert [row["key"] for row in await rows(database)] == ["old/a"]


async def test_a_bucket_that_lost_its_marker_or_cannot_be_read_gets_no_rows(
    importing: Importing, tree: BucketTree, store: RemoteAddress, database: str
) -> None:
    await put(tree.address, "a")
    await refuse(tree.address, "a")
    told = await importing(tree, read=True)
    await asking(replace(store, prefix="")).send("DELETE", query={"policy": ""})
    await remove(store, ".media-analysis")

    with pytest.raises(MarkerMismatch):
        await importing(tree)

    assert (told.files, told.skipped) == (0, {"unreadable": 1})
    assert await rows(database) == []
    await remove(tree.address, "a")
