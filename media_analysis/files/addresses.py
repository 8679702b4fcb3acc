"""Addresses at which a bucket itself sends a file's bytes, where downloads are redirected."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from media_analysis.files.links.service import is_shown
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.small import SMALL_BYTES
from media_analysis.storage.presented import Presented
from media_analysis.storage.store import ObjectStore

LIFETIME: Final = timedelta(seconds=60)
"""How long an address is good, at most; what was begun by then is sent to its end."""
_UNPLAIN: Final = re.compile(r'[^\x20-\x7e]|["\\%]')


@dataclass(frozen=True)
class AddressService:
    """Signs addresses for whoever may read a file; what is small comes with the answer as fast."""

    store: ObjectStore
    is_on: bool

    def of(self, file: MediaFile, *, until: datetime | None = None) -> Callable[[], str | None]:
        """Return what signs an address of a file's bytes that ends with the file, and by `until`.

        That returns None where the service sends them itself.
        """
        return lambda: self._sign(file, until)

    def _sign(self, file: MediaFile, until: datetime | None) -> str | None:
        """Sign an address.

        No browser shows what it could run: the bucket answers without the headers that keep it from that here.
        """
        if not self.is_on or (file.size_bytes or 0) <= SMALL_BYTES:
            return None
        ends = (datetime.now(UTC) + LIFETIME, file.expires_at, until)
        presented = Presented(
            media_type=file.media_type if is_shown(file.media_type) else "application/octet-stream",
            disposition=_attachment(file.filename),
            cache_control="private, no-cache",
        )
        return self.store.sign_address(file.key, presented, ends_at=min(end for end in ends if end is not None))


def _attachment(filename: str) -> str:
    """Name a download twice (RFC 6266), in ASCII alone: Amazon refuses more."""
    return f"attachment; filename=\"{_UNPLAIN.sub('_', filename)}\"; filename*=UTF-8''{quote(filename, safe='')}"
