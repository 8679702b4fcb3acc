"""The scrub: it finds rot, says so once, resumes where it stood, and takes nothing back that it did not say."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.files.damage import count_damaged
from media_analysis.files.models import MediaFile
from media_analysis.integrity.inspection import ReadThrottle, list_tracked
from media_analysis.integrity.scrub import ScrubService
from media_analysis.runtime import Runtime
from media_analysis.storage.marker import MARKER_NAME
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of


@pytest.fixture
def scrubbing(runtime: Runtime) -> ScrubService:
    return ScrubService(runtime.db, runtime.store)


async def path_of(runtime: Runtime, file: MediaFile) -> Path:
    return disk_of(runtime.store).root / file.key


async def error_of(database: str, file_id: UUID) -> str | None:
    (row,) = await fetch(database, "SELECT last_error FROM media_files WHERE id = $1", file_id)
    error: str | None = row["last_error"]
    return error


async def told_about(database: str, file_id: UUID) -> list[str]:
    events = "SELECT reason FROM audit_events WHERE action = 'damaged' AND file_id = $1 ORDER BY id"
    return [row["reason"] for row in await fetch(database, events, file_id)]


async def rounds(database: str) -> list[tuple[Any, ...]]:
    columns = "files, size_bytes, problems, ended_at IS NOT NULL"
    return [tuple(row) for row in await fetch(database, f"SELECT {columns} FROM scrubs ORDER BY started_at, id")]


class Clock:
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


async def test_a_flipped_byte_is_found_and_told_once(
    scrubbing: ScrubService, runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    rotten, sound = await store_file(b"12345"), await store_file(b"67890")
    (await path_of(runtime, rotten)).write_bytes(b"12346")

    first = await scrubbing.run()
    again = await scrubbing.run()

    assert (first.files, first.size_bytes, first.problems, first.ended) == (2, 10, 1, True)
    assert again.problems == 1
    assert await error_of(database, rotten.id) == "hash differs"
    assert await error_of(database, sound.id) is None
    assert await told_about(database, rotten.id) == ["hash differs"]
    assert await rounds(database) == [(2, 10, 1, True), (2, 10, 1, True)]
    async with runtime.db.read_only() as session:
        assert await count_damaged(session) == 1
    (await path_of(runtime, rotten)).write_bytes(b"12345")


async def test_what_is_wrong_is_said_in_words_and_forgotten_once_it_is_right(
    scrubbing: ScrubService, runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    short, lost, linked = [await store_file(b"12345") for _ in range(3)]
    paths = [await path_of(runtime, file) for file in (short, lost, linked)]
    paths[0].write_bytes(b"123")
    paths[1].unlink()
    paths[2].unlink()
    paths[2].symlink_to("/etc/passwd")

    await scrubbing.run()
    said = [await error_of(database, file.id) for file in (short, lost, linked)]
    for path in paths:
        path.unlink(missing_ok=True)
        path.write_bytes(b"12345")
    await scrubbing.run()

    assert said == ["size is 3, not 5", "missing", "not a regular file with one name (link)"]
    assert [await error_of(database, file.id) for file in (short, lost, linked)] == [None] * 3


async def test_an_error_the_scrub_did_not_write_is_not_its_to_clear(
    scrubbing: ScrubService, store_file: StoreFile, database: str
) -> None:
    stored = await store_file()
    await execute(database, "UPDATE media_files SET last_error = 'somebody else says so'")

    await scrubbing.run()

    assert await error_of(database, stored.id) == "somebody else says so"


async def test_what_is_said_of_a_file_while_it_is_read_stays(
    scrubbing: ScrubService, store_file: StoreFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await store_file()
    await execute(database, "UPDATE media_files SET last_error = 'missing'")

    async def overtaken(*about: Any, **more: Any) -> Any:
        page = await list_tracked(*about, **more)
        await execute(database, "UPDATE media_files SET last_error = 'hash differs'")
        return page

    monkeypatch.setattr("media_analysis.integrity.scrub.list_tracked", overtaken)
    await scrubbing.run()

    assert await error_of(database, stored.id) == "hash differs"


async def test_a_budget_ends_a_run_and_the_next_one_resumes_there(
    scrubbing: ScrubService, store_file: StoreFile, database: str
) -> None:
    for _ in range(5):
        await store_file(b"12345")
    short = replace(scrubbing, budget=timedelta(seconds=4), clock=Clock())

    first = await short.run()
    second = await replace(short, clock=Clock()).run()
    last = await scrubbing.run()

    assert 0 < first.files < 5
    assert not first.ended
    assert first.id == second.id == last.id
    assert first.files + second.files + last.files == 5
    assert last.ended
    assert await rounds(database) == [(5, 25, 0, True)]


async def test_a_file_deleted_while_it_is_read_is_no_finding(
    scrubbing: ScrubService, runtime: Runtime, store_file: StoreFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed, kept = await store_file(), await store_file()

    async def listed_too_early(*about: Any, **more: Any) -> Any:
        page = await list_tracked(*about, **more)
        if any(file.id == doomed.id for file in page):
            await delete_file(runtime, doomed.id, owner="alice", actor="alice", hard=True)
            (await path_of(runtime, doomed)).unlink(missing_ok=True)
        return page

    monkeypatch.setattr("media_analysis.integrity.scrub.list_tracked", listed_too_early)
    report = await scrubbing.run()

    assert (report.files, report.problems) == (2, 0)
    assert await told_about(database, doomed.id) == []
    assert await error_of(database, kept.id) is None


async def test_an_adopted_file_gets_its_hash(scrubbing: ScrubService, store_file: StoreFile, database: str) -> None:
    stored = await store_file(b"imported")
    await execute(database, "UPDATE media_files SET sha256 = NULL")

    report = await scrubbing.run()

    (row,) = await fetch(database, "SELECT sha256 FROM media_files")
    assert report.problems == 0
    assert row["sha256"] == stored.sha256


async def test_a_store_that_is_not_there_is_no_damage(
    scrubbing: ScrubService, runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file()
    marker = disk_of(runtime.store).root / MARKER_NAME
    content = marker.read_bytes()
    marker.unlink()

    with pytest.raises(MarkerMismatch):
        await scrubbing.run()
    marker.write_bytes(content)

    assert await error_of(database, stored.id) is None


async def test_a_round_somebody_else_went_on_with_is_left_to_them(
    scrubbing: ScrubService, store_file: StoreFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_file()

    async def overtaken(*about: Any, **more: Any) -> Any:
        page = await list_tracked(*about, **more)
        await execute(database, f"UPDATE scrubs SET position = '{page[-1].id}', files = 1")
        return page

    monkeypatch.setattr("media_analysis.integrity.scrub.list_tracked", overtaken)
    report = await scrubbing.run()

    assert (report.files, report.ended) == (0, False)
    assert await rounds(database) == [(1, 0, 0, False)]


async def test_the_throttle_lets_its_rate_pass_and_nothing_waits_without_one() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    limited = ReadThrottle(1000, clock=lambda: 5.0, sleep=sleep)
    unlimited = ReadThrottle(None, clock=lambda: 5.0, sleep=sleep)

    await limited.take(500)
    await limited.take(500)
    await unlimited.take(10**12)

    assert slept == [0.5, 1.0]
