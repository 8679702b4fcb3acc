"""A store moves from a disk to a bucket, from there to another one, and back, while files come and go."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from media_analysis.cli.import_ import destination_of
from media_analysis.errors import MarkerMismatch, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.imports.tree.buckets import open_tree
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.service import MoveService
from media_analysis.moves.status import MoveStatusService
from media_analysis.moves.switching import SwitchService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.remote.address import RemoteAddress
from tests.archive.archived import archive, content_of, make_run, restore
from tests.asking import delete_file
from tests.conftest import fetch, storing
from tests.imports.tree.conftest import NOW, write
from tests.imports.tree.test_import_buckets import put
from tests.moves.conftest import MovesOf, OpenAt
from tests.moves.test_service import objects
from tests.oracle import inspect_everything
from tests.s3 import ENVIRONMENT, asking, mirror, new_bucket

pytestmark = pytest.mark.s3
LARGE = os.urandom(17 * 2**20)
"""More than one request carries."""
A_DAY = timedelta(days=1, minutes=1)


@pytest.fixture
def environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for prefix in ("", "MOVE_"):
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(prefix + name, value)
    return environment


@pytest.fixture
async def bucket() -> AsyncIterator[RemoteAddress]:
    async with new_bucket() as made:
        yield replace(made, prefix="media")


@pytest.fixture
async def other() -> AsyncIterator[RemoteAddress]:
    async with new_bucket() as made:
        yield made


async def lying(address: RemoteAddress, into: Path) -> set[str]:
    """Return the keys of what lies below an address."""
    return objects(await mirror(address, into / uuid4().hex))


@asynccontextmanager
async def coming_and_going(runtime: Runtime, kept: dict[UUID, bytes]) -> AsyncIterator[None]:
    """Upload and delete while the block goes on; what is kept is told."""

    is_over = asyncio.Event()

    async def go() -> None:
        while not is_over.is_set():
            content = os.urandom(2_000)
            file, gone = await storing(runtime)(content), await storing(runtime)(b"deleted at once")
            kept[file.id] = content
            await delete_file(runtime, gone.id, owner="alice", actor="alice")

    going = asyncio.create_task(go())
    try:
        yield
    finally:
        is_over.set()
        await going


async def test_what_has_a_name_that_no_bucket_takes_is_named_and_stops_nothing_else(
    open_at: OpenAt, moves_of: MovesOf, old: str, bucket: RemoteAddress, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        write(tmp_path / "old" / "frames" / "a\tb")
        request = TreeImportRequest(
            directory=tmp_path / "old" / "frames", category=Category.FRAMES, owner="alice", actor="test"
        )
        await destination_of(runtime).run(request, now=NOW)
        kept = await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(str(bucket), archives=False)

        with pytest.raises(MoveRefused, match="no object of a bucket has such a name"):
            await SwitchService(moves).switch()

    assert await lying(bucket, tmp_path) == {kept.key}


async def test_what_has_a_name_that_no_disk_takes_is_named_and_stops_nothing_else(
    open_at: OpenAt, moves_of: MovesOf, bucket: RemoteAddress, new: str, tmp_path: Path, database: str
) -> None:
    pair, long = {"old/a", "old/a/b"}, f"old/{'x' * 256}"
    async with open_at(str(bucket), inspects=False) as runtime:
        for key in (*pair, long):
            await put(bucket, key)
        async with open_tree(replace(bucket, prefix=f"{bucket.prefix}/old"), runtime.settings) as tree:
            request = TreeImportRequest(directory=tree, category=Category.FRAMES, owner="alice", actor="test")
            await destination_of(runtime).run(request)
        kept = await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        for _ in range(2):  # once more, for something of them may lie there by now
            await MoveService(moves).copy(new, archives=False)

        with pytest.raises(MoveRefused, match="2 objects cannot be copied, the first is old/"):
            await SwitchService(moves).switch()
        (status,) = await MoveStatusService(moves).list()
        for row in await fetch(database, "SELECT id FROM media_files WHERE key <> $1", kept.key):
            await delete_file(runtime, row["id"], owner="alice", actor="alice")
        await SwitchService(moves).switch()

    (refused,) = pair & status.failures.keys()
    assert status.failures.keys() == {refused, long}
    assert "another object" in status.failures[refused] or "other objects" in status.failures[refused]
    assert "more bytes than the disk takes" in status.failures[long]
    assert objects(tmp_path / "new") == {kept.key}


async def move(runtime: Runtime, moves_of: MovesOf, target: str, kept: dict[UUID, bytes]) -> None:
    """Move while files come and go, and switch."""
    moves = moves_of(runtime)
    async with coming_and_going(runtime, kept):
        await MoveService(moves).copy(target, archives=False)
    await SwitchService(moves).switch()
    with pytest.raises(MarkerMismatch):
        await storing(runtime)(b"too late")


async def require_kept(runtime: Runtime, database: str, kept: dict[UUID, bytes]) -> None:
    rows = await fetch(database, "SELECT id, key FROM media_files WHERE state = 'stored'")
    assert {row["id"] for row in rows} == set(kept)
    for row in rows:
        assert await runtime.store.read(row["key"], size_bytes=len(kept[row["id"]])) == kept[row["id"]]


async def test_a_store_moves_to_a_bucket_to_another_one_and_back(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    bucket: RemoteAddress,
    other: RemoteAddress,
    database: str,
    tmp_path: Path,
) -> None:
    kept: dict[UUID, bytes] = {}
    async with open_at(old, inspects=False) as runtime:
        for content in (b"", b"small", LARGE):
            kept[(await storing(runtime)(content)).id] = content
        await move(runtime, moves_of, str(bucket), kept)
    for here, there in ((bucket, str(other)), (other, old)):
        async with open_at(str(here), inspects=False) as runtime:
            await runtime.deletion.deleter.finish_entries()
            await require_kept(runtime, database, kept)
            root = await mirror(here, tmp_path / uuid4().hex)
            assert await inspect_everything(database, root) == []
            await move(runtime, moves_of, there, kept)
    async with open_at(old) as runtime:
        await runtime.deletion.deleter.finish_entries()
        await require_kept(runtime, database, kept)
        emptying = EmptyService(moves_of(runtime))
        for _ in (bucket, other):
            left, _ = await emptying.find()
            with pytest.raises(MoveRefused, match="may still arrive"):
                await emptying.empty(left)
            report = await emptying.empty(left, now=await runtime.db.now() + A_DAY)
            assert report.kept == 0
    assert await lying(bucket, tmp_path) == await lying(other, tmp_path) == set()


async def test_archives_move_to_a_bucket_and_come_back(
    open_at: OpenAt, moves_of: MovesOf, old: str, bucket: RemoteAddress, tmp_path: Path, database: str
) -> None:
    cold = str(bucket)
    async with open_at(old, inspects=False) as runtime:
        run = await make_run(runtime)
        await archive(runtime, run.id)
        await MoveService(moves_of(runtime)).copy(cold, archives=True)
        await SwitchService(moves_of(runtime)).switch()
    archived = {row["key"] for row in await fetch(database, "SELECT key FROM media_files WHERE category = 'archives'")}
    assert await lying(bucket, tmp_path) == archived
    async with open_at(old, cold, inspects=False) as runtime:
        emptying = EmptyService(moves_of(runtime, old, cold))
        assert (await emptying.empty((await emptying.find())[0])).kept == 0
        assert archived.isdisjoint(objects(tmp_path / "old"))
        await MoveService(moves_of(runtime, old, cold)).copy(old, archives=True)
        await SwitchService(moves_of(runtime, old, cold)).switch()
    async with open_at(old) as runtime:
        await restore(runtime, run.id)
        for name, file in run.files.items():
            assert await content_of(runtime, file.id) == run.contents[name]


async def test_an_object_that_was_deleted_after_it_was_copied_to_a_bucket_is_deleted_there_again_a_day_later(
    open_at: OpenAt, moves_of: MovesOf, old: str, bucket: RemoteAddress, database: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file = await storing(runtime)(b"deleted")
        moves = moves_of(runtime)
        await MoveService(moves).copy(str(bucket), archives=False)
        await delete_file(runtime, file.id, owner="alice", actor="alice")
        await SwitchService(moves).switch()
        assert await lying(bucket, tmp_path) == set()
    async with open_at(str(bucket), inspects=False) as runtime:
        # A request of a process that was killed while it copied arrives only now.
        (writer,) = await runtime.store.create_many([file.key])
        assert not isinstance(writer, Exception)
        await writer.write(b"deleted")
        await writer.sync()
        claim = await runtime.deletion.deleter.claim_unfinished(now=await runtime.db.now() + A_DAY)
        assert claim is not None
        await runtime.deletion.deleter.purge(claim)

        assert [one.key for one in claim.files] == [file.key]
        assert await lying(bucket, tmp_path) == set()


async def test_a_bucket_that_cannot_be_the_store_is_refused_and_no_secret_told(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    bucket: RemoteAddress,
    other: RemoteAddress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    async with open_at(old) as runtime:
        service = MoveService(moves_of(runtime))
        await asking(other).send("PUT", query={"versioning": ""}, content=versioning)
        with pytest.raises(MoveRefused, match="ACCEPT_VERSIONS"):
            await service.copy(str(other), archives=False)
        with pytest.raises(StoreUnavailable):
            await service.copy("s3://nobody-made-this-bucket/media", archives=False)
        monkeypatch.setenv("MOVE_AWS_SECRET_ACCESS_KEY", "wrong-and-secret")
        with pytest.raises(StoreUnavailable) as refused:
            await service.copy(str(bucket), archives=False)

        assert "wrong-and-secret" not in str(refused.value)
