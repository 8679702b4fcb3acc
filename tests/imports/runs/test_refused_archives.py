"""Archives that are hostile, damaged, or claim what belongs to others: refused with their reason, nothing kept."""

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from media_analysis.archive.format.compression import Compression
from media_analysis.imports.runs.outcomes import Fate, ImportOutcome, Subject
from media_analysis.runtime import Runtime
from tests.archive.archived import archive, make_run
from tests.archive.format.archives import END, gzipped, member, squeezed, zeros
from tests.conftest import fetch
from tests.imports.runs.conftest import Importing
from tests.imports.runs.old import (
    OURS,
    days_ago,
    described,
    id_of,
    job_facts,
    make_folder,
    packed,
    stamped,
    tarred,
    write_archive,
)

Making = Callable[[str, datetime], bytes]
AFTER: Final = member("x/after.jpg", b"after")


def job(**about: Any) -> Making:
    return lambda name, at: packed(name, at, job=job_facts(name, at, **about))


def file(**about: Any) -> Making:
    return lambda name, at: packed(name, at, files=described(OURS, at, **about))


def packed_as(folder_name: str, at: datetime) -> bytes:
    return packed(folder_name, at, job=job_facts(folder_name, at))


def odd(name: str, **fields: Any) -> Making:
    return lambda _name, _at: gzipped(AFTER, member(name, **fields), END).read()


def twice(name: str, at: datetime) -> bytes:
    first, second = described(OURS, at, role="frame", ordinal=3)
    return packed(name, at, files=[first, second])


def other_content(name: str, at: datetime) -> bytes:
    files = described(OURS, at)
    return packed(name, at, files=[replace(files[0], sha256=bytes(32)), files[1]])


HOSTILE: Final[Mapping[str, tuple[Making, str]]] = {
    "no archive": (lambda _name, _at: b"not an archive", "neither gzip"),
    "empty": (lambda _name, _at: b"", "neither gzip"),
    "cut off": (lambda name, at: packed(name, at)[:-40], ""),
    "cut off tar": (lambda name, _at: tarred(name)[:-40], ""),
    "other content": (other_content, "another SHA-256"),
    "a link": (odd("x/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "symbolic link"),
    "a way out": (odd("../../etc/passwd"), "empty part"),
    "an absolute name": (odd("/etc/passwd"), "absolute"),
    "a device": (odd("x/sda", type=tarfile.BLKTYPE), "device"),
    "a running job": (job(status="running"), "only those that have ended"),
    "a job without an end": (job(completed_at=None), "completed_at"),
    "another id": (job(id=str(uuid4())), "another folder name"),
    "a long folder name": (lambda name, at: packed_as(f"{'x' * 300}_{name[-36:]}", at), "another folder name"),
    "a folder name in two lines": (lambda name, at: packed_as(f"x\r\ny_{name[-36:]}", at), "another folder name"),
    "a folder name without a time": (lambda name, at: packed_as(name[-36:], at), "does not say when"),
    "a NUL": (job(name="a\0b"), "NUL"),
    "an end before there were computers": (job(completed_at="1066-10-14T09:00:00+00:00"), "completed_at"),
    "a kind with a space": (job(kind="a b"), "kind"),
    "an unknown category": (file(category="secrets"), "secrets"),
    "scratch": (file(category="temp"), "temp"),
    "an archive inside": (file(role="archive", ordinal=0), "archive 0, is taken"),
    "a place taken twice": (twice, "frame 3, is taken"),
    "a header for a media type": (file(media_type="text/html\r\nX-Evil: 1"), "media type"),
    "nothing inside": (lambda _name, _at: gzipped(END).read(), "no file"),
}


async def refusal(importing: Importing, tree: Path, **about: Any) -> ImportOutcome:
    """Import a directory of which one archive is refused, and return why."""
    report = await importing(tree, **about)
    [refused] = [each for each in report.outcomes if each.fate is Fate.REFUSED]
    assert report.failed
    return refused


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_or_damaged_archive_is_refused_and_the_others_go_on(
    name: str, importing: Importing, tree: Path, runtime: Runtime, database: str
) -> None:
    at, (make, reason) = days_ago(10), HOSTILE[name]
    bad, good = stamped(at), stamped(at)
    write_archive(tree, f"{bad}.tar.gz", make(bad, at), at)
    write_archive(tree, f"{good}.tar.gz", packed(good, at), at)

    refused = await refusal(importing, tree)

    assert reason in (refused.reason or "")
    rows = await fetch(database, "SELECT id FROM analysis_jobs")
    assert [row["id"] for row in rows] == [id_of(good)]
    assert len(await fetch(database, "SELECT FROM media_files")) == 1


async def test_an_archive_of_next_to_nothing_that_holds_very_much_is_refused(importing: Importing, tree: Path) -> None:
    at = days_ago(10)
    header = tarfile.TarInfo("x/zeros")
    header.size = 200 * 2**20
    bomb = squeezed(Compression.ZSTD, [header.tobuf(), *zeros(header.size), END])
    write_archive(tree, f"{stamped(at)}.tar.zst", bomb, at)

    refused = await refusal(importing, tree)

    assert "more than" in (refused.reason or "")


async def test_a_manifest_that_tells_less_than_there_is_is_not_believed(importing: Importing, tree: Path) -> None:
    at = days_ago(10)
    name, contents = stamped(at), {"outputs/zeros": bytes(100 * 2**20)}
    files = described(contents, at, media_type="text/plain")
    raw = packed(name, at, contents, files=files, compression=Compression.ZSTD, size_bytes=1)
    write_archive(tree, f"{name}.tar.zst", raw, at)

    refused = await refusal(importing, tree)

    assert "more than" in (refused.reason or "")


@pytest.mark.parametrize("ours", [True, False])
async def test_the_most_an_archive_may_hold_can_be_set(importing: Importing, tree: Path, *, ours: bool) -> None:
    at = days_ago(10)
    name = stamped(at)
    write_archive(tree, f"{name}.tar.gz", packed(name, at) if ours else tarred(name), at)

    refused = await refusal(importing, tree, max_bytes=100)

    assert "more than 100 bytes" in (refused.reason or "")


async def test_ids_that_belong_to_something_else_are_refused(
    importing: Importing, tree: Path, runtime: Runtime
) -> None:
    run, at = await make_run(runtime, owner="alice"), days_ago(1)
    folder_name, name = run.job.folder_name, stamped(at)
    living = run.files["frame-1.jpg"]
    write_archive(tree, f"{folder_name}.tar.gz", packed(folder_name, at), at)
    of_job = await refusal(importing, tree)
    write_archive(tree, f"{folder_name}.tar.gz", tarred(folder_name), at)
    of_foreign = await refusal(importing, tree)
    taken = described({"frames/a.jpg": OURS["frames/a.jpg"]}, at, id=living.id)
    raw = packed(name, at, {"frames/a.jpg": OURS["frames/a.jpg"]}, files=taken)
    write_archive(tree, f"{folder_name}.tar.gz", raw, at)
    of_file = await refusal(importing, tree)
    await archive(runtime, run.id)

    of_archived = await refusal(importing, tree)

    assert of_job.reason == of_foreign.reason == f"its id, {run.id}, is that of another job"
    assert of_file.reason == of_archived.reason == f"the id of its file {living.id} is that of another file"


async def test_nothing_joins_a_run_that_this_service_archived(
    importing: Importing, tree: Path, runtime: Runtime
) -> None:
    run, at = await make_run(runtime, owner="alice"), days_ago(1)
    await archive(runtime, run.id)
    raw = packed(run.job.folder_name, at, segment=1)
    write_archive(tree, f"{run.job.folder_name}.1.tar.gz", raw, at)

    refused = await refusal(importing, tree)

    assert refused.reason == f"its id, {run.id}, is that of another job"


async def test_a_folder_and_an_archive_of_one_run_are_not_both_imported(importing: Importing, tree: Path) -> None:
    at = days_ago(1)
    name = stamped(at)
    make_folder(tree / name, at)
    write_archive(tree, f"{name}.tar.gz", tarred(name), at)

    refused = await refusal(importing, tree)

    assert refused.name.endswith(".tar.gz")


async def test_a_segment_that_is_there_twice_is_refused(importing: Importing, tree: Path) -> None:
    at = days_ago(1)
    name = stamped(at)
    write_archive(tree, f"{name}.tar.gz", packed(name, at), at)
    write_archive(tree, f"{name}.1.tar.gz", packed(name, at), at)

    refused = await refusal(importing, tree)

    assert "has this segment" in (refused.reason or "")


@pytest.mark.parametrize("stamp", ["19691231_235959", "00010101_000000"])
async def test_a_stamp_from_before_there_were_computers_is_no_run_s(
    importing: Importing, tree: Path, database: str, stamp: str
) -> None:
    at = days_ago(10)
    name = f"{stamp}_{uuid4()}"
    make_folder(tree / name, at)
    write_archive(tree, f"{name}.tar.gz", tarred(name), at)

    fates = {each.subject: each.fate for each in (await importing(tree)).outcomes}
    again = {each.subject: each.fate for each in (await importing(tree)).outcomes}

    assert fates == {Subject.ARCHIVE: Fate.IMPORTED, Subject.OTHER: Fate.SKIPPED}
    assert again == {Subject.ARCHIVE: Fate.KNOWN, Subject.OTHER: Fate.SKIPPED}
    [job] = await fetch(database, "SELECT id, folder_name, created_at FROM analysis_jobs")
    assert job["created_at"] == at
    assert job["folder_name"] == stamped(at, job["id"])


async def test_a_result_without_sense_is_refused(importing: Importing, tree: Path) -> None:
    at = days_ago(1)
    name = stamped(at)
    write_archive(tree, f"{name}.tar.gz", packed(name, at, results=[{"id": "1"}]), at)

    refused = await refusal(importing, tree)

    assert (refused.reason or "").startswith("a result in its manifest")
