"""Both ways: rows without their objects, objects without a row, and sums that are not the sums."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from media_analysis.deletion.unclaimed import list_unclaimed
from media_analysis.errors import MarkerMismatch
from media_analysis.files.models import MediaFile
from media_analysis.integrity import verify
from media_analysis.integrity.inspection import Problem, list_tracked
from media_analysis.integrity.reckoning import Difference, reckon
from media_analysis.integrity.verify import VerifyReport, VerifyRequest, VerifyService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.walk import QUARANTINE
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of

Verifying = Callable[..., Awaitable[VerifyReport]]
LATER = timedelta(hours=2)


@pytest.fixture
def verifying(runtime: Runtime) -> Verifying:
    """Verifies as of two hours from now, when everything written so far is older than the grace window."""
    service = VerifyService(runtime.db, runtime.store)

    async def verified(**about: Any) -> VerifyReport:
        now = await runtime.db.now() + about.pop("ahead", LATER)
        return await service.run(VerifyRequest(**{"actor": "test", **about}), now=now)

    return verified


def path_of(runtime: Runtime, file: MediaFile) -> Path:
    return disk_of(runtime.store).root / file.key


def stray(runtime: Runtime, key: str, content: bytes = b"stray") -> Path:
    path = disk_of(runtime.store).root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def wrong(report: VerifyReport) -> list[tuple[str, str]]:
    return sorted((finding.problem.value, finding.key) for finding in report.findings)


async def test_a_store_in_order_has_nothing_to_report(verifying: Verifying, store_file: StoreFile) -> None:
    await store_file(b"one")
    await store_file(b"two", category=Category.CLIPS)

    report = await verifying(read=True)

    assert (report.files, report.objects, report.bytes_read, report.young) == (2, 2, 6, 0)
    assert report.findings == []


async def test_rows_without_their_objects_are_named_with_what_is_wrong(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile
) -> None:
    lost, short, linked = [await store_file(b"12345") for _ in range(3)]
    paths = [path_of(runtime, file) for file in (lost, short, linked)]
    paths[0].unlink()
    paths[1].write_bytes(b"123")
    paths[2].unlink()
    paths[2].symlink_to(paths[1])

    report = await verifying()
    for path in paths:
        path.unlink(missing_ok=True)
        path.write_bytes(b"12345")

    assert wrong(report) == sorted([("missing", lost.key), ("wrong_size", short.key), ("not_regular", linked.key)])
    assert {finding.file_id for finding in report.findings} == {lost.id, short.id, linked.id}
    assert "size is 3, not 5" in {finding.sentence for finding in report.findings}


async def test_other_bytes_of_the_same_size_show_only_when_they_are_read(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile
) -> None:
    rotten = await store_file(b"12345")
    path_of(runtime, rotten).write_bytes(b"12346")

    unread = await verifying()
    read = await verifying(read=True)
    path_of(runtime, rotten).write_bytes(b"12345")

    assert wrong(unread) == []
    assert wrong(read) == [("hash_differs", rotten.key)]


async def test_reading_gives_an_adopted_file_its_hash(
    verifying: Verifying, store_file: StoreFile, database: str
) -> None:
    stored = await store_file(b"imported")
    await execute(database, "UPDATE media_files SET sha256 = NULL")

    report = await verifying(read=True)

    (row,) = await fetch(database, "SELECT sha256 FROM media_files")
    assert report.hashed == 1
    assert row["sha256"] == stored.sha256


async def test_an_untracked_object_is_found_and_a_young_one_is_only_counted(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile
) -> None:
    await store_file()
    path = stray(runtime, "clips/deep/stray.bin")

    young = await verifying(ahead=timedelta())
    old = await verifying()
    path.unlink()

    assert (young.young, wrong(young)) == (1, [])
    assert (old.young, wrong(old)) == (0, [("untracked", "clips/deep/stray.bin")])


async def test_what_an_open_purge_still_has_to_remove_is_not_untracked(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile
) -> None:
    doomed = await store_file()
    poisoned = path_of(runtime, doomed)
    poisoned.unlink()
    poisoned.mkdir()
    await delete_file(runtime, doomed.id, owner="alice", actor="alice", hard=True)
    poisoned.rmdir()
    poisoned.write_bytes(b"some bytes")

    report = await verifying()

    assert (report.objects, wrong(report)) == (1, [])


async def test_quarantine_moves_the_untracked_aside_and_says_so(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    kept = await store_file()
    stray(runtime, "clips/deep/stray.bin", b"keep me")
    (disk_of(runtime.store).root / "clips" / "link").symlink_to("nowhere")
    day = f"{await runtime.db.now() + LATER:%Y-%m-%d}"

    report = await verifying(quarantine=True)
    again = await verifying(quarantine=True)

    aside = disk_of(runtime.store).root / QUARANTINE / day / "clips"
    assert (report.quarantined, report.problems[Problem.UNTRACKED]) == (2, 2)
    assert (aside / "deep" / "stray.bin").read_bytes() == b"keep me"
    assert (aside / "link").is_symlink()
    assert path_of(runtime, kept).exists()
    assert (again.objects, again.findings) == (1, [])
    told = await fetch(database, "SELECT actor, details FROM audit_events WHERE action = 'quarantined' ORDER BY id")
    (event,) = [row for row in told if f'"{QUARANTINE}/{day}/clips/deep/stray.bin"' in row["details"]][-1:]
    assert event["actor"] == "test"
    assert '"size_bytes": 7' in event["details"]


async def test_an_object_that_got_its_row_after_the_walk_stays(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    stored = await store_file()
    await execute(database, "UPDATE media_files SET key = 'hidden'")
    looks = 0

    async def listed(session: Any, keys: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            await execute(database, f"UPDATE media_files SET key = '{stored.key}'")
        return await list_unclaimed(session, keys)

    monkeypatch.setattr(verify, "list_unclaimed", listed)
    report = await verifying(quarantine=True)

    assert looks == 2
    assert report.quarantined == 0
    assert path_of(runtime, stored).exists()


async def test_a_file_deleted_between_the_looks_is_no_finding(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await store_file()
    deleted = False

    async def listed(*about: Any, **more: Any) -> Any:
        nonlocal deleted
        page = await list_tracked(*about, **more)
        if not deleted:
            deleted = True
            await delete_file(runtime, stored.id, owner="alice", actor="alice", hard=True)
        return page

    monkeypatch.setattr("media_analysis.integrity.verify.list_tracked", listed)
    report = await verifying()

    assert report.findings == []


async def test_a_store_that_is_not_there_is_not_a_store_full_of_missing_objects(
    verifying: Verifying, runtime: Runtime, store_file: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_file()
    root = disk_of(runtime.store).root
    away = root.with_name("away")

    async def unmounted(*about: Any, **more: Any) -> Any:
        page = await list_tracked(*about, **more)
        root.rename(away)
        root.mkdir()
        return page

    monkeypatch.setattr("media_analysis.integrity.verify.list_tracked", unmounted)
    with pytest.raises(MarkerMismatch):
        await verifying()
    root.rmdir()
    away.rename(root)

    assert (root / MARKER_NAME).exists()


async def test_the_sums_are_the_sums(runtime: Runtime, store_file: StoreFile) -> None:
    for number in range(7):
        await store_file(bytes(number), owner=f"owner-{number % 2}", category=list(Category)[number])
    doomed = await store_file(b"goes")
    await delete_file(runtime, doomed.id, owner="alice", actor="alice", hard=True)

    whole = await reckon(runtime.db)
    paged = await reckon(runtime.db, page_rows=2)

    assert whole == paged
    assert whole.files == 7
    assert whole.differences == []


async def test_a_sum_that_is_wrong_is_named_with_the_truth(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await store_file(b"12345", category=Category.OUTPUTS)
    await execute(
        database,
        "UPDATE ledger SET size_bytes = 4, trashed_files = 1 WHERE category = 'outputs'",
        "UPDATE category_usage SET size_bytes = size_bytes + 1 WHERE category = 'outputs'",
        "INSERT INTO due_days (category, due_on, files, size_bytes) VALUES ('clips', '2030-01-02', 1, 0)",
    )

    found = await reckon(runtime.db)
    await execute(
        database,
        "UPDATE ledger SET size_bytes = 5, trashed_files = 0 WHERE category = 'outputs'",
        "UPDATE category_usage SET size_bytes = size_bytes - 1 WHERE category = 'outputs'",
        "DELETE FROM due_days WHERE due_on = '2030-01-02' AND category = 'clips'",
    )

    assert found.differences == [
        Difference("ledger", "alice/outputs", "size_bytes", 4, 5),
        Difference("ledger", "alice/outputs", "trashed_files", 1, 0),
        Difference("category_usage", "outputs", "size_bytes", 6, 5),
        Difference("due_days", "clips/-/2030-01-02", "files", 1, 0),
    ]
