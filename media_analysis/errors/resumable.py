"""Why a request about a resumable upload fails."""

from datetime import datetime
from uuid import UUID

from media_analysis.errors.kinds import (
    Conflict,
    Forbidden,
    Gone,
    Malformed,
    Mismatched,
    NotFound,
    TooLarge,
    Unmet,
    Unsupported,
)


class UploadNotFound(NotFound):
    """No such upload for this caller."""

    code = "upload_not_found"

    def __init__(self, upload_id: UUID) -> None:
        super().__init__("no such upload")
        self.upload_id = upload_id


class UploadGone(Gone):
    """The upload was given up before all of it came, or what it became was deleted."""

    code = "upload_gone"

    def __init__(self, upload_id: UUID, *, ended_at: datetime) -> None:
        super().__init__("the upload is gone; start it again")
        self.upload_id = upload_id
        self.ended_at = ended_at
        """When it was given up, at the latest."""


class OffsetMismatch(Conflict):
    """The bytes sent do not begin where those that are durable end; HEAD tells where that is."""

    code = "offset_mismatch"

    def __init__(self, *, offset_bytes: int) -> None:
        super().__init__(f"the upload goes on at {offset_bytes} bytes")
        self.offset_bytes = offset_bytes


class UploadSuperseded(Conflict):
    """A newer request goes on with this upload."""

    code = "upload_superseded"

    def __init__(self) -> None:
        super().__init__("a newer request goes on with this upload; HEAD tells where")


class UploadFinished(Conflict):
    """All of the upload came; the file it became is deleted as a file."""

    code = "upload_finished"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("the upload has ended; what it became is deleted by its own address")
        self.file_id = file_id


class UploadNotWhole(Conflict):
    """An upload that is to be joined with others is not all here yet."""

    code = "upload_not_whole"

    def __init__(self, upload_id: UUID) -> None:
        super().__init__("only parts that are all here can be joined")
        self.upload_id = upload_id


class UploadJoined(Forbidden):
    """The upload was made of others, and takes no bytes of its own."""

    code = "upload_joined"

    def __init__(self) -> None:
        super().__init__("an upload that joins others takes no bytes")


class LengthPassed(TooLarge):
    """More bytes than the upload was said to have."""

    code = "length_passed"

    def __init__(self, *, length_bytes: int) -> None:
        super().__init__(f"the upload was said to have {length_bytes} bytes")
        self.length_bytes = length_bytes


class ProtocolVersionUnknown(Unmet):
    """The request is of no version of the upload protocol that is spoken here."""

    code = "protocol_version_unknown"

    def __init__(self) -> None:
        super().__init__("Tus-Resumable must be 1.0.0")


class PieceTypeNotAccepted(Unsupported):
    """The body is not said to be a piece of an upload."""

    code = "piece_type_not_accepted"

    def __init__(self, media_type: str, *, accepted: tuple[str, ...]) -> None:
        super().__init__(f"a piece of an upload is {' or '.join(accepted)}")
        self.media_type = media_type[:200]
        self.accepted = accepted


class MalformedHeader(Malformed):
    """A header of the upload protocol says nothing that can be understood."""

    code = "malformed_header"

    def __init__(self, header: str, reason: str) -> None:
        super().__init__(f"{header}: {reason}")
        self.header = header
        self.reason = reason


class ChecksumMismatch(Mismatched):
    """The bytes received are not the ones their checksum was made of; none of them is kept."""

    code = "checksum_mismatch"

    def __init__(self, *, algorithm: str) -> None:
        super().__init__(f"the {algorithm} checksum of the received bytes differs from the announced one")
        self.algorithm = algorithm
