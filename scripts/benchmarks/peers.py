"""What we measure ourselves against: `find -delete`, and managers that scan the disk."""

import os
import subprocess
import time
from pathlib import Path

import aiofiles.os

MAX_AGE_SECONDS = 7 * 86_400


def find_delete(root: Path) -> None:
    """Delete everything older than a week with GNU find."""
    subprocess.run(["find", str(root), "-type", "f", "-mtime", "+7", "-delete"], check=True)


class StorageManager:
    """The cleanup found in many asyncio services: walk the tree, stat, compare the mtime, unlink through aiofiles."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def cleanup(self) -> int:
        removed = 0
        now = time.time()
        for path in self._root.rglob("*"):
            if not path.is_file():
                continue
            status = await aiofiles.os.stat(path)
            if now - status.st_mtime > MAX_AGE_SECONDS:
                await aiofiles.os.remove(path)
                removed += 1
        return removed


def walk_and_unlink(root: Path) -> int:
    """Do the same without an event loop: the least a Python program that scans the disk can take."""
    removed = 0
    now = time.time()
    for folder, _, names in os.walk(root):
        for name in names:
            path = f"{folder}/{name}"
            if now - os.stat(path).st_mtime > MAX_AGE_SECONDS:  # noqa: PTH116 - a Path per file would slow the peer
                os.unlink(path)  # noqa: PTH108 - as above
                removed += 1
    return removed
