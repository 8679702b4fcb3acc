"""Why an upload fails."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from media_analysis.errors.kinds import Conflict, Invalid, QuotaExceeded, TooLarge, TooSlow, Unsupported


class UploadLeaseLost(Conflict):
    """The upload stalled past its lease and the sweep took the row."""

    code = "upload_lease_lost"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("the upload stalled for too long and was given up; start it again")
        self.file_id = file_id


class UploadInFlight(Conflict):
    """Another request with the same idempotency key is still uploading."""

    code = "upload_in_flight"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__("a request with this Idempotency-Key is in flight")
        self.retry_after_seconds = retry_after_seconds


class IdempotencyKeyReused(Invalid):
    """The idempotency key was used before, for something else."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key belongs to a different request")


class DigestMismatch(Invalid):
    """The bytes received are not the ones the client announced (RFC 9530)."""

    code = "digest_mismatch"

    def __init__(self, *, algorithm: str) -> None:
        super().__init__(f"the {algorithm} digest of the received body differs from the announced one")
        self.algorithm = algorithm


class IncompleteUpload(Invalid):
    """The body ended before its announced length, or before the closing boundary of its form."""

    code = "incomplete_upload"

    def __init__(self, missing: str = "its announced length") -> None:
        super().__init__(f"the body ended before {missing}")


class UploadStalled(TooSlow):
    """No byte of the body arrived within the idle limit."""

    code = "upload_stalled"

    def __init__(self, *, idle_seconds: float) -> None:
        super().__init__(f"no data arrived for {idle_seconds:g} seconds")
        self.idle_seconds = idle_seconds


class UploadTooSlow(TooSlow):
    """The body arrived slower than an upload may."""

    code = "upload_too_slow"

    def __init__(self, *, min_bytes_per_second: int) -> None:
        super().__init__(f"less than {min_bytes_per_second} bytes a second arrived for a minute")
        self.min_bytes_per_second = min_bytes_per_second


class UploadOverdue(TooSlow):
    """The body had not arrived when the time an upload may take was over."""

    code = "upload_overdue"

    def __init__(self, *, deadline_seconds: float) -> None:
        super().__init__(f"the body did not arrive within {deadline_seconds:g} seconds")
        self.deadline_seconds = deadline_seconds


class MediaTypeNotAccepted(Unsupported):
    """The category takes only certain media types."""

    code = "media_type_not_accepted"

    def __init__(self, media_type: str, *, category: str, accepted: tuple[str, ...]) -> None:
        super().__init__(f"category {category} does not accept {media_type}")
        self.media_type = media_type
        self.category = category
        self.accepted = accepted


class UploadTooLarge(TooLarge):
    """The body went past the limit before it ended."""

    code = "upload_too_large"

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"the upload exceeds {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class QuotaPassed(QuotaExceeded):
    """Bytes did not fit into a quota as it stood; somebody may make room."""

    code = "quota_passed"
    of_others = frozenset({"accounts"})

    def __init__(self, category: str, needed_bytes: int, accounts: Collection[tuple[str, str]] = ()) -> None:
        super().__init__(f"category {category} has no room for {needed_bytes} more bytes")
        self.accounts = accounts
        """Whose bytes, for what, did not fit: owners and categories, where many were asked together."""
        self.category = str(category)
        self.missing_bytes = needed_bytes
        self.space_frees_at: datetime | None = None


class QuotaReached(QuotaExceeded):
    """The category is full, and the policy lets nothing go that would make enough room."""

    code = "quota_reached"
    of_others = frozenset({"used_bytes", "missing_bytes", "space_frees_at"})

    def __init__(
        self,
        category: str,
        *,
        quota_bytes: int,
        used_bytes: int,
        owned_bytes: int,
        needed_bytes: int,
        missing_bytes: int,
        space_frees_at: datetime | None,
        own_space_frees_at: datetime | None = None,
        paused: str | None = None,
    ) -> None:
        super().__init__(f"the quota of {category} has no room for this file{_while(paused)}")
        self.category = category
        self.quota_bytes = quota_bytes
        self.used_bytes = used_bytes
        self.owned_bytes = owned_bytes
        """What its owner has of the category."""
        self.needed_bytes = needed_bytes
        self.missing_bytes = missing_bytes
        self.space_frees_at = space_frees_at
        self.own_space_frees_at = own_space_frees_at
        """When enough of its owner's files have fallen due."""
        self.paused = paused


class OwnerQuotaReached(QuotaReached):
    """One owner's part of a category is full, and the policy lets nothing of theirs go that would make enough room."""

    code = "owner_quota_reached"
    of_others = frozenset()


class DiskReserveReached(QuotaExceeded):
    """Storing more would eat the space kept free for the database and for deletion itself."""

    code = "disk_reserve_reached"
    of_others = frozenset({"free_bytes", "reserve_bytes", "missing_bytes", "space_frees_at"})

    def __init__(
        self,
        *,
        free_bytes: int,
        reserve_bytes: int,
        needed_bytes: int,
        space_frees_at: datetime | None = None,
        paused: str | None = None,
    ) -> None:
        super().__init__(f"the disk has no room for this file beside its reserve{_while(paused)}")
        self.free_bytes = free_bytes
        self.reserve_bytes = reserve_bytes
        self.needed_bytes = needed_bytes
        self.missing_bytes = max(0, reserve_bytes + needed_bytes - free_bytes)
        self.space_frees_at = space_frees_at
        self.paused = paused


class DiskFull(QuotaExceeded):
    """The disk filled up, or its quota did, while bytes were written."""

    code = "disk_full"

    def __init__(self) -> None:
        super().__init__("the disk is full; nothing of this upload is kept")


def _while(paused: str | None) -> str:
    return "" if paused is None else f", and none can be made while deletion is paused: {paused}"
