"""Opening objects: never waiting at a name, and never taking something else for what a row describes."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from media_analysis.errors import ObjectDamaged, ObjectMissing
from media_analysis.storage.calls import translate

# Not blocking, for a pipe may stand where an object was, and nobody may ever write to it.
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_FILE: Final = frozenset({errno.ELOOP, errno.ENXIO})
"""What opening a link or a socket fails with."""


def open_object(path: Path, name: str, *, size_bytes: int | None) -> int:
    """Return a descriptor of an object's bytes; `name` is what errors call it, `size_bytes` what its row says.

    Raises:
        ObjectMissing: nothing stands there.
        ObjectDamaged: what stands there is no regular file, or of another size.
        StoreUnavailable: it cannot be opened.

    """
    try:
        descriptor = os.open(path, READ)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ObjectMissing(name) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ObjectMissing(name) from error
        if error.errno in _NO_FILE:
            raise ObjectDamaged(name, "not a regular file") from error
        raise translate(error) from error
    try:
        require_object(os.fstat(descriptor), name, size_bytes=size_bytes)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_object(path: Path, name: str, size_bytes: int) -> None:
    """Return if an object stands there; raises as `open_object`."""
    os.close(open_object(path, name, size_bytes=size_bytes))


def read_object(path: Path, name: str, size_bytes: int) -> bytes:
    """Return an object's bytes, all at once.

    Raises:
        ObjectMissing, ObjectDamaged, StoreUnavailable: as `open_object`, or it cannot be read.

    """
    descriptor = open_object(path, name, size_bytes=size_bytes)
    try:
        content = os.pread(descriptor, size_bytes, 0)
    except OSError as error:
        raise translate(error) from error
    finally:
        os.close(descriptor)
    if len(content) != size_bytes:
        raise ObjectDamaged(name, f"size is {len(content)}, not {size_bytes}")
    return content


def require_object(status: os.stat_result, name: str, *, size_bytes: int | None) -> None:
    """Fail unless this is a regular file of the size its row says.

    Raises:
        ObjectDamaged: it is not.

    """
    if not stat.S_ISREG(status.st_mode):
        raise ObjectDamaged(name, "not a regular file")
    if size_bytes is not None and status.st_size != size_bytes:
        raise ObjectDamaged(name, f"size is {status.st_size}, not {size_bytes}")
