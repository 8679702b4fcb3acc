"""Writing over objects before they are unlinked, as well as a file system lets anybody."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from media_analysis.storage.unlinking import errno_name

CHUNK_BYTES: Final = 2**20
_IN_PLACE: Final = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def overwrite_all(root: Path, keys: Sequence[str]) -> dict[str, str]:
    """Write random bytes over objects and sync them; return why that failed, by key. Absent ones are fine.

    Best effort (NIST SP 800-88 calls it Clear): copy-on-write and journaling file systems, snapshots and the
    spare cells of flash may keep earlier copies.
    """
    failed: dict[str, str] = {}
    for key in keys:
        try:
            _overwrite(root / key)
        except FileNotFoundError:
            continue
        except OSError as error:
            failed[key] = errno_name(error)
    return failed


def _overwrite(path: Path) -> None:
    descriptor = os.open(path, _IN_PLACE)
    try:
        left = os.fstat(descriptor).st_size
        while left:
            left -= os.write(descriptor, os.urandom(min(left, CHUNK_BYTES)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
