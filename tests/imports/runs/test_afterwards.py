"""What was imported lives on as any other run: over HTTP, under sweeps, in archives that system tar made."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.files.upload.service import Upload
from media_analysis.imports.runs.outcomes import Fate
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.archive.archived import archive, archived_content, restore
from tests.archive.days import DAY, sweep
from tests.conftest import Client, chunks, fetch
from tests.imports.runs.conftest import Importing
from tests.imports.runs.old import (
    CONTENTS,
    date,
    days_ago,
    id_of,
    job_facts,
    make_folder,
    packed,
    stamped,
    write_archive,
)


async def test_imported_jobs_answer_over_http(importing: Importing, tree: Path, client: Client) -> None:
    at = days_ago(2)
    active, archived = stamped(at), stamped(at)
    warned = job_facts(archived, at, warnings=[{"code": "truncated", "detail": "the film ends early"}])
    make_folder(tree / active, at)
    write_archive(tree, f"{archived}.tar.gz", packed(archived, at, job=warned), at)
    await importing(tree)

    listed = (await client.request("GET", "/api/v1/jobs?kind=imported")).json()
    read = (await client.request("GET", f"/api/v1/jobs/{id_of(archived)}")).json()
    files = (await client.request("GET", f"/api/v1/files?job_id={id_of(active)}")).json()

    assert [item["folder_name"] for item in listed["items"]] == [active]
    assert (read["folder_name"], read["kind"], read["warnings"][0]["code"]) == (archived, "probe", "truncated")
    assert read["archived_at"] is not None
    assert len(files["items"]) == len(CONTENTS)
    answers = [await client.request("GET", f"/api/v1/files/{item['id']}/content") for item in files["items"]]
    assert sorted(answer.content for answer in answers) == sorted(CONTENTS.values())


async def test_a_file_of_an_imported_archive_answers_with_its_place(
    importing: Importing, tree: Path, client: Client, database: str
) -> None:
    at = days_ago(2)
    name = stamped(at)
    write_archive(tree, f"{name}.tar.gz", packed(name, at), at)
    await importing(tree)
    [row] = await fetch(database, "SELECT file_id FROM archived_files WHERE filename = 'a.jpg'")

    answer = await client.request("GET", f"/api/v1/files/{row['file_id']}/content")

    assert answer.status_code == 409
    assert answer.json()["archive"] == f"/api/v1/jobs/{id_of(name)}/archive/files/{row['file_id']}/content"


async def test_a_run_whose_archive_was_imported_this_month_is_restored_and_archived_again(
    importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at = days_ago(0)
    name = stamped(at)
    write_archive(tree, f"{name}.tar.gz", packed(name, at), at)
    await importing(tree)
    await restore(runtime, id_of(name))
    upload = Upload(owner="alice", category=Category.OUTPUTS, filename="new.txt", job_id=id_of(name))
    (job,) = await fetch(database, "SELECT owner FROM analysis_jobs")
    await runtime.files.uploads.store_file(replace(upload, owner=job["owner"]), chunks(b"new"))

    task = await archive(runtime, id_of(name))

    assert (task.status, task.error) == (ArchiveTaskStatus.COMPLETED, None)
    segments = await fetch(database, "SELECT key FROM media_files WHERE role = 'archive'")
    assert len({segment["key"] for segment in segments}) == 2


async def test_an_imported_archive_goes_with_its_run_at_its_end(
    importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at = days_ago(60)
    kept, gone = stamped(at), stamped(days_ago(61))
    write_archive(tree, f"{kept}.tar.gz", packed(kept, at), at)
    await importing(tree)
    write_archive(tree, f"{gone}.tar.gz", packed(gone, days_ago(61)), at)
    await importing(tree, accept_past_ends=True)

    await sweep(runtime, Category.ARCHIVES)
    first = await fetch(database, "SELECT job_id FROM job_audit")
    await sweep(runtime, Category.ARCHIVES, later=8 * DAY)
    later = await fetch(database, "SELECT job_id FROM job_audit")

    assert [row["job_id"] for row in first] == [id_of(gone)]
    assert {row["job_id"] for row in later} == {id_of(gone), id_of(kept)}
    assert {each.fate for each in (await importing(tree)).outcomes} == {Fate.SKIPPED}


@pytest.mark.parametrize(("option", "suffix", "program"), [("z", "tar.gz", "gzip"), ("J", "tar.xz", "xz")])
async def test_an_archive_of_system_tar_is_imported(
    option: str, suffix: str, program: str, importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    at = days_ago(2)
    name = stamped(at)
    contents = {**CONTENTS, f"outputs/{'long' * 40}/{'name' * 30}.txt": b"far down"}
    make_folder(tree.parent / "packing" / name, at, contents)
    path = write_archive(tree, f"{name}.{suffix}", b"", at)
    tar(f"-c{option}f", str(path), "-C", str(tree.parent / "packing"), "./")
    date(path, at)

    report = await importing(tree)

    assert [(each.fate, each.reason, each.files) for each in report.outcomes] == [(Fate.IMPORTED, None, len(contents))]
    rows = await fetch(database, "SELECT file_id FROM archived_files")
    held = [await archived_content(runtime, id_of(name), row["file_id"]) for row in rows]
    assert sorted(held) == sorted(contents.values())


def tar(*arguments: str) -> None:
    subprocess.run(["tar", *arguments], check=True)
