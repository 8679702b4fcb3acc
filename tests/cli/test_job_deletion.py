"""`job delete`: a job with all that is its, at once, after a rehearsal, and never against a hold."""

import re
from uuid import UUID

from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.attempt import Attempt, NewResult
from media_analysis.runtime import Runtime
from tests.cli.commands import run
from tests.cli.jobs import created, make_frame
from tests.conftest import fetch


async def completed(runtime: Runtime, begun: Attempt) -> UUID:
    """Let the run end with two frames and a result, and return its job."""
    for ordinal in range(2):
        await make_frame(runtime, begun, ordinal)
    found = NewResult(kind="probe", data={"width": 192}, file_id=begun.sources[0].file_id)
    await runtime.jobs.attempts.complete(begun.job_id, fence=begun.fence, results=[found])
    return begun.job_id


async def test_a_job_is_deleted_with_its_files_and_results_after_a_rehearsal_that_takes_nothing(
    runtime: Runtime, begun: Attempt, source: MediaFile, environment: dict[str, str], database: str
) -> None:
    job_id = await completed(runtime, begun)

    rehearsed = run("job", "delete", str(job_id), "--dry-run", **environment)
    before = await fetch(database, "SELECT 1 FROM media_files WHERE job_id IS NOT NULL")
    deleted = run("job", "delete", str(job_id), "--reason", "no longer needed", **environment)
    again = run("job", "delete", str(job_id), **environment)

    (stone,) = await fetch(database, "SELECT DISTINCT requested_by, reason FROM tombstones")
    assert (rehearsed.returncode, deleted.returncode) == (0, 0), deleted.stderr
    assert re.search(r"frames +2 +20 B", rehearsed.stdout)
    assert f"would delete {job_id} with 2 files, 20 B, and 1 results\nfor good\n" in rehearsed.stdout
    assert f"\ndeleted {job_id} with 2 files, 20 B, and 1 results\nfor good\n" in deleted.stdout
    assert len(before) == 2
    assert await fetch(database, "SELECT id FROM media_files") == [(source.id,)]
    assert tuple(stone) == ("command line", "no longer needed")
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (1, "", 1)


async def test_a_waiting_job_is_cancelled_by_its_deletion_and_the_trash_gives_it_back(
    source: MediaFile, environment: dict[str, str], database: str
) -> None:
    soft = environment | {"DELETION_STRATEGY": "soft", "TRASH_RETENTION": "1d"}
    job_id = created(soft, "probe", "--source", str(source.id))

    deleted = run("job", "delete", str(job_id), **soft)
    restored = run("restore", "--job", str(job_id), **soft)
    again = run("job", "delete", str(job_id), "--hard", **soft)

    assert f"deleted {job_id} with 0 files, 0 B, and 0 results; it was cancelled first\n" in deleted.stdout
    assert re.search(rf"restorable until .*Z: media-analysis restore --job {job_id}\n", deleted.stdout)
    assert restored.returncode == 0, restored.stderr
    assert again.stdout.endswith("results\nfor good\n")
    assert await fetch(database, "SELECT 1 FROM analysis_jobs WHERE status = 'pending'") == []


async def test_a_held_job_is_not_deleted_and_its_rehearsal_says_so(
    runtime: Runtime, begun: Attempt, environment: dict[str, str], database: str
) -> None:
    job_id = await completed(runtime, begun)
    held = run("hold", str(job_id), "--job", "--reason", "case 17", **environment)

    rehearsed = run("job", "delete", str(job_id), "--dry-run", **environment)
    refused = run("job", "delete", str(job_id), "--secure", **environment)

    assert held.returncode == 0, held.stderr
    assert re.search(r"refused now: hold keeps (2 files|the job) until somebody acts\n", rehearsed.stdout)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(await fetch(database, "SELECT 1 FROM media_files WHERE job_id IS NOT NULL")) == 2
