"""What an import leaves alone, and what it refuses before anything is done."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from media_analysis.db import locks
from media_analysis.deletion.unclaimed import TREE, lock_tree
from media_analysis.errors import DiskReserveReached, InvalidRequest, JobNotFound, OwnerQuotaReached, QuotaReached
from media_analysis.errors.operations import LockBusy
from media_analysis.imports.tree import copying
from media_analysis.imports.tree.service import TreeImportRequest, TreeImportService
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.sources import SourceFile
from tests.asking import delete_file
from tests.conftest import StoreFile, execute
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.imports.tree.conftest import Importing, make_job, rows, write


async def test_links_and_devices_are_counted_and_left_alone(importing: Importing, tree: Path, database: str) -> None:
    (tree / "sub").mkdir(parents=True)
    (tree / "second").hardlink_to(write(tree / "first"))
    (tree / "link").symlink_to("/etc/passwd")
    (tree / "directory").symlink_to("/etc")
    os.mkfifo(tree / "sub" / "pipe")
    write(tree / "plain")

    report = await importing(tree)

    assert report.skipped == {"hard_link": 2, "link": 2, "special": 1}
    assert [row["filename"] for row in await rows(database)] == ["plain"]


async def test_names_nobody_can_say_are_cleaned_in_copies_and_skipped_in_place(
    importing: Importing, runtime: Runtime, tree: Path, database: str
) -> None:
    strange = os.fsdecode(b"caf\xe9\n.jpg")
    write(tree / strange)
    unsayable = write(disk_of(runtime.store).root / "clips" / strange)

    copied = await importing(tree)
    in_place = await importing(disk_of(runtime.store).root / "clips", category=Category.CLIPS)
    unsayable.unlink()

    assert copied.files == 1
    assert in_place.skipped == {"unnameable": 1}
    assert [row["filename"] for row in await rows(database)] == ["caf__.jpg"]


async def test_what_has_a_row_or_an_open_purge_is_not_imported_in_place(
    importing: Importing, runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored, doomed = await store_file(), await store_file()
    poisoned = disk_of(runtime.store).root / doomed.key
    poisoned.unlink()
    poisoned.mkdir()
    await delete_file(runtime, doomed.id, owner="alice", actor="alice", hard=True)
    poisoned.rmdir()
    write(poisoned)

    report = await importing(disk_of(runtime.store).root, category=Category.UPLOADS)

    assert (report.files, report.known) == (0, 2)
    assert [row["id"] for row in await rows(database)] == [stored.id]


async def test_a_file_that_changes_while_it_is_copied_is_not_imported(
    importing: Importing, tree: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tree / "changing.bin")
    write(tree / "steady.bin")
    pour = copying.pour

    async def poured(source: Any, writer: Any) -> None:
        write(tree / "changing.bin", b"other content")
        await pour(source, writer)

    monkeypatch.setattr(copying, "pour", poured)
    report = await importing(tree)

    assert (report.files, report.skipped) == (1, {"changed": 1})
    assert [(row["filename"], row["state"]) for row in await rows(database)] == [("steady.bin", "stored")]


async def test_a_file_that_grows_under_the_copy_is_not_imported(
    importing: Importing, runtime: Runtime, tree: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = write(tree / "growing.bin")
    read = SourceFile.read

    def reading(source: SourceFile) -> bytes:
        chunk = read(source)
        with growing.open("ab") as file:
            file.write(b"" if chunk else b"more")
        return chunk

    monkeypatch.setattr(SourceFile, "read", reading)
    report = await importing(tree)

    assert (report.files, report.skipped) == (0, {"changed": 1})
    assert await rows(database) == []
    assert objects(disk_of(runtime.store).root) == []


async def test_a_file_that_vanishes_before_it_is_imported_in_place_gets_no_row(
    importing: Importing, runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanishing = write(disk_of(runtime.store).root / "clips" / "a.bin")

    async def locked(session: Any) -> None:
        vanishing.unlink()
        await lock_tree(session)

    monkeypatch.setattr("media_analysis.imports.tree.adopting.lock_tree", locked)
    report = await importing(disk_of(runtime.store).root / "clips", category=Category.CLIPS)

    assert (report.files, report.skipped) == (0, {"changed": 1})
    assert await rows(database) == []


async def test_who_waits_too_long_for_another_process_hears_what_it_is_at_and_goes_on_when_told_again(
    importing: Importing, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = disk_of(runtime.store).root
    write(root / "clips" / "a.bin")
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.2)
    asked = VerifyRequest(actor="test", quarantine=True, grace=timedelta(days=-1))
    verifying = VerifyService(runtime.db, runtime.store).run(asked)

    async with locks.locked(runtime.db, TREE):
        for waiting in (importing(root / "clips", category=Category.CLIPS), verifying):
            with pytest.raises(LockBusy, match=r"another process imports .*, or sets some aside .* say it again"):
                await waiting

    assert (await importing(root / "clips", category=Category.CLIPS)).files == 1


async def test_a_tree_beyond_the_quota_of_its_owner_is_refused_and_others_do_not_count(
    importing: Importing, runtime: Runtime, tree: Path, database: str
) -> None:
    await execute(database, "UPDATE category_policies SET owner_quota_bytes = 1000 WHERE category = 'clips'")
    for owner in ("bob", "alice"):
        write(tree / owner / "a.bin", bytes(600))
        await importing(tree / owner, category=Category.CLIPS, owner=owner)
    write(tree / "alice" / "b.bin", bytes(700))

    with pytest.raises(OwnerQuotaReached) as refused:
        await importing(tree / "alice", category=Category.CLIPS, owner="alice")

    assert (refused.value.used_bytes, refused.value.missing_bytes) == (600, 300)
    assert len(await rows(database)) == 2


@pytest.mark.parametrize("inside", [True, False], ids=["in place", "by copy"])
async def test_a_tree_beyond_the_quota_is_refused_before_anything_is_done(
    importing: Importing, runtime: Runtime, tree: Path, database: str, *, inside: bool
) -> None:
    folder = disk_of(runtime.store).root / "clips" if inside else tree
    write(folder / "a.bin", bytes(600))
    await execute(database, "UPDATE category_policies SET quota_bytes = 1000 WHERE category = 'clips'")
    await importing(folder, category=Category.CLIPS)
    beyond = write(folder / "b.bin", bytes(700))

    with pytest.raises(QuotaReached) as refused:
        await importing(folder, category=Category.CLIPS)
    filled = len(await rows(database))
    write(beyond, bytes(400))
    fitting = await importing(folder, category=Category.CLIPS)
    write(folder / "c.bin", bytes(1))
    over = await importing(folder, category=Category.CLIPS, over_quota=True)

    assert (refused.value.missing_bytes, filled) == (300, 1)
    assert (fitting.files, over.files) == (1, 1)


async def test_copies_leave_the_disk_its_reserve(service: TreeImportService, tree: Path, database: str) -> None:
    write(tree / "a.bin")
    request = TreeImportRequest(directory=tree, category=Category.CLIPS, owner="admin", actor="test")
    demanding = replace(
        service, copier=replace(service.copier, protocol=replace(service.copier.protocol, reserve_bytes=2**62))
    )

    with pytest.raises(DiskReserveReached):
        await demanding.run(request)

    assert await rows(database) == []


async def test_somebody_elses_job_and_an_unknown_one_are_refused_alike(
    importing: Importing, tree: Path, database: str
) -> None:
    write(tree / "a.bin")
    foreign = await make_job(database, owner="bob")

    for job_id in (foreign, uuid7()):
        with pytest.raises(JobNotFound):
            await importing(tree, job_id=job_id)


async def test_a_directory_that_makes_no_sense_is_refused_in_words(
    importing: Importing, runtime: Runtime, tree: Path
) -> None:
    root = disk_of(runtime.store).root
    write(root / ".quarantine" / "2026-01-01" / "a.bin")
    write(tree / "a.bin")

    async def refusal(directory: Path, *, in_place: bool | None = None) -> str:
        with pytest.raises(InvalidRequest) as refused:
            await importing(directory, in_place=in_place)
        return refused.value.reason

    assert await refusal(root.parent) == "the store lies inside it"
    assert await refusal(tree / "nowhere") == "no such directory"
    assert await refusal(root / ".media-analysis") == "not a directory"
    assert await refusal(root / ".quarantine" / "2026-01-01") == "it is the store's own"
    assert await refusal(tree, in_place=True) == "only a tree inside the store can be imported in place"
    assert await refusal(root, in_place=False) == "it lies in the store"
