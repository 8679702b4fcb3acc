"""What can be wrong with a file that is asked for."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from media_analysis.errors.kinds import Conflict, Gone, NotFound, Unavailable


class FileNotFound(NotFound):
    """No such file for this caller."""

    code = "file_not_found"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("no such file")
        self.file_id = file_id


class FileGone(Gone):
    """The file was deleted or has expired; the facts are those of its tombstone."""

    code = "file_gone"

    def __init__(
        self,
        file_id: UUID,
        *,
        rule: str,
        gone_at: datetime,
        deleted_at: datetime | None,
        restorable_until: datetime | None = None,
    ) -> None:
        super().__init__("the file is gone")
        self.file_id = file_id
        self.rule = rule
        self.gone_at = gone_at
        self.deleted_at = deleted_at
        self.restorable_until = restorable_until


class FileHeld(Conflict):
    """A hold, a job that works with it or a minimum retention keeps the file, or what was derived from it."""

    code = "file_held"

    def __init__(
        self,
        file_id: UUID,
        *,
        rule: str,
        until: datetime | None,
        job_ids: Sequence[UUID] = (),
        derived_files: int = 0,
    ) -> None:
        what = "the file" if not derived_files else f"{derived_files} files that were derived from the file"
        super().__init__(f"{what} may not be deleted yet")
        self.file_id = file_id
        self.rule = rule
        self.until = until
        self.job_ids = list(job_ids)
        self.derived_files = derived_files


class FileNotReady(Conflict):
    """The upload has not ended, so there is nothing to read or change."""

    code = "file_not_ready"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("the upload of this file has not ended")
        self.file_id = file_id


class ObjectMissing(Unavailable):
    """A row names bytes that the store does not have."""

    code = "object_missing"

    def __init__(self, key: str) -> None:
        super().__init__("the bytes of this file are missing from the store")
        self._key = key


class ObjectDamaged(Unavailable):
    """The store holds something else than the bytes a row describes; the client's file is not to blame."""

    code = "object_damaged"

    def __init__(self, key: str, difference: str) -> None:
        super().__init__(f"the store does not hold the bytes of this file any more: {difference}")
        self._key = key
        self.difference = difference


class ObjectBusy(Unavailable):
    """Bytes are being written to the object by a request that has yet to let go of it."""

    code = "object_busy"

    def __init__(self) -> None:
        super().__init__("another request is still writing these bytes")
