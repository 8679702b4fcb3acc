"""Old archives become archived runs: listed, readable inside, restorable."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from media_analysis.archive.catalog import ArchivedFilter
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.archive.progress import TaskProgress
from media_analysis.errors import FileArchived
from media_analysis.imports.runs.outcomes import Fate
from media_analysis.runtime import Runtime
from tests.archive.archived import add_file, archive, archived_content, content_of, make_run, restore
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.imports.runs.conftest import Importing
from tests.imports.runs.old import (
    CATEGORIES,
    CONTENTS,
    OURS,
    SUFFIXES,
    date,
    days_ago,
    described,
    id_of,
    packed,
    stamped,
    tarred,
    write_archive,
)


async def copies_of(database: str, job_id: UUID) -> dict[str, UUID]:
    rows = await fetch(database, "SELECT filename, file_id FROM archived_files WHERE job_id = $1", job_id)
    return {row["filename"]: row["file_id"] for row in rows}


async def require_whole(runtime: Runtime, database: str, job_id: UUID, contents: Mapping[str, bytes]) -> None:
    """Read an imported run in every way there is, and restore it."""
    copies = await copies_of(database, job_id)
    assert copies.keys() == {Path(name).name for name in contents}
    page = await runtime.archives.catalog.list(ArchivedFilter(owner="alice"), after=None, limit=10)
    assert job_id in {run.job.id for run in page.jobs}
    assert await runtime.archives.catalog.verify(job_id, owner="alice", progress=TaskProgress()) == len(contents)
    for name, content in contents.items():
        with pytest.raises(FileArchived):
            await runtime.files.catalog.get(copies[Path(name).name], owner="alice")
        assert await archived_content(runtime, job_id, copies[Path(name).name]) == content
    task = await restore(runtime, job_id)
    assert (task.status, task.error) == (ArchiveTaskStatus.COMPLETED, None)
    for name, content in contents.items():
        assert await content_of(runtime, copies[Path(name).name]) == content


@pytest.mark.parametrize("compression", Compression)
async def test_an_archive_of_ours_comes_back_with_its_job_its_files_and_its_results(
    compression: Compression, importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at = days_ago(10)
    folder_name, result_id, files = stamped(at), uuid7(), described(OURS, at, role=None)
    result = {
        "id": str(result_id),
        "kind": "probe",
        "category": "outputs",
        "media_file_id": str(files[0].id),
        "created_at": at.isoformat(),
        "expires_at": None,
        "data": {"width": 64, "frames": 10**30, "note": "\\u0000 is no NUL here"},
    }
    raw = packed(folder_name, at, files=files, compression=compression, results=[result])
    path = write_archive(tree, f"{folder_name}.{compression.suffix}", raw, at + timedelta(days=7))

    report = await importing(tree)

    assert [(each.fate, each.reason, each.files) for each in report.outcomes] == [(Fate.IMPORTED, None, len(OURS))]
    job, _ = await runtime.jobs.catalog.get(id_of(folder_name), owner="alice")
    assert (job.kind, job.name, job.parameters) == ("probe", "an old run", {"every": 2.5})
    assert (job.archived_at, job.expires_at) == (at + timedelta(days=7), at + timedelta(days=30))
    assert (await runtime.jobs.catalog.view(job.id, owner="alice")).sources == [UUID(int=7)]
    assert (await runtime.jobs.results.get(result_id, owner="alice")).data["width"] == 64
    [segment] = await fetch(database, "SELECT * FROM media_files")
    assert segment["key"] == f"archives/{at + timedelta(days=7):%Y/%m}/{path.name}"
    assert (segment["id"], segment["role"], segment["ordinal"]) == (job.archive_file_id, "archive", 0)
    assert (segment["expires_at"], segment["expiry_explicit"]) == (job.expires_at, True)
    assert read(disk_of(runtime.store).path_of(segment["key"])) == raw
    assert set((await copies_of(database, job.id)).values()) == {file.id for file in files}
    await require_whole(runtime, database, job.id, OURS)
    restored = [await runtime.files.catalog.get(file.id, owner="alice") for file in files]
    assert [file.labels for file in restored] == [file.labels for file in files]


@pytest.mark.parametrize("compression", SUFFIXES)
async def test_an_archive_of_another_tool_is_packed_anew_as_ours(
    compression: Compression, importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at, (mode, suffix) = days_ago(10), SUFFIXES[compression]
    folder_name = stamped(at)
    raw = tarred(folder_name, mode=mode)
    path = write_archive(tree, f"{folder_name}.{suffix}", raw, at, below=".")

    report = await importing(tree)

    assert [(each.fate, each.reason, each.files) for each in report.outcomes] == [(Fate.IMPORTED, None, len(CONTENTS))]
    job, _ = await runtime.jobs.catalog.get(id_of(folder_name), owner="alice")
    assert (job.kind, job.name, job.folder_name, job.created_at) == ("imported", folder_name, folder_name, at)
    rows = await fetch(database, "SELECT filename, category::text, media_type FROM archived_files")
    assert {row["filename"]: row["category"] for row in rows} == CATEGORIES
    assert {row["filename"]: row["media_type"] for row in rows}["sheet.png"] == "image/png"
    assert read(path) == raw
    await require_whole(runtime, database, job.id, CONTENTS)


async def test_names_that_say_nothing_give_a_new_id_and_the_time_of_the_file(
    importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at, run_id = days_ago(10), uuid4()
    write_archive(tree, f"{run_id}.tar.gz", tarred(str(run_id)), at)
    write_archive(tree, "backup of may.tar.gz", tarred("./may", {"frames/1.jpg": CONTENTS["frames/frame-1.jpg"]}), at)

    report = await importing(tree)

    assert [each.fate for each in report.outcomes] == [Fate.IMPORTED] * 2
    jobs = await fetch(database, "SELECT id, name, folder_name, created_at FROM analysis_jobs")
    assert {row["name"] for row in jobs} == {str(run_id), "backup of may"}
    assert {row["created_at"] for row in jobs} == {at}
    assert all(row["folder_name"] == stamped(at, row["id"]) for row in jobs)
    await require_whole(runtime, database, run_id, CONTENTS)


async def test_the_same_again_is_known_wherever_the_directory_lies(
    importing: Importing, tree: Path, tmp_path: Path, database: str
) -> None:
    at = days_ago(10)
    write_archive(tree, f"{stamped(at)}.tar.gz", packed(stamped(at), at), at)
    folder_name = stamped(at)
    write_archive(tree, f"{folder_name}.tar.gz", packed(folder_name, at), at)
    first = await importing(tree)

    again = await importing(moved(tree, tmp_path / "elsewhere"))

    assert [each.fate for each in first.outcomes] == [Fate.IMPORTED] * 2
    assert [(each.fate, each.reason) for each in again.outcomes] == [(Fate.KNOWN, "it is imported")] * 2
    assert len(await fetch(database, "SELECT FROM media_files")) == 2


async def test_what_an_earlier_life_archived_comes_back_in_segments_with_its_ids(
    importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)
    await add_file(runtime, run, "later.txt", b"something new")
    await archive(runtime, run.id)
    segments = await fetch(database, "SELECT key, filename FROM media_files WHERE role = 'archive'")
    for row in segments:
        raw = read(disk_of(runtime.store).path_of(row["key"]))
        write_archive(tree, row["filename"], raw, days_ago(1))
        os.unlink(disk_of(runtime.store).path_of(row["key"]))  # noqa: PTH108 - not a path of this test's
    await execute(
        database,
        *(f"DELETE FROM {table}" for table in ("archive_tasks", "archived_files", "events", "job_sources")),
        "DELETE FROM tombstones WHERE rule = 'archived'",
        "DELETE FROM analysis_results",
        "UPDATE media_files SET job_id = NULL, role = NULL, ordinal = NULL",
        "DELETE FROM media_files WHERE category = 'archives'",
        "DELETE FROM analysis_jobs",
        "UPDATE ledger SET files = 0, size_bytes = 0 WHERE category = 'archives'",
        "UPDATE category_usage SET size_bytes = 0 WHERE category = 'archives'",
        "DELETE FROM due_days WHERE category = 'archives'",
        "DELETE FROM ledger_days",
    )

    report = await importing(tree)

    assert [(each.fate, each.reason) for each in report.outcomes] == [(Fate.IMPORTED, None)] * 2
    rows = await fetch(database, "SELECT ordinal FROM media_files WHERE role = 'archive' ORDER BY ordinal")
    assert [row["ordinal"] for row in rows] == [0, 1]
    assert set((await copies_of(database, run.id)).values()) == {file.id for file in run.files.values()}
    assert len(await fetch(database, "SELECT FROM analysis_results")) == 1
    task = await restore(runtime, run.id)
    assert task.error is None
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]
    await add_file(runtime, run, "latest.txt", b"and more")
    assert (await archive(runtime, run.id)).error is None


async def test_an_archive_in_the_store_is_imported_where_it_lies(
    importing: Importing, runtime: Runtime, database: str
) -> None:
    at = days_ago(10)
    folder_name, root = stamped(at), disk_of(runtime.store).root
    write_archive(root, f"{folder_name}.tar.gz", packed(folder_name, at), at)

    report = await importing(root)
    again = await importing(root)

    assert report.in_place
    assert [(each.fate, each.reason) for each in report.outcomes if each.reason is None] == [(Fate.IMPORTED, None)]
    assert Fate.KNOWN in {each.fate for each in again.outcomes}
    [row] = await fetch(database, "SELECT key, sha256 FROM media_files")
    assert row["key"] == f"archives/{at:%Y/%m}/{folder_name}.tar.gz"
    await require_whole(runtime, database, id_of(folder_name), OURS)


async def test_an_archive_of_another_tool_in_the_store_is_refused(importing: Importing, runtime: Runtime) -> None:
    at, root = days_ago(10), disk_of(runtime.store).root
    path = write_archive(root, f"{stamped(at)}.tar.gz", tarred("x"), at)

    report = await importing(root)

    [refused] = [each for each in report.outcomes if each.fate is Fate.REFUSED]
    assert refused.reason is not None
    assert "outside" in refused.reason or "out of the store" in refused.reason
    path.unlink()


@pytest.mark.parametrize(("accepts", "kept"), [(False, 7), (True, None)])
async def test_an_end_in_the_past_is_put_off_unless_it_is_accepted(
    importing: Importing, tree: Path, runtime: Runtime, *, accepts: bool, kept: int | None
) -> None:
    at = days_ago(100)
    folder_name = stamped(at)
    write_archive(tree, f"{folder_name}.tar.gz", packed(folder_name, at), at)

    report = await importing(tree, accept_past_ends=accepts)

    [outcome] = report.outcomes
    job, now = await runtime.jobs.catalog.get(id_of(folder_name), owner="alice")
    assert outcome.life is not None
    assert outcome.life.past_end
    assert job.expires_at is not None
    if kept is None:
        assert (job.expires_at, outcome.kept_until) == (at + timedelta(days=30), None)
    else:
        assert timedelta(days=kept - 0.1) < job.expires_at - now <= timedelta(days=kept)
        assert outcome.kept_until == job.expires_at


async def test_a_dry_run_reads_archives_in_full_and_changes_nothing(
    importing: Importing, tree: Path, database: str
) -> None:
    at = days_ago(10)
    good, bad, other = stamped(at), stamped(at), stamped(at)
    raw = packed(bad, at)
    write_archive(tree, f"{good}.tar.gz", packed(good, at), at)
    write_archive(tree, f"{bad}.tar.gz", raw[:-60], at)
    write_archive(tree, f"{other}.tar.gz", tarred(other), at)

    report = await importing(tree, dry_run=True)

    fates = {each.folder_name: (each.fate, each.files) for each in report.outcomes if each.folder_name}
    assert fates == {good: (Fate.PLANNED, len(OURS)), other: (Fate.PLANNED, len(CONTENTS))}
    assert [each.fate for each in report.outcomes if not each.folder_name] == [Fate.REFUSED]
    for table in ("analysis_jobs", "media_files", "archived_files", "tombstones"):
        assert await fetch(database, f"SELECT FROM {table}") == []


async def test_what_is_called_an_archive_and_is_none_is_left_alone(importing: Importing, tree: Path) -> None:
    at = days_ago(10)
    path = write_archive(tree, f"{stamped(at)}.tar.gz", tarred("x"), at)
    path.with_name("linked.tar.gz").symlink_to(path)
    path.with_name("notes.txt").write_text("x")
    (tree / "archives" / "2026" / "13").mkdir(parents=True)

    report = await importing(tree)

    fates: list[Any] = sorted(each.fate.value for each in report.outcomes)
    assert fates == ["imported", "skipped", "skipped", "skipped"]
    date(path, at)


def read(path: Path) -> bytes:
    return path.read_bytes()


def moved(path: Path, to: Path) -> Path:
    return path.rename(to)
