"""Folders of old runs become jobs with their files, each file as old as its bytes."""

import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.errors import InvalidRequest, QuotaReached
from media_analysis.imports.runs.outcomes import Fate
from media_analysis.jobs.models import JobStatus
from media_analysis.jobs.queries import JobFilter
from media_analysis.runtime import Runtime
from tests.archive.archived import archive, content_of
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.imports.runs.conftest import Importing
from tests.imports.runs.old import CATEGORIES, CONTENTS, days_ago, id_of, make_folder, stamped


async def files_of(database: str) -> dict[str, str]:
    rows = await fetch(database, "SELECT filename, category::text, state::text FROM media_files")
    assert {row["state"] for row in rows} == {"stored"}
    return {row["filename"]: row["category"] for row in rows}


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_folder_with_a_stamp_becomes_a_job_that_is_listed_with_readable_files(
    importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at = days_ago(2)
    folder = make_folder(tree / stamped(at), at)

    report = await importing(tree)

    [outcome] = report.outcomes
    assert (outcome.fate, outcome.files, outcome.size_bytes) == (
        Fate.IMPORTED,
        len(CONTENTS),
        sum(map(len, CONTENTS.values())),
    )
    page = await runtime.jobs.catalog.list(JobFilter(owner="alice", kind="imported"), before=None, limit=10)
    [view] = page.views
    job = view.job
    assert (job.id, job.name, job.folder_name, job.status) == (
        id_of(folder.name),
        folder.name,
        folder.name,
        JobStatus.COMPLETED,
    )
    assert (job.created_at, job.completed_at, job.held_until) == (at, at, None)
    assert await files_of(database) == CATEGORIES
    rows = await fetch(database, "SELECT id, filename, stored_at, due_at, job_held_until FROM media_files")
    by_name = {row["filename"]: row for row in rows}
    for number, (path, content) in enumerate(CONTENTS.items()):
        row = by_name[Path(path).name]
        assert await content_of(runtime, row["id"]) == content
        assert row["stored_at"] == at + timedelta(seconds=number)
        assert row["job_held_until"] is None
    assert job.produced["frames"] == {"files": 2, "size_bytes": 2 * len(CONTENTS["frames/frame-1.jpg"])}


async def test_a_folder_without_a_stamp_is_dated_by_its_files(
    importing: Importing, tree: Path, runtime: Runtime
) -> None:
    at, run_id = days_ago(3), uuid4()
    make_folder(tree / str(run_id).upper(), at)

    await importing(tree)

    job, _ = await runtime.jobs.catalog.get(run_id, owner="alice")
    assert (job.created_at, job.completed_at) == (at, at + timedelta(seconds=len(CONTENTS) - 1))
    assert job.folder_name == stamped(at, run_id)


async def test_what_is_no_run_is_told_and_left_alone(importing: Importing, tree: Path, database: str) -> None:
    at = days_ago(1)
    run = make_folder(tree / stamped(at), at)
    (run / "link").symlink_to("/etc/passwd")
    os.mkfifo(run / "pipe")
    (tree / "holiday").mkdir()
    (tree / f"20261341_000000_{uuid4()}").mkdir()
    (tree / str(uuid4())).mkdir()
    (tree / "notes.txt").write_text("x")
    (tree / str(uuid4())).symlink_to(run)

    report = await importing(tree)

    fates = sorted((each.fate.value, each.reason or "") for each in report.outcomes)
    assert fates == [
        ("imported", ""),
        ("skipped", "it holds no regular file"),
        ("skipped", "it is no directory and no archive, or a link"),
        ("skipped", "it is no directory and no archive, or a link"),
        ("skipped", "its name is that of no run"),
        ("skipped", "its name is that of no run"),
    ]
    [imported] = [each for each in report.outcomes if each.fate is Fate.IMPORTED]
    assert imported.skipped == {"link": 1, "special": 1}
    assert len(await files_of(database)) == len(CONTENTS)
    assert not report.failed


async def test_the_same_again_imports_nothing_twice_and_what_came_since(
    importing: Importing, tree: Path, database: str
) -> None:
    at = days_ago(1)
    folder = make_folder(tree / stamped(at), at)
    await importing(tree)

    again = await importing(tree)
    make_folder(folder, at, {"outputs/late.txt": b"late"})
    later = await importing(tree)

    assert [(each.fate, each.files, each.known) for each in again.outcomes] == [(Fate.KNOWN, 0, len(CONTENTS))]
    assert [(each.fate, each.files, each.known) for each in later.outcomes] == [(Fate.IMPORTED, 1, len(CONTENTS))]
    assert await files_of(database) == {**CATEGORIES, "late.txt": "outputs"}


async def test_a_dry_run_says_what_would_become_of_each_and_changes_nothing(
    importing: Importing, tree: Path, database: str
) -> None:
    young, old = days_ago(1), days_ago(90)
    make_folder(tree / stamped(young), young)
    make_folder(tree / stamped(old), old)

    report = await importing(tree, dry_run=True)

    told = {each.life.created_at: each for each in report.outcomes if each.life is not None}
    assert [told[at].fate for at in (young, old)] == [Fate.PLANNED] * 2
    assert [told[at].files for at in (young, old)] == [len(CONTENTS)] * 2
    life = told[young].life
    assert life is not None
    assert (life.archive_at, life.end_at, life.past_end) == (
        young + timedelta(days=7),
        young + timedelta(days=30),
        False,
    )
    assert told[old].life is not None
    assert told[old].life.past_end  # type: ignore[union-attr]
    assert told[old].kept_until is not None
    assert await fetch(database, "SELECT FROM analysis_jobs") == []
    assert await fetch(database, "SELECT FROM media_files") == []


async def test_a_run_past_its_end_is_held_for_the_time_of_a_young_one(
    importing: Importing, tree: Path, database: str, runtime: Runtime
) -> None:
    at = days_ago(60)
    folder = make_folder(tree / stamped(at), at)

    report = await importing(tree)

    job, _ = await runtime.jobs.catalog.get(id_of(folder.name), owner="alice")
    assert job.held_until == report.outcomes[0].kept_until
    assert job.held_until is not None
    assert job.held_until > job.created_at + timedelta(days=66)
    [row] = await fetch(database, "SELECT min(due_at) AS first FROM media_files")
    assert row["first"] == job.held_until


async def test_a_run_past_its_end_goes_its_way_where_that_is_accepted(
    importing: Importing, tree: Path, database: str, runtime: Runtime
) -> None:
    at = days_ago(60)
    folder = make_folder(tree / stamped(at), at)

    report = await importing(tree, accept_past_ends=True)

    job, _ = await runtime.jobs.catalog.get(id_of(folder.name), owner="alice")
    assert job.held_until is None
    assert report.outcomes[0].due_at_once == len([1 for kind in CATEGORIES.values() if kind != "outputs"])
    [row] = await fetch(database, "SELECT count(*) AS due FROM media_files WHERE due_at <= now()")
    assert row["due"] == report.outcomes[0].due_at_once


async def test_an_id_of_another_job_is_refused_and_the_others_go_on(
    importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at, run_id = days_ago(1), uuid4()
    make_folder(tree / str(run_id), at)
    make_folder(tree / stamped(days_ago(2), run_id), days_ago(2))
    make_folder(tree / stamped(at), at)

    report = await importing(tree)

    assert sorted(each.fate.value for each in report.outcomes) == ["imported", "imported", "refused"]
    assert report.failed
    assert len(await fetch(database, "SELECT FROM analysis_jobs")) == 2
    other = await importing(tree, owner="bob")
    assert {each.fate for each in other.outcomes} == {Fate.REFUSED}


async def test_a_deleted_run_does_not_come_back(importing: Importing, tree: Path, database: str) -> None:
    at = days_ago(1)
    make_folder(tree / stamped(at), at)
    await importing(tree)
    await execute(database, "UPDATE analysis_jobs SET deleted_at = now()")

    again = await importing(tree)

    [outcome] = again.outcomes
    assert outcome.fate is Fate.SKIPPED
    assert outcome.reason is not None
    assert "deleted" in outcome.reason


async def test_an_imported_run_is_archived_as_any_other_and_then_known(
    importing: Importing, tree: Path, runtime: Runtime
) -> None:
    at = days_ago(8)
    folder = make_folder(tree / stamped(at), at)
    await importing(tree)

    task = await archive(runtime, id_of(folder.name))
    again = await importing(tree)

    assert (task.error, task.stats["files"]) == (None, len(CONTENTS))
    assert [(each.fate, each.reason) for each in again.outcomes] == [(Fate.KNOWN, "it is archived by now")]


async def test_a_folder_is_renamed_once_it_is_imported_and_known_by_its_new_name(
    importing: Importing, tree: Path, database: str
) -> None:
    at, run_id = days_ago(1), uuid4()
    make_folder(tree / str(run_id), at)

    report = await importing(tree, rename=True)
    again = await importing(tree, rename=True)

    assert report.outcomes[0].renamed
    assert names_in(tree) == [stamped(at, run_id)]
    assert [(each.fate, each.known, each.renamed) for each in again.outcomes] == [(Fate.KNOWN, len(CONTENTS), False)]


async def test_runs_inside_the_store_are_imported_where_they_lie(
    importing: Importing, runtime: Runtime, database: str
) -> None:
    at = days_ago(1)
    directory = disk_of(runtime.store).root / "outputs" / "old"
    folder = make_folder(directory / stamped(at), at)

    report = await importing(directory)
    again = await importing(directory)

    assert report.in_place
    assert [(each.fate, each.files) for each in report.outcomes] == [(Fate.IMPORTED, len(CONTENTS))]
    assert [each.fate for each in again.outcomes] == [Fate.KNOWN]
    rows = await fetch(database, "SELECT key FROM media_files")
    assert {row["key"] for row in rows} == {f"outputs/old/{folder.name}/{name}" for name in CONTENTS}
    with pytest.raises(InvalidRequest):
        await importing(directory, rename=True)


async def test_folders_whose_files_are_ours_already_make_no_jobs(
    importing: Importing, runtime: Runtime, database: str
) -> None:
    at = days_ago(1)
    directory = disk_of(runtime.store).root / "frames"
    make_folder(directory / str(uuid4()), at)
    await importing(directory)
    await execute(database, "UPDATE media_files SET job_id = NULL", "DELETE FROM events", "DELETE FROM analysis_jobs")

    again = await importing(directory)

    assert [each.fate for each in again.outcomes] == [Fate.SKIPPED]
    assert await fetch(database, "SELECT FROM analysis_jobs") == []


async def test_beyond_a_quota_nothing_is_begun(importing: Importing, tree: Path, database: str) -> None:
    at = days_ago(1)
    make_folder(tree / stamped(at), at)
    await execute(database, "UPDATE category_policies SET quota_bytes = 100 WHERE category = 'frames'")

    with pytest.raises(QuotaReached):
        await importing(tree)

    assert await fetch(database, "SELECT FROM analysis_jobs") == []
    assert not (await importing(tree, over_quota=True)).failed


async def test_a_directory_around_the_store_is_refused(importing: Importing, runtime: Runtime) -> None:
    with pytest.raises(InvalidRequest):
        await importing(disk_of(runtime.store).root.parent)
