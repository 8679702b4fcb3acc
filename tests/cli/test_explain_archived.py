"""`explain` of archived runs and their files: where the bytes are, and how to get them back."""

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.runtime import Runtime
from tests.archive.archived import archive, make_run
from tests.cli.commands import run as call


async def test_an_archived_file_says_where_it_is_and_how_it_comes_back(
    runtime: Runtime, environment: dict[str, str]
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    file = run.files["run.log"]

    told = call("explain", str(file.id), **environment)

    lines = told.stdout.splitlines()
    assert told.returncode == 0, told.stderr
    assert lines[0].startswith(f"file {file.id} (outputs) is archived by archived: its archive is deleted at ")
    assert lines[1].startswith(f"it went into the archive of job {run.id} at ")
    assert f"read it there: media-analysis archive download {run.id} --member {file.id}" in lines
    assert f"or bring it back: media-analysis archive restore {run.id} --file {file.id}" in lines


async def test_a_file_whose_archive_is_gone_says_who_deleted_it(runtime: Runtime, environment: dict[str, str]) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    asked = DeletionRequest(actor="alice", reason="no longer needed")
    await runtime.jobs.deletions.delete(run.id, asked, owner="alice")

    told = call("explain", str(run.files["run.log"].id), **environment)

    assert "that archive was deleted at " in told.stdout
    assert " by alice (no longer needed)" in told.stdout
    assert "bring it back" not in told.stdout


async def test_a_run_says_when_it_is_archived_and_then_that_it_is(
    runtime: Runtime, environment: dict[str, str]
) -> None:
    run = await make_run(runtime)
    before = call("explain", str(run.id), "--job", **environment).stdout
    await archive(runtime, run.id)

    after = call("explain", str(run.id), "--job", **environment).stdout

    assert "it is to be archived from " in before
    assert "all of it goes, with its archive, from " in before
    assert f"bring it back: media-analysis archive restore {run.id}" in after
    assert "its archive takes " in after
    assert "to be archived from " not in after
