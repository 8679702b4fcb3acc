"""A service whose archives lie on a disk of their own, from the upload to the deletion and what is wrong between."""

import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch, StoreUnavailable
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.integrity.inspection import Problem
from media_analysis.integrity.verify import VerifyReport, VerifyRequest, VerifyService
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import load_settings
from media_analysis.storage.category import Category
from media_analysis.storage.furnishing import README_NAME
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.walk import QUARANTINE
from tests.asking import delete_file
from tests.conftest import Client, StoreFile, chunks, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects, sweep
from tests.oracle import inspect_everything

ORPHAN = "archives/2026/01/orphan.tar.gz"
StoreArchive = Callable[[], Awaitable[MediaFile]]


@pytest.fixture
def disk_path(tmp_path: Path) -> Path:
    """Where the other disk is mounted."""
    return tmp_path / "archive disk"


@pytest.fixture
def environment(environment: dict[str, str], disk_path: Path) -> dict[str, str]:
    return {**environment, "ARCHIVE_BASE_PATH": str(disk_path)}


@pytest.fixture
def store_archive(store_file: StoreFile) -> StoreArchive:
    async def store() -> MediaFile:
        return await store_file(b"packed", category=Category.ARCHIVES, filename="run.tar.gz")

    return store


async def verify(runtime: Runtime, *, quarantine: bool = False) -> VerifyReport:
    """Verify as of two hours from now, when everything written so far is older than the grace window."""
    request = VerifyRequest(actor="test", quarantine=quarantine)
    return await VerifyService(runtime.db, runtime.store).run(request, now=await runtime.db.now() + timedelta(hours=2))


def lay(root: Path, key: str) -> Path:
    """Put an object where nobody asked for it."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"stray")
    return path


def tops(root: Path) -> list[str]:
    return [path.name for path in root.iterdir()]


def mark(root: Path, *, like: Path) -> None:
    """Copy a marker to a new root, as an operator would."""
    root.mkdir()
    shutil.copy2(like / MARKER_NAME, root)


async def test_an_uploaded_archive_lies_on_the_archive_disk_and_is_read_from_there(
    client: Client, runtime: Runtime, disk_path: Path
) -> None:
    archive = await client.upload(b"packed", category="archives", filename="run.tar.gz")
    other = await client.upload(b"plain")

    read = await client.request("GET", f"/api/v1/files/{archive['id']}/content")

    (key,) = objects(disk_path)
    (beside,) = objects(disk_of(runtime.store).root)
    assert key.startswith("archives/")
    assert archive["id"] in key
    assert other["id"] in beside
    assert (read.status_code, read.content) == (200, b"packed")


async def test_deletion_and_sweep_remove_archives_from_their_disk(
    runtime: Runtime, store_archive: StoreArchive, database: str, disk_path: Path
) -> None:
    asked_for, due = await store_archive(), await store_archive()
    await delete_file(runtime, asked_for.id, owner="alice", actor="alice", hard=True)
    after_one = objects(disk_path)
    await execute(database, "UPDATE media_files SET due_at = now(), expires_at = now()")

    report = await sweep(runtime)

    assert after_one == [due.key]
    assert report.files == 1
    assert sorted(tops(disk_path)) == [MARKER_NAME, README_NAME, "archives"]
    assert objects(disk_path) == []


async def test_without_its_marker_the_archive_disk_stops_deletions_and_uploads_of_everything(
    runtime: Runtime, store_file: StoreFile, store_archive: StoreArchive, disk_path: Path
) -> None:
    archive, upload = await store_archive(), await store_file()
    (disk_path / MARKER_NAME).rename(disk_path / "away")

    for file in (archive, upload):
        with pytest.raises(MarkerMismatch):
            await delete_file(runtime, file.id, owner="alice", actor="alice", hard=True)
    for store in (store_file, store_archive):
        with pytest.raises(MarkerMismatch):
            await store()
    with pytest.raises(MarkerMismatch):
        await sweep(runtime)
    left = (objects(disk_path), objects(disk_of(runtime.store).root))
    (disk_path / "away").rename(disk_path / MARKER_NAME)

    assert left == (sorted([archive.key, "away"]), [upload.key])
    await delete_file(runtime, archive.id, owner="alice", actor="alice", hard=True)
    assert objects(disk_path) == []


async def test_readiness_knows_of_both_disks(client: Client, disk_path: Path) -> None:
    ready = await client.request("GET", "/readyz", by=None)
    (disk_path / MARKER_NAME).rename(disk_path / "away")

    unready = await client.request("GET", "/readyz", by=None)
    (disk_path / "away").rename(disk_path / MARKER_NAME)

    assert (ready.status_code, unready.status_code) == (200, 503)
    assert "its archives' marker is missing" in unready.json()["checks"]["marker"]


async def test_verify_walks_both_disks_and_sets_an_orphan_aside_on_its_own(
    runtime: Runtime, store_archive: StoreArchive, store_file: StoreFile, disk_path: Path, database: str
) -> None:
    await store_archive()
    await store_file()
    lay(disk_path, ORPHAN)

    looked = await verify(runtime)
    moved = await verify(runtime, quarantine=True)

    assert (looked.files, looked.objects) == (2, 3)
    assert [(finding.problem, finding.key) for finding in looked.findings] == [(Problem.UNTRACKED, ORPHAN)]
    assert moved.quarantined == 1
    assert [path.name for path in (disk_path / QUARANTINE).rglob("*.gz")] == ["orphan.tar.gz"]
    (event,) = await fetch(database, "SELECT details FROM audit_events WHERE action = 'quarantined'")
    assert ORPHAN in event["details"]


async def test_the_oracle_finds_an_orphan_on_the_archive_disk(runtime: Runtime, disk_path: Path, database: str) -> None:
    path = lay(disk_path, ORPHAN)

    violations = await inspect_everything(database, disk_of(runtime.store).root, archives=disk_path)
    path.unlink()

    assert violations == [f"promise 2: {ORPHAN} has neither a row nor an open tombstone"]


async def test_what_lies_below_the_wrong_root_is_told_and_never_moved(
    runtime: Runtime, store_archive: StoreArchive, disk_path: Path
) -> None:
    archive = await store_archive()
    left, strange = lay(disk_of(runtime.store).root, archive.key), lay(disk_path, "clips/strange.bin")

    report = await verify(runtime, quarantine=True)
    still_there = left.exists() and strange.exists()
    for path in (left, strange):
        path.unlink()

    assert sorted((finding.problem, finding.key) for finding in report.findings) == sorted(
        [(Problem.UNTRACKED, archive.key), (Problem.UNTRACKED, "clips/strange.bin")]
    )
    assert all("below the wrong root" in finding.sentence for finding in report.findings)
    assert (report.quarantined, still_there) == (0, True)
    assert objects(disk_path) == [archive.key]


async def test_an_archive_disk_given_to_a_store_with_archives_is_taken_once_they_are_moved_there(
    environment: dict[str, str], database: str, disk_path: Path
) -> None:
    apart = load_settings(environ=environment).settings
    together = load_settings(environ={name: environment[name] for name in environment.keys() - {"ARCHIVE_BASE_PATH"}})
    async with open_runtime(together.settings, database) as runtime:
        upload = Upload(owner="alice", category=Category.ARCHIVES, filename="run.tar.gz")
        archive = await runtime.files.uploads.store_file(upload, chunks(b"packed"))

    with pytest.raises(MarkerMismatch, match="move the store's folder archives into it"):
        async with open_runtime(apart, database):
            pass
    untouched = disk_path.name not in tops(disk_path.parent)
    mark(disk_path, like=apart.store_path)
    async with open_runtime(apart, database) as runtime:
        forgotten = await verify(runtime)
    shutil.move(apart.store_path / "archives", disk_path)
    async with open_runtime(apart, database) as runtime:
        moved = await verify(runtime)

    assert untouched
    assert {(finding.problem, finding.key) for finding in forgotten.findings} == {
        (Problem.MISSING, archive.key),
        (Problem.UNTRACKED, archive.key),
    }
    assert (moved.files, moved.objects, moved.findings) == (1, 1, [])
    assert await inspect_everything(database, apart.store_path, archives=disk_path) == []


async def test_without_its_path_the_archive_disk_is_missed_until_its_folder_is_moved_back(
    environment: dict[str, str], database: str, disk_path: Path
) -> None:
    apart = load_settings(environ=environment).settings
    together = load_settings(environ={**environment, "ARCHIVE_BASE_PATH": "none"}).settings
    async with open_runtime(apart, database) as runtime:
        upload = Upload(owner="alice", category=Category.ARCHIVES, filename="run.tar.gz")
        archive = await runtime.files.uploads.store_file(upload, chunks(b"packed"))

    for _ in range(2):
        with pytest.raises(MarkerMismatch, match=f"{archive.key} is not at .* ARCHIVE_BASE_PATH"):
            async with open_runtime(together, database):
                pass
    async with open_runtime(apart, database):
        pass
    shutil.move(disk_path / "archives", together.store_path)
    async with open_runtime(together, database) as runtime:
        moved = await verify(runtime)
    (together.store_path / archive.key).unlink()
    async with open_runtime(together, database) as runtime:
        lost = await verify(runtime)
        await delete_file(runtime, archive.id, owner="alice", actor="alice", hard=True)

    assert (moved.objects, moved.findings) == (1, [])
    assert [finding.problem for finding in lost.findings] == [Problem.MISSING]


async def test_an_archive_disk_is_not_given_up_while_nobody_can_tell_whether_its_archives_were_moved_back(
    environment: dict[str, str], database: str
) -> None:
    apart = load_settings(environ=environment).settings
    together = load_settings(environ={**environment, "ARCHIVE_BASE_PATH": "none"}).settings
    async with open_runtime(apart, database) as runtime:
        upload = Upload(owner="alice", category=Category.ARCHIVES, filename="run.tar.gz")
        await runtime.files.uploads.store_file(upload, chunks(b"packed"))
    loop = apart.store_path / "archives"
    loop.symlink_to(loop)

    with pytest.raises(StoreUnavailable) as refused:
        async with open_runtime(together, database):
            pass

    assert "ELOOP" in refused.value.reason
    assert [row["archives_apart"] for row in await fetch(database, "SELECT archives_apart FROM instance")] == [True]


async def test_an_archive_disk_that_holds_none_is_given_up_without_a_word(
    environment: dict[str, str], database: str
) -> None:
    for chosen in (environment, {**environment, "ARCHIVE_BASE_PATH": "none"}, environment):
        async with open_runtime(load_settings(environ=chosen).settings, database):
            pass


async def test_a_missing_archive_is_not_said_to_be_unknown(
    client: Client, runtime: Runtime, disk_path: Path, database: str
) -> None:
    archive = await client.upload(b"packed", category="archives", filename="run.tar.gz")
    (key,) = objects(disk_path)
    (disk_path / key).rename(disk_path / "away")

    answer = await client.request("GET", f"/api/v1/files/{archive['id']}/content")
    (disk_path / "away").rename(disk_path / key)

    assert (answer.status_code, answer.json()["code"]) == (503, "object_missing")
    assert await inspect_everything(database, disk_of(runtime.store).root, archives=disk_path) == []
