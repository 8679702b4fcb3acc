"""What a child may use, and the walls it builds around itself before any codec sees a byte.

What is covered on Linux: memory, processor time, open files and core dumps by resource limits; the network, other
programs, other processes and every change of a file system or of anybody's share of the machine by a filter of system
calls; reading of files that are neither sources nor programs by Landlock; and what root may do beyond reading by
becoming a user who owns nothing, without its capabilities. What is not: a codec that is taken over may still read the
sources and this program's own files, use the processor for as long as the job may last, and hand over whatever it likes
as products, which the parent checks as it would a stranger's. Elsewhere only the resource limits hold.
"""

import ctypes
import os
import re
import resource
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

from media_analysis.analysis.child import landlock, privileges, seccomp

PR_SET_PDEATHSIG: Final = 1
RESERVE_BYTES: Final = 64 * 2**20
"""What a child that ran out of memory gets in order to say so."""
NEARLY_ALL: Final = 0.8
"""Of the memory a child may have; what it asked for in vain is the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """How long a task may run, and how much of the machine it may take meanwhile."""

    seconds: float = 3_600.0
    """Wall clock of the whole run, in which the parent stores what it gets."""
    memory_bytes: int = 4 * 2**30
    """Of addresses, which codecs with threads ask for more generously than they touch."""
    open_files: int = 256
    niceness: int = 5


def die_with(parent: int) -> None:
    """Make the kernel kill this process when the thread that started it ends, and end now if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (signal.SIGKILL, 0, 0, 0)))
    if os.getppid() != parent:
        os._exit(1)


def confine(confinement: Confinement, *, readable: Iterable[Path]) -> list[str]:
    """Build the walls around this process, whose only files to read are then `readable` and its programs.

    Return the names of the walls that this kernel does not have.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, confinement.open_files)
    # The parent's clock ends a task long before; this is for a parent that stands still.
    _limit(resource.RLIMIT_CPU, ceil(confinement.seconds * (os.cpu_count() or 1)) + 1)
    resource.setrlimit(resource.RLIMIT_AS, (confinement.memory_bytes, confinement.memory_bytes + RESERVE_BYTES))
    # Niceness means nothing under a real-time policy, which whoever started the service may have.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(confinement.niceness)
    sources = list(readable)
    missing = privileges.give_up(readable=sources)
    walls = {"landlock": landlock.restrict_reading(sources), "seccomp": seccomp.install()}
    return missing + [name for name, stands in walls.items() if not stands]


def open_reserve() -> int:
    """Let a process that ran out of memory use a little more; return how many bytes it was allowed."""
    allowed, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    return allowed


def is_short_of_memory() -> bool:
    """Tell whether this process has come near the addresses it may have, so that what failed may be for want of them.

    Codecs that get no memory, or no thread, often call the file invalid.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    peak = re.search(r"^VmPeak:\s+(\d+) kB$", status, re.MULTILINE)
    return allowed != resource.RLIM_INFINITY and peak is not None and int(peak[1]) * 1024 > NEARLY_ALL * allowed


def _limit(what: int, most: int) -> None:
    _, allowed = resource.getrlimit(what)
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(what, (most, most))
