"""What root may do, given up for good before any codec sees a byte."""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from media_analysis.analysis.child import seccomp

NOBODY: Final = 65_533
"""A user and a group that own nothing: no account of a usual system, where `nobody` may own a database's files."""
PR_SET_KEEPCAPS: Final = 8
PR_CAPBSET_DROP: Final = 24
READING: Final = 1 << 2
"""CAP_DAC_READ_SEARCH, which is kept: the sources may be anybody's, and what may be read is Landlock's to say."""
CHANGING: Final = 1 << 6 | 1 << 7
"""CAP_SETGID and CAP_SETUID."""
KILLING: Final = 1 << 5
"""CAP_KILL, without which the zygote, which stays root, could not end a child that is not."""
LAST_CAPABILITY: Final = 63
"""What the kernel does not know it refuses to drop, which harms nobody."""
CAPABILITY_VERSION: Final = 0x20080522


def give_up(*, readable: Iterable[Path]) -> list[str]:
    """Stop being root, and keep nothing of its powers but for reading; it must still reach what is to be `readable`.

    A process that never was root has nothing to give up. The kernel forgets what is to end a process with its parent.
    Return the names of what this machine does not let it give up.
    """
    if sys.platform != "linux":
        return ["identity", "capabilities"]
    libc = ctypes.CDLL(None)
    seccomp.forgo_privileges(libc)  # or a program of root's would bring them back
    for capability in range(LAST_CAPABILITY + 1):
        if 1 << capability != READING:
            libc.prctl(PR_CAPBSET_DROP, *map(ctypes.c_ulong, (capability, 0, 0, 0)))
    given_up = {"identity": _become_nobody(libc, readable), "capabilities": _keep(libc, READING)}
    return [name for name, is_so in given_up.items() if not is_so]


def _become_nobody(libc: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    """Change to an account that owns nothing; stay root where the sources could not be read or the child not ended."""
    if os.geteuid():
        return True
    needed = CHANGING | KILLING
    if _held(libc) & needed != needed:
        return False
    libc.prctl(PR_SET_KEEPCAPS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, 0)
        _keep(libc, READING | CHANGING)
        _require_readable(readable)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:  # no such number in this container, or a file system whose server asks for root itself
        with suppress(OSError):
            os.setresuid(0, 0, 0)
        return False
    return True


def _require_readable(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):  # the task says so
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))


def _held(libc: ctypes.CDLL) -> int:
    """Return the capabilities this process uses now."""
    held = ctypes.create_string_buffer(24)
    return 0 if libc.capget(_header(), held) else int.from_bytes(held.raw[:4], "little")


def _keep(libc: ctypes.CDLL, kept: int) -> bool:
    """Use these capabilities as far as they are permitted, and let go of all others; False where the kernel refuses."""
    held = ctypes.create_string_buffer(24)
    if libc.capget(_header(), held):
        return False
    _, permitted, *_ = struct.unpack("=6I", held.raw)
    less = struct.pack("=6I", permitted & kept, permitted & kept, 0, 0, 0, 0)
    return bool(libc.capset(_header(), less) == 0)


def _header() -> bytes:
    return struct.pack("=Ii", CAPABILITY_VERSION, 0)
