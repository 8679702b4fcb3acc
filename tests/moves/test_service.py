"""A store moves from one disk to another while it is served."""

from pathlib import Path
from uuid import UUID

import httpx
import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.runtime import Runtime
from media_analysis.storage.walk import OWN_NAMES
from tests.asking import delete_file
from tests.conftest import Client, add_tokens, fetch, storing
from tests.disks import disk_of
from tests.moves.conftest import MovesOf, OpenAt, acts
from tests.reused import APPLICATIONS


def objects(root: Path) -> set[str]:
    """Return the keys of all that lies below a directory."""
    files = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    return {str(path) for path in files if path.parts[0] not in OWN_NAMES}


async def read(runtime: Runtime, key: str, content: bytes) -> bytes:
    return await runtime.store.read(key, size_bytes=len(content))


async def test_a_store_moves_while_files_come_and_go(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        store, moves = storing(runtime), moves_of(runtime)
        kept, deleted, trashed = await store(b"kept"), await store(b"deleted"), await store(b"trashed")

        first = await MoveService(moves).copy(new, archives=False)
        await delete_file(runtime, deleted.id, owner="alice", actor="alice")
        await delete_file(runtime, trashed.id, owner="alice", actor="alice", soft=True)
        late = await store(b"late")
        second = await MoveService(moves).copy(new, archives=False)
        last = await store(b"last")
        await SwitchService(moves).switch()

        assert (first.copied, second.copied, second.deleted) == (3, 1, 1)
        assert objects(tmp_path / "new") == {kept.key, trashed.key, late.key, last.key}
        with pytest.raises(MarkerMismatch, match="moved to"):
            await store(b"too late")
        with pytest.raises(MarkerMismatch, match="moved to"):
            await delete_file(runtime, kept.id, owner="alice", actor="alice")
        assert await read(runtime, kept.key, b"kept") == b"kept"

    async with open_at(new) as runtime:
        assert await read(runtime, late.key, b"late") == b"late"
        await storing(runtime)(b"at the new place")
        await delete_file(runtime, late.id, owner="alice", actor="alice")
        emptying = EmptyService(moves_of(runtime))
        move, left = await emptying.find()
        report = await emptying.empty(move)

        assert (left.files, report.deleted, report.kept) == (5, 5, 0)
        assert objects(tmp_path / "old") == set()
        assert await acts(database) == ["move_started", "move_switched", "move_leftovers_deleted"]
        assert await fetch(database, "SELECT FROM store_copies") == []


async def test_no_service_starts_on_a_place_that_is_none(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        with pytest.raises(MarkerMismatch, match="still fills it"):
            await open_at(new).__aenter__()
        await SwitchService(moves).switch()

    with pytest.raises(MarkerMismatch, match="moved to"):
        await open_at(old).__aenter__()
    async with open_at(new) as runtime:
        assert disk_of(runtime.store).root.name == "new"


async def test_a_service_that_still_has_the_old_place_after_a_switch_shows_files_and_is_not_ready(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        transport = httpx.ASGITransport(APPLICATIONS.over(runtime), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            client = Client(http, await add_tokens(runtime))
            made = await client.upload(b"kept")
            at = f"/api/v1/files/{made['id']}"
            await MoveService(moves_of(runtime)).copy(new, archives=False)
            before = await client.request("GET", "/readyz")
            await SwitchService(moves_of(runtime)).switch()

            after = await client.request("GET", "/readyz")
            shown = await client.request("GET", f"{at}/content")
            refused = [
                await client.request("DELETE", at),
                await client.request("POST", "/api/v1/files?category=uploads&filename=a", content=b"too late"),
            ]

    assert (before.status_code, after.status_code, shown.content) == (200, 503, b"kept")
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(503, "marker_mismatch")] * 2
    async with open_at(new) as runtime:
        await delete_file(runtime, UUID(made["id"]), owner="alice", actor="alice")
