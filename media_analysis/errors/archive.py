"""Why a run is not archived, read from its archive or restored."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from media_analysis.errors.kinds import Conflict, NotFound, ServicePath, Unavailable


class FileArchived(Conflict):
    """The file lies in the archive of its run; its content is served from there."""

    code = "file_archived"

    def __init__(self, file_id: UUID, *, job_id: UUID, archived_at: datetime) -> None:
        super().__init__("the file is in the archive of its job; read it there, or restore it")
        self.file_id = file_id
        self.job_id = job_id
        self.archived_at = archived_at
        self.archive = ServicePath(f"/api/v1/jobs/{job_id}/archive/files/{file_id}/content")


class JobArchived(Conflict):
    """An archived run is read-only until it is restored."""

    code = "job_archived"

    def __init__(self, job_id: UUID) -> None:
        super().__init__("the job is archived and read-only; restore it first")
        self.job_id = job_id
        self.archive = ServicePath(f"/api/v1/jobs/{job_id}/archive")


class JobNotArchived(Conflict):
    """There is no archive of the run to read, or to restore from."""

    code = "job_not_archived"

    def __init__(self, job_id: UUID) -> None:
        super().__init__("the job is not archived")
        self.job_id = job_id


class JobNotEnded(Conflict):
    """Only a run that is over can be archived."""

    code = "job_not_ended"

    def __init__(self, job_id: UUID, *, status: str) -> None:
        super().__init__(f"only a job that has ended can be archived; this one is {status}")
        self.job_id = job_id
        self.job_status = status


class NothingToArchive(Conflict):
    """The run has neither files that can go into an archive nor results."""

    code = "nothing_to_archive"

    def __init__(self, job_id: UUID) -> None:
        super().__init__("the job has no files or results that could be archived")
        self.job_id = job_id


class ArchiveTaskUnderWay(Conflict):
    """The run is being archived or restored already."""

    code = "archive_task_under_way"

    def __init__(self, job_id: UUID, *, task_id: UUID, kind: str) -> None:
        super().__init__(f"another {kind} of the job is under way")
        self.job_id = job_id
        self.task_id = task_id
        self.kind = kind


class RunChanged(Conflict):
    """Something came to the run, or left it, between the packing and the end; nothing was archived."""

    code = "run_changed"

    def __init__(self, job_id: UUID) -> None:
        super().__init__("the job's files changed while they were packed")
        self.job_id = job_id


class ArchiveDamaged(Conflict):
    """An archive is not what its manifest and our rows say; nothing is taken from it."""

    code = "archive_damaged"

    def __init__(self, reason: str, *, member: str | None = None) -> None:
        super().__init__(reason if member is None else f"{member}: {reason}")
        self.reason = reason
        self.member = member


class ArchivedFileNotFound(NotFound):
    """No such file in the archive of this run."""

    code = "archived_file_not_found"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("no such file in the archive of this job")
        self.file_id = file_id


class NothingToRestore(Conflict):
    """The file is not only in the archive: it lives, or lies in the trash."""

    code = "nothing_to_restore"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("the file is there besides its archive; a deleted one is restored from the trash")
        self.file_id = file_id


class BytesStillGoing(Unavailable):
    """The originals' bytes are on their way out; what has their ids must wait until they are gone."""

    code = "bytes_still_going"

    def __init__(self, job_id: UUID, *, files: int) -> None:
        super().__init__(f"the former bytes of {files} files could not be removed yet; try again later")
        self.job_id = job_id
        self.files = files


class ArchiveOfJob(Conflict):
    """The file is the archive of a run: it goes with the run, at the run's end."""

    code = "archive_of_job"

    def __init__(self, file_id: UUID, *, job_id: UUID) -> None:
        super().__init__("the file is the archive of a job; delete, extend or hold the job")
        self.file_id = file_id
        self.job_id = job_id


class DerivedArchived(Conflict):
    """What was derived from the file lies in archives, of which single files cannot be deleted."""

    code = "derived_archived"

    def __init__(self, file_id: UUID, *, archived_files: int, job_ids: Sequence[UUID]) -> None:
        super().__init__(
            f"{archived_files} files derived from it are in archives; delete or restore their jobs first, "
            "or keep what was derived"
        )
        self.file_id = file_id
        self.archived_files = archived_files
        self.job_ids = list(job_ids)


class SegmentNotFound(NotFound):
    """The archive has no segment of that number."""

    code = "segment_not_found"

    def __init__(self, job_id: UUID, *, segment: int) -> None:
        super().__init__(f"the archive of the job has no segment {segment}")
        self.job_id = job_id
        self.segment = segment
