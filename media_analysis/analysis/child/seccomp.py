"""A filter of system calls, written as the kernel's BPF: no network, no other program or process, no file changed.

A refused call fails with EPERM, so a library that tries finds an error it knows. Threads stay possible. A filter sees
numbers, never what a pointer points at: calls that hide their flags behind one, and calls younger than our table, do
not exist as far as the task can tell (ENOSYS), and the C library falls back on their elders.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Final

from media_analysis.analysis.child.system_calls import (
    ADDRESSED,
    FIRST_UNKNOWN,
    HIDDEN,
    LIMITING,
    OPENING,
    REFUSED,
    STARTING,
    Numbers,
)

PR_SET_NO_NEW_PRIVS: Final = 38
SET_MODE_FILTER: Final = 1
KEEP_SPECULATION: Final = 1 << 2
"""Kernels before 5.16 else slow a filtered process down against attacks of code it does not run."""
ALLOW: Final = 0x7FFF0000
ERRNO: Final = 0x00050000
LOAD: Final = 0x20
EQUAL: Final = 0x15
AT_LEAST: Final = 0x35
ANY_BIT: Final = 0x45
RETURN: Final = 0x06
NUMBER_OFFSET: Final = 0
ARCHITECTURE_OFFSET: Final = 4
ARGUMENTS_OFFSET: Final = 16
CLONE_THREAD: Final = 0x10000
ANY: Final = 0xFFFFFFFF
CHANGING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Which of a call's numbers is the machine's, and how the kernel names its way of calling."""
SECCOMP: Final = {"x86_64": 317, "aarch64": 277}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install() -> bool:
    """Filter the calls of this thread and of all it will start, for good; return False where that cannot be."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return False
    instructions = instructions_for(platform.machine(), process=os.getpid())
    program = _Program(len(instructions) // 8, instructions)
    libc = ctypes.CDLL(None)
    forgo_privileges(libc)
    call = map(ctypes.c_long, (SECCOMP[platform.machine()], SET_MODE_FILTER, KEEP_SPECULATION))
    return bool(libc.syscall(*call, ctypes.byref(program)) == 0)


def forgo_privileges(libc: ctypes.CDLL) -> None:
    """Promise the kernel never to gain privileges again, without which only root may filter itself."""
    libc.prctl(PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))


def instructions_for(machine: str, *, process: int) -> bytes:
    """Return the filter as the kernel reads it, for one machine and one process."""
    column, architecture = ARCHITECTURES[machine]
    rules = _Rules(column, process)
    return b"".join(
        (
            # Another way of calling, such as 32 bits, has numbers of its own.
            _instruction(LOAD, ARCHITECTURE_OFFSET),
            _instruction(EQUAL, architecture, then=1),
            _refuse(errno.EPERM),
            _instruction(LOAD, NUMBER_OFFSET),
            _instruction(AT_LEAST, FIRST_UNKNOWN, otherwise=1),
            _refuse(errno.ENOSYS),
            *(rules.outright(numbers, errno.ENOSYS) for numbers in HIDDEN.values()),
            *(rules.outright(numbers, errno.EPERM) for numbers in REFUSED.values()),
            *(rules.with_bits(numbers, place, CHANGING) for numbers, place in OPENING.values()),
            *(rules.without_bits(numbers, 0, CLONE_THREAD) for numbers in STARTING.values()),
            *(rules.with_bits(numbers, 0, ANY) for numbers in LIMITING.values()),
            *(rules.to_others(numbers) for numbers in ADDRESSED.values()),
            _instruction(RETURN, ALLOW),
        )
    )


@dataclass(frozen=True)
class _Rules:
    """Each rule is a comparison with a call's number and what follows if it is the one; else the next rule's turn."""

    column: int
    process: int

    def outright(self, numbers: Numbers, answer: int) -> bytes:
        return self._for(numbers, _refuse(answer))

    def with_bits(self, numbers: Numbers, place: int, bits: int) -> bytes:
        return self._for(
            numbers, _argument(place), _instruction(ANY_BIT, bits, otherwise=1), _refuse(errno.EPERM), _ALLOW
        )

    def without_bits(self, numbers: Numbers, place: int, bits: int) -> bytes:
        return self._for(numbers, _argument(place), _instruction(ANY_BIT, bits, then=1), _refuse(errno.EPERM), _ALLOW)

    def to_others(self, numbers: Numbers) -> bytes:
        own = (_instruction(EQUAL, self.process, then=1), _refuse(errno.EPERM))
        return self._for(numbers, _argument(0), *own, _ALLOW)

    def _for(self, numbers: Numbers, *body: bytes) -> bytes:
        number = numbers[self.column]
        return b"" if number is None else _instruction(EQUAL, number, otherwise=len(body)) + b"".join(body)


def _argument(place: int) -> bytes:
    # The lower half, on a little-endian machine: flags and process ids need no more.
    return _instruction(LOAD, ARGUMENTS_OFFSET + 8 * place)


def _instruction(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def _refuse(number: int) -> bytes:
    return _instruction(RETURN, ERRNO | number)


_ALLOW: Final = _instruction(RETURN, ALLOW)
