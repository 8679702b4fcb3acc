"""Objects written over before they are deleted, as far as the medium lets itself be told."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from media_analysis.storage.unlinking import errno_name

CHUNK_BYTES: Final = 2**20
# Not blocking, for a pipe may stand where an object was.
_IN_PLACE: Final = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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
            # A pipe or a socket, which holds no bytes; a name that no file can have.
            if error.errno in {errno.ENXIO, errno.ENAMETOOLONG}:
                continue
            failed[key] = errno_name(error)
    return failed


def _overwrite(path: Path) -> None:
    descriptor = os.open(path, _IN_PLACE)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        left = status.st_size
        while left:
            left -= os.write(descriptor, os.urandom(min(left, CHUNK_BYTES)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
