"""Archived runs are whole to a verification, though their files have no bytes of their own any more."""

from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.runtime import Runtime
from tests.archive.archived import archive, make_run


async def test_files_in_archives_need_no_bytes_of_their_own(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)

    report = await VerifyService(runtime.db, runtime.store).run(VerifyRequest(actor="test", read=True))

    assert report.findings == []
    assert (report.files, report.objects) == (2, 2)
