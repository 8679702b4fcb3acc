"""Small objects that the kernel has in memory, read at once: what would wait for a disk is left to a thread."""

import ctypes
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from media_analysis.storage.opening import READ

_LOCAL: Final = frozenset({"ext2", "ext3", "ext4", "xfs"})
"""Kinds of file systems that open what they have in memory without asking anybody, and know RWF_NOWAIT."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_OPENAT2: Final = 437
_RESOLVE_CACHED: Final = 0x20
_AT_FDCWD: Final = -100


class _How(ctypes.Structure):
    """How `openat2` opens (`struct open_how`)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _linux() -> Callable[..., int] | None:
    if sys.platform != "linux" or not hasattr(os, "RWF_NOWAIT"):
        return None
    # Called with the interpreter's lock held, as nothing is waited for: to get it back could take long.
    shape = ctypes.PYFUNCTYPE(
        ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_How), ctypes.c_size_t
    )
    return shape(("syscall", ctypes.PyDLL(None)))


_SYSCALL: Final = _linux()
_HOW: Final = _How(READ, 0, _RESOLVE_CACHED)


def roots_at_once(roots: Iterable[Path]) -> frozenset[Path]:
    """Return those of `roots` whose objects may be read by `read_cached`: they lie on file systems of this machine."""
    if _SYSCALL is None:
        return frozenset()
    try:
        mounts = [line.partition(" - ") for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        return frozenset()
    local = {mount.split()[2] for mount, _, kind in mounts if kind.split()[0] in _LOCAL}
    return frozenset(root for root in roots if _device(root) in local)


def read_cached(path: bytes, size_bytes: int) -> bytes | None:
    """Return a regular file's bytes, None unless its name and all of them are in memory, and are that many.

    Source: openat2(2), preadv2(2); io_uring, too, tries so before it hands over to a thread.
    """
    descriptor = _open_cached(path)
    if descriptor < 0:
        return None
    try:
        if not _is_whole(descriptor, size_bytes):
            return None
        content = bytearray(size_bytes)
        read = os.preadv(descriptor, [content], 0, os.RWF_NOWAIT) if size_bytes else 0
    except OSError:
        return None  # as a rule EAGAIN; a thread meets whatever else it is again
    finally:
        os.close(descriptor)
    return bytes(content) if read == size_bytes else None


def stands_cached(path: bytes, size_bytes: int) -> bool:
    """Say whether a regular file of this size stands there, False unless its name is in memory."""
    descriptor = _open_cached(path)
    if descriptor < 0:
        return False
    try:
        return _is_whole(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def _open_cached(path: bytes) -> int:
    return -1 if _SYSCALL is None else _SYSCALL(_OPENAT2, _AT_FDCWD, path, _HOW, ctypes.sizeof(_HOW))


def _is_whole(descriptor: int, size_bytes: int) -> bool:
    status = os.fstat(descriptor)
    return stat.S_ISREG(status.st_mode) and status.st_size == size_bytes


def _device(root: Path) -> str:
    device = root.stat().st_dev
    return f"{os.major(device)}:{os.minor(device)}"
