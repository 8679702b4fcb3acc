"""Landlock: from here on this process reads its sources and its programs, and opens no other file.

Without it a codec that is taken over could read whatever the service can, the store and its passwords included, and
hand it to its uploader as a product.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from media_analysis.analysis.child.seccomp import forgo_privileges

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
ASK_VERSION: Final = 1
PATH_BENEATH: Final = 1
READ_FILE: Final = 1 << 2
READ_DIRECTORY: Final = 1 << 3
FILE_RIGHTS_BY_VERSION: Final = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)
NETWORK_RIGHTS: Final = 0b11
SCOPES: Final = 0b11
FIRST_WITH_NETWORK: Final = 4
FIRST_WITH_SCOPES: Final = 6
MODULE_SUFFIXES: Final = frozenset({".py", ".pyc", ".so", ".zip", ".egg"})
INSTALLED_SUFFIXES: Final = frozenset({".dist-info", ".egg-info", ".libs"})
SYSTEM: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/urandom",
)
"""Where shared libraries, time zones and what a library asks of the machine are."""


def restrict_reading(readable: Iterable[Path]) -> bool:
    """Refuse this process every file but `readable` and its programs, for good; return False where that cannot be."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    version = libc.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_long(ASK_VERSION))
    if version < 1:
        return False
    sources = [path.resolve() for path in readable]
    ruleset = _ruleset(libc, version)
    for path in (*sources, *_programs(sources)):
        _allow(libc, ruleset, path, READ_FILE | READ_DIRECTORY if path.is_dir() else READ_FILE)
    for folder in map(Path, sys.path):
        if folder.is_dir():
            _allow(libc, ruleset, folder, READ_DIRECTORY)
    forgo_privileges(libc)
    refused = libc.syscall(ctypes.c_long(RESTRICT_SELF), ctypes.c_long(ruleset), ctypes.c_long(0))
    os.close(ruleset)
    return bool(refused == 0)


def _ruleset(libc: ctypes.CDLL, version: int) -> int:
    rights = FILE_RIGHTS_BY_VERSION[min(version, len(FILE_RIGHTS_BY_VERSION) - 1)]
    attributes = struct.pack("=Q", rights)
    if version >= FIRST_WITH_NETWORK:
        attributes += struct.pack("=Q", NETWORK_RIGHTS)
    if version >= FIRST_WITH_SCOPES:
        attributes += struct.pack("=Q", SCOPES)
    size = ctypes.c_size_t(len(attributes))
    return int(libc.syscall(ctypes.c_long(CREATE_RULESET), attributes, size, ctypes.c_long(0)))


def _programs(sources: list[Path]) -> Iterator[Path]:
    """Yield what may be read beside the sources: this interpreter's own places, and what can be imported."""
    interpreter = (Path(sys.prefix), Path(sys.exec_prefix), Path(sys.base_prefix, "lib"))
    places = [place for place in (*interpreter, *map(Path, SYSTEM)) if not _holds_any(place, sources)]
    yield from places
    for folder in map(Path, sys.path):
        if folder.is_file():
            yield folder
        elif folder.is_dir() and not any(folder.is_relative_to(place) for place in places):
            yield from (child for child in folder.iterdir() if _is_code(child) and not _holds_any(child, sources))


def _is_code(path: Path) -> bool:
    # A checkout that one runs from may have the store, its database and its secrets beside the packages.
    if path.is_file():
        return path.suffix in MODULE_SUFFIXES
    if path.suffix in INSTALLED_SUFFIXES:
        return True
    return any(path.glob("*.py")) or any(path.glob("*/__init__.py"))


def _holds_any(folder: Path, sources: list[Path]) -> bool:
    return any(source.is_relative_to(folder) for source in sources)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no leave
    try:
        rule = struct.pack("=Qi", rights, descriptor)
        libc.syscall(
            ctypes.c_long(ADD_RULE), ctypes.c_long(ruleset), ctypes.c_long(PATH_BENEATH), rule, ctypes.c_long(0)
        )
    finally:
        os.close(descriptor)
