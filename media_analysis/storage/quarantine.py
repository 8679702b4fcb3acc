"""What was set aside: the days on which it was, and the folders it leaves empty."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Final

from media_analysis.storage.calls import translated_errors
from media_analysis.storage.unlinking import open_folder_beneath
from media_analysis.storage.walk import QUARANTINE

_NO_FOLDER: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def folder_of_day(day: date) -> str:
    """Return the folder, relative to a root, of what was set aside on a day in UTC."""
    return f"{QUARANTINE}/{day:%Y-%m-%d}"


def list_days(root: Path) -> Sequence[date]:
    """Return the days on which something was set aside below a root, oldest first; no link counts as one.

    Raises:
        StoreUnavailable: they cannot be read.

    """
    with translated_errors(), _opened(root, QUARANTINE) as folder:
        if folder is None:
            return []
        with os.scandir(folder) as found:
            names = [item.name for item in found if item.is_dir(follow_symlinks=False)]
    return sorted(day for day in map(_day_of, names) if day is not None)


def unlink_empty_folders(root: Path, day: date) -> None:
    """Remove the folders of a day as far as they are empty, following no link."""
    with translated_errors(), _opened(root, folder_of_day(day)) as top:
        if top is None:
            return
        for _, folders, _, parent in os.fwalk(".", topdown=False, dir_fd=top):
            for name in folders:
                with suppress(OSError):
                    os.rmdir(name, dir_fd=parent)
    with _opened(root, QUARANTINE) as quarantine, suppress(OSError):
        os.rmdir(f"{day:%Y-%m-%d}", dir_fd=quarantine)


@contextmanager
def _opened(root: Path, directory: str) -> Iterator[int | None]:
    try:
        folder = open_folder_beneath(root, directory)
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _day_of(name: str) -> date | None:
    with suppress(ValueError):
        day = date.fromisoformat(name)
        return day if name == f"{day:%Y-%m-%d}" else None
    return None
