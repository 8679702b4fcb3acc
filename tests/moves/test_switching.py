"""What is under way when a store is switched: uploads, jobs, deletions, what is paused or was set aside."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from media_analysis.cli.import_ import destination_of
from media_analysis.db.locks import locked
from media_analysis.deletion.pauses import PauseService
from media_analysis.deletion.unclaimed import TREE
from media_analysis.errors import MarkerMismatch, UploadLeaseLost
from media_analysis.errors.moves import MoveRefused
from media_analysis.files.upload.service import Upload
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.jobs.control import NewJob
from media_analysis.moves import switching
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.opened import OpenMove
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.marker import Marker, read_marker, write_marker
from tests.api.tus import TusClient
from tests.asking import delete_file
from tests.claims import claim_job
from tests.conftest import Client, add_tokens, fetch, storing
from tests.imports.tree.conftest import NOW, write
from tests.moves.conftest import MovesOf, OpenAt
from tests.moves.test_service import objects
from tests.reused import APPLICATIONS

UPLOAD = Upload(owner="alice", category=Category.UPLOADS, filename="film.mp4")


async def test_an_upload_that_ends_after_the_switch_is_told_that_it_is_gone(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    begun, switched = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield bytes(3 * 2**20)
        begun.set()
        await switched.wait()
        yield bytes(3 * 2**20)

    async with open_at(old, inspects=False) as runtime:
        uploading = asyncio.create_task(runtime.files.uploads.store_file(UPLOAD, body()))
        await begun.wait()
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()
        switched.set()

        with pytest.raises((UploadLeaseLost, MarkerMismatch)):
            await uploading
    async with open_at(new) as runtime:
        await runtime.deletion.deleter.finish_entries()
        emptying = EmptyService(moves_of(runtime))
        await emptying.empty((await emptying.find())[0])

    assert objects(tmp_path / "new") == objects(tmp_path / "old") == set()
    assert await fetch(database, "SELECT FROM media_files") == []


async def test_uploads_in_pieces_stop_the_switch_until_they_are_whole_or_given_up(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:

    async with open_at(old, inspects=False) as runtime:
        transport = httpx.ASGITransport(APPLICATIONS.over(runtime), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            tus = TusClient(Client(http, await add_tokens(runtime)))
            at = await tus.start(10)
            assert (await tus.patch(at, 0, b"12345")).status_code == 204
            moves = moves_of(runtime)
            await MoveService(moves).copy(new, archives=False)

            with pytest.raises(MoveRefused, match="1 uploads in pieces are not whole"):
                await SwitchService(moves).switch()
            await SwitchService(moves).switch(end_uploads=True)

            assert (await tus.send("HEAD", at)).status_code == 410
    assert objects(tmp_path / "new") == set()


async def test_a_job_that_runs_stops_the_switch(open_at: OpenAt, moves_of: MovesOf, old: str, new: str) -> None:
    async with open_at(old) as runtime:
        source = await storing(runtime)(b"a film")
        wanted = NewJob(owner="alice", name="a run", kind="probe", source_file_ids=[source.id])
        job = await runtime.jobs.control.create(wanted)
        attempt = await claim_job(runtime, job.id)
        assert attempt is not None
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)

        with pytest.raises(MoveRefused, match="1 jobs run"):
            await SwitchService(moves).switch()
        await storing(runtime)(b"nothing is closed")


async def test_what_a_pause_keeps_is_kept_through_the_switch_and_goes_after_it(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file = await storing(runtime)(b"deleted in a pause")
        moves, pauses = moves_of(runtime), PauseService(runtime.db)
        await MoveService(moves).copy(new, archives=False)
        pause = await pauses.pause(category=None, reason="wait", by="admin")
        await delete_file(runtime, file.id, owner="alice", actor="alice")
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()
        assert objects(tmp_path / "new") == objects(tmp_path / "old") == {file.key}
    async with open_at(new) as runtime:
        await runtime.deletion.deleter.finish_entries()
        assert objects(tmp_path / "new") == {file.key}
        await PauseService(runtime.db).resume(pause.id, confirm=0, by="admin")
        await runtime.deletion.deleter.finish_entries()
        assert objects(tmp_path / "new") == set()


async def test_what_was_set_aside_goes_along_and_what_came_to_its_end_does_not(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        for name in ("stays", "ends"):
            (tmp_path / "old" / "clips" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "old" / "clips" / name).write_bytes(name.encode())
        day = datetime.now(UTC).date()
        places = await runtime.store.set_aside(["clips/stays", "clips/ends"], day=day)
        moves = moves_of(runtime)
        report = await MoveService(moves).copy(new, archives=False)
        await runtime.store.delete_set_aside([places["clips/ends"]])
        await SwitchService(moves).switch()

    assert report.copied == 2
    assert (tmp_path / "new" / places["clips/stays"]).read_bytes() == b"stays"
    assert not (tmp_path / "new" / places["clips/ends"]).exists()
    async with open_at(new) as runtime:
        assert await runtime.store.list_quarantine_days() == [day]
        emptying = EmptyService(moves_of(runtime))
        assert (await emptying.empty((await emptying.find())[0])).kept == 0
    assert not (tmp_path / "old" / places["clips/stays"]).exists()


async def test_an_imported_file_that_lies_where_one_did_that_was_copied_is_copied_too_and_gets_the_hash_it_lacked(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        former = await storing(runtime)(b"former")
        await MoveService(moves_of(runtime)).copy(new, archives=False)
        await delete_file(runtime, former.id, owner="alice", actor="alice")
        write(tmp_path / "old" / former.key, b"import")
        request = TreeImportRequest(
            directory=tmp_path / "old" / "uploads", category=Category.UPLOADS, owner="alice", actor="test"
        )
        await destination_of(runtime).run(request, now=NOW)
        await SwitchService(moves_of(runtime)).switch()

    async with open_at(new) as runtime:
        assert await runtime.store.read(former.key, size_bytes=len(b"import")) == b"import"
    rows = await fetch(database, "SELECT sha256 FROM media_files")
    assert [row["sha256"] for row in rows] == [hashlib.sha256(b"import").digest()]


@pytest.mark.parametrize("why", ["1 jobs began meanwhile", "imported or set aside"])
async def test_a_switch_that_cannot_be_made_leaves_the_store_open(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(switching, "JOBS_SECONDS", 0.6)
    async with open_at(old) as runtime, AsyncExitStack() as setting_aside:
        source = await storing(runtime)(b"a film")
        wanted = NewJob(owner="alice", name="a run", kind="probe", source_file_ids=[source.id])
        job = await runtime.jobs.control.create(wanted)
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        switch = SwitchService(moves)
        close = OpenMove.close_source

        async def begin_then_close(opened: OpenMove) -> None:
            if "jobs" in why:
                assert await claim_job(runtime, job.id) is not None
            else:
                await setting_aside.enter_async_context(locked(runtime.db, TREE))
            await close(opened)

        monkeypatch.setattr(OpenMove, "close_source", begin_then_close)
        with pytest.raises(MoveRefused, match=why):
            await switch.switch()

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
        await storing(runtime)(b"goes on")


async def test_a_client_is_not_told_where_the_store_went(runtime: Runtime, client: Client) -> None:
    root, own = runtime.settings.store_path, Marker(runtime.store.instance_id)
    write_marker(root, replace(own, moved_to="s3://somewhere/else"))

    refused = await client.request("POST", "/api/v1/files?category=uploads&filename=a", content=b"a")
    write_marker(root, own)

    assert (refused.status_code, refused.json()["code"]) == (503, "marker_mismatch")
    assert "somewhere" not in refused.text
