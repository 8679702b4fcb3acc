"""What one request brings of an upload."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from media_analysis.errors import LengthPassed, MalformedHeader, OffsetMismatch, UploadTooLarge
from media_analysis.files.resumable.known import KnownUpload
from media_analysis.files.upload.bodies import Body


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What one request brings of an upload."""

    offset_bytes: int
    body: Body = field(default_factory=_nothing)
    announced_bytes: int | None = None
    length_bytes: int | None = None
    """How much the upload has in all, if that is said only now."""
    is_checked: bool = False
    """Whether nothing of it counts unless its body ends well, for it fails where a checksum does not hold."""

    def require_next_of(self, known: KnownUpload, *, max_bytes: int) -> None:
        """Return if what it announces can come next of an upload.

        Raises:
            OffsetMismatch, LengthPassed, UploadTooLarge: it cannot.
            MalformedHeader: the upload was said to have another length.

        """
        length_bytes = known.length_bytes if self.length_bytes is None else self.length_bytes
        if known.length_bytes not in {None, length_bytes}:
            raise MalformedHeader("Upload-Length", f"was {known.length_bytes} before")
        if known.offset_bytes != self.offset_bytes or known.is_finished:
            raise OffsetMismatch(offset_bytes=known.offset_bytes)
        if (length_bytes or 0) > max_bytes:
            raise UploadTooLarge(limit_bytes=max_bytes)
        if length_bytes is not None and self.offset_bytes + (self.announced_bytes or 0) > length_bytes:
            raise LengthPassed(length_bytes=length_bytes)
