"""Whether a root of the store can be written, found out by writing to it."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.store import Capacity

_BLOCK: Final = bytes(4_096)
_UNNAMED: Final = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
_NAMED: Final = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_UNNAMED: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})
"""What file systems say that cannot make a file without a name."""


def measure(root: Path) -> Capacity:
    """Return what the file system below a root has; one that does not count inodes has 0 of them.

    Raises:
        OSError: it cannot be asked.

    """
    found = os.statvfs(root)
    return Capacity(
        total_bytes=found.f_blocks * found.f_frsize,
        free_bytes=found.f_bavail * found.f_frsize,
        total_inodes=found.f_files,
        free_inodes=found.f_favail,
        is_read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def prove_writable(roots: Sequence[Path]) -> None:
    """Write a block to each root, wait until it is durable, and leave nothing behind.

    Raises:
        StoreUnavailable: says which of the many ways not to be writable it is.

    """
    for root in roots:
        try:
            capacity = measure(root)
            if capacity.is_read_only:
                raise StoreUnavailable("the file system is read-only")
            if capacity.total_inodes and not capacity.free_inodes:
                raise StoreUnavailable("the file system has no free inodes")
            _write_to(root)
        except OSError as error:
            raise StoreUnavailable(f"the store cannot be written: {os.strerror(error.errno or 0)}") from error


def _write_to(root: Path) -> None:
    try:
        descriptor = os.open(root, _UNNAMED, 0o600)
    except OSError as error:
        if error.errno not in _NO_UNNAMED:
            raise
        _write_named(root)
        return
    _write(descriptor)


def _write_named(root: Path) -> None:
    """Write where a file needs a name: one that is no object's, should a crash leave it."""
    path = root / f"{MARKER_NAME}.probe"
    _write(os.open(path, _NAMED, 0o600))
    path.unlink(missing_ok=True)


def _write(descriptor: int) -> None:
    try:
        os.write(descriptor, _BLOCK)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
