"""Existing trees become files: exact, dated by their bytes, the same however often they are asked for."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of
from tests.imports.tree.conftest import NOW, OLD, Importing, make_job, rows, write
from tests.media import clips


async def test_a_tree_in_the_store_gets_its_rows_and_keeps_its_bytes(
    importing: Importing, runtime: Runtime, database: str
) -> None:
    folder = disk_of(runtime.store).root / "frames" / "old"
    write(folder / "a.JPG", b"12345")
    write(folder / "deep" / "b.weird", b"")

    report = await importing(folder, now=NOW)

    first, second = await rows(database)
    assert (report.in_place, report.files, report.size_bytes, report.known) == (True, 2, 5, 0)
    assert (first["key"], first["filename"], first["media_type"]) == ("frames/old/a.JPG", "a.JPG", "image/jpeg")
    assert (second["key"], second["media_type"]) == ("frames/old/deep/b.weird", "application/octet-stream")
    assert {row["owner"] for row in (first, second)} == {"admin"}
    assert (first["size_bytes"], first["sha256"], first["state"]) == (5, None, "stored")
    assert first["created_at"] == first["stored_at"] == OLD
    assert first["expires_at"] == first["due_at"] == OLD + timedelta(days=30)
    assert not first["expiry_explicit"]
    assert first["id"].version == 7
    assert first["id"].int >> 80 == int(OLD.timestamp() * 1000)
    assert (folder / "a.JPG").read_bytes() == b"12345"
    day = await fetch(database, "SELECT day, files, size_bytes FROM ledger_days WHERE category = 'frames'")
    assert [tuple(row) for row in day] == [(NOW.date(), 2, 5)]


async def test_a_tree_elsewhere_is_copied_and_left_as_it_is(
    importing: Importing, runtime: Runtime, tree: Path, database: str
) -> None:
    large = bytes(range(256)) * 20_000
    write(tree / "a.bin", large)
    write(tree / "deep" / "b.txt", b"text")
    write(tree / "empty.jpg", b"")

    report = await importing(tree, category=Category.UPLOADS)

    copied = await rows(database)
    assert (report.in_place, report.files, report.size_bytes) == (False, 3, len(large) + 4)
    assert [row["filename"] for row in copied] == ["a.bin", "b.txt", "empty.jpg"]
    assert [row["sha256"] for row in copied] == [hashlib.sha256(of).digest() for of in (large, b"text", b"")]
    assert {row["stored_at"] for row in copied} == {OLD}
    assert {row["key"].rpartition("/")[0] for row in copied} == {f"uploads/{OLD:%Y-%m-%d}"}
    assert (disk_of(runtime.store).root / copied[0]["key"]).read_bytes() == large
    assert (tree / "a.bin").read_bytes() == large


@pytest.mark.parametrize("inside", [True, False], ids=["in place", "by copy"])
async def test_the_same_import_again_imports_nothing_twice(
    importing: Importing, runtime: Runtime, tree: Path, database: str, *, inside: bool
) -> None:
    folder = disk_of(runtime.store).root / "clips" if inside else tree
    for number in range(5):
        write(folder / f"{number}.bin", bytes(number))
    first = await importing(folder, category=Category.CLIPS)
    before = await rows(database)

    again = await importing(folder, category=Category.CLIPS)
    write(folder / "new.bin", b"new")
    more = await importing(folder, category=Category.CLIPS)

    assert first.files == 5
    assert (again.files, again.known) == (0, 5)
    assert (more.files, more.known) == (1, 5)
    assert [row["id"] for row in await rows(database)][:5] == [row["id"] for row in before]


async def test_what_is_past_its_lifetime_is_imported_told_and_left_to_the_sweep(
    importing: Importing, tree: Path, database: str
) -> None:
    write(tree / "over.bin")
    write(tree / "young.bin", modified_at=datetime.now(UTC) - timedelta(hours=1))
    write(tree / "future.bin", modified_at=datetime.now(UTC) + timedelta(days=1000))

    report = await importing(tree)

    future, over, _ = await rows(database)
    assert (report.files, report.due_at_once) == (3, 1)
    assert over["due_at"] < datetime.now(UTC)
    assert future["created_at"] <= datetime.now(UTC), "nothing was created in the future"


async def test_reading_in_place_gives_hash_and_media_type(
    importing: Importing, runtime: Runtime, database: str
) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    write(disk_of(runtime.store).root / "frames" / "misnamed.txt", png)

    await importing(disk_of(runtime.store).root / "frames", read=True)

    (row,) = await rows(database)
    assert (row["sha256"], row["media_type"]) == (hashlib.sha256(png).digest(), "image/png")


@pytest.mark.parametrize("inside", [True, False], ids=["in place", "by copy"])
async def test_a_file_is_of_the_type_that_its_end_tells(
    importing: Importing, runtime: Runtime, tree: Path, database: str, *, inside: bool
) -> None:
    folder = disk_of(runtime.store).root / "frames" / "old" if inside else tree
    write(folder / "a.mp4", clips.index_behind_sound().read_bytes())

    await importing(folder, category=Category.FRAMES, read=True)

    assert [row["media_type"] for row in await rows(database)] == ["audio/mp4"]


async def test_a_deleted_file_comes_back_only_where_somebody_put_it_back(
    importing: Importing, runtime: Runtime, tree: Path, database: str
) -> None:
    folder = disk_of(runtime.store).root / "clips"
    write(folder / "in-place.bin")
    write(tree / "copy.bin")
    await importing(folder, category=Category.CLIPS)
    await importing(tree)
    for row in await rows(database):
        await delete_file(runtime, row["id"], owner="admin", actor="admin", hard=True)
    write(folder / "in-place.bin")

    in_place = await importing(folder, category=Category.CLIPS)
    copied = await importing(tree)

    assert in_place.files == 1
    assert (copied.files, copied.skipped) == (0, {"deleted": 1})


async def test_the_files_of_a_held_job_are_held(importing: Importing, tree: Path, database: str) -> None:
    write(tree / "a.bin")
    job_id = await make_job(database, held=True)

    await importing(tree, job_id=job_id)

    (row,) = await rows(database)
    assert row["job_id"] == job_id
    assert row["job_held_until"] is not None
    assert row["due_at"] is None


async def test_the_files_of_a_job_held_for_a_while_are_due_when_the_hold_ends(
    importing: Importing, tree: Path, database: str
) -> None:
    write(tree / "a.bin")
    until = datetime.now(UTC) + timedelta(days=1)
    job_id = await make_job(database, held=True)
    await execute(database, f"UPDATE analysis_jobs SET held_until = '{until.isoformat()}'")

    await importing(tree, job_id=job_id)

    (row,) = await rows(database)
    assert row["expires_at"] < row["due_at"] == row["job_held_until"] == until


async def test_an_import_is_audited_with_its_counts(importing: Importing, tree: Path, database: str) -> None:
    write(tree / "a.bin", b"12345")
    (tree / "link").symlink_to("a.bin")

    await importing(tree)

    (event,) = await fetch(database, "SELECT actor, owner, details FROM audit_events WHERE action = 'imported'")
    assert (event["actor"], event["owner"]) == ("test", "admin")
    assert '"files": 1' in event["details"]
    assert '"link": 1' in event["details"]


async def test_a_file_without_a_hash_is_served_with_a_name_for_its_bytes(
    importing: Importing, runtime: Runtime, client: Client, database: str
) -> None:
    write(disk_of(runtime.store).root / "outputs" / "a.txt", b"imported byte")
    await importing(disk_of(runtime.store).root / "outputs", category=Category.OUTPUTS)
    (row,) = await rows(database)
    url = f"/api/v1/files/{row['id']}/content"

    answer = await client.request("GET", url, by="admin")
    part = await client.request(
        "GET", url, by="admin", headers={"Range": "bytes=9-", "If-Range": answer.headers["etag"]}
    )
    known = await client.request("GET", url, by="admin", headers={"If-None-Match": answer.headers["etag"]})

    assert (answer.status_code, answer.content) == (200, b"imported byte")
    assert answer.headers["etag"] == f'"{row["id"].hex}-13"'
    assert "repr-digest" not in answer.headers
    assert (part.status_code, part.content) == (206, b"byte")
    assert known.status_code == 304
