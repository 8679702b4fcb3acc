"""A run goes into one archive, is read there, and comes back as it was."""

import pytest

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.archive.progress import TaskProgress
from media_analysis.errors import FileArchived
from media_analysis.runtime import Runtime
from media_analysis.storage.writing import DiskWriter
from tests.archive.archived import add_file, archive, archived_content, content_of, make_run, restore
from tests.conftest import fetch


@pytest.fixture(params=["gzip", "bz2", "xz", "zstd"])
def environment(request: pytest.FixtureRequest, environment: dict[str, str]) -> dict[str, str]:
    """Every compression there is."""
    return {**environment, "ARCHIVE_COMPRESSION": request.param}


async def test_a_run_is_archived_read_inside_and_restored_as_it_was(
    runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, expected = await make_run(runtime), list[int]()
    with monkeypatch.context() as patch:
        patch.setattr(DiskWriter, "expect", lambda _, size_bytes: expected.append(size_bytes))

        task = await archive(runtime, run.id)

    (segment,) = await fetch(database, "SELECT size_bytes FROM media_files WHERE role = 'archive'")
    assert len(expected) == 1
    assert expected[0] >= segment["size_bytes"], "a bucket makes its parts for so much"
    assert (task.status, task.error) == (ArchiveTaskStatus.COMPLETED, None)
    job, _ = await runtime.jobs.catalog.get(run.id, owner="alice")
    assert job.archived_at is not None
    for name, file in run.files.items():
        with pytest.raises(FileArchived):
            await runtime.files.catalog.get(file.id, owner="alice")
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]
    assert await runtime.archives.catalog.verify(run.id, owner="alice", progress=TaskProgress()) == len(run.files)

    back = await restore(runtime, run.id)

    assert (back.status, back.error) == (ArchiveTaskStatus.COMPLETED, None)
    for name, file in run.files.items():
        now = await runtime.files.catalog.get(file.id, owner="alice")
        facts = (now.filename, now.sha256, now.ordinal, now.parent_id, now.labels)
        assert facts == (file.filename, file.sha256, file.ordinal, file.parent_id, file.labels)
        assert await content_of(runtime, file.id) == run.contents[name]
    assert (await runtime.jobs.catalog.get(run.id, owner="alice"))[0].archived_at is None

    await add_file(runtime, run, "later.txt", b"something new")
    again = await archive(runtime, run.id)

    assert (again.status, again.error) == (ArchiveTaskStatus.COMPLETED, None)
    assert again.stats["files"] == 1
    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]
    assert len(await fetch(database, "SELECT FROM media_files WHERE role = 'archive'")) == 2
