"""Directories and their permissions, as far as the user who asks can see them."""

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from media_analysis.diagnosis.check import CheckFailed
from media_analysis.errors import MarkerMismatch
from media_analysis.settings import Settings
from media_analysis.storage.marker import MARKER_NAME, read_marker
from media_analysis.units import round_size

_OTHERS: Final = 0o077


def check_data_directory(settings: Settings) -> str:
    """Say where the data directory is."""
    directory = settings.data_dir.resolve()
    if not directory.is_dir():
        raise CheckFailed(f"{directory} is no directory", "name the right one by --data-dir, or start serve")
    _require_access(directory)
    return str(directory)


def check_token(settings: Settings) -> str:
    """Say where the administrator's token is; nobody else may read it."""
    path = token_file(settings)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        raise CheckFailed(f"{path} is not there", "start serve once, which makes it") from None
    if mode & _OTHERS:
        raise CheckFailed(f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}, or remove it to renew")
    read_token(settings)
    return f"{path}, readable by its owner only"


def check_store(settings: Settings) -> str:
    """Say where objects lie; every folder of theirs must be writable."""
    for root in settings.places.roots:
        if not root.is_dir():
            raise CheckFailed(f"{root} is no directory", "mount its disk, or mend STORAGE_BASE_PATH or --data-dir")
        try:
            marked = read_marker(root)
        except MarkerMismatch as error:
            raise CheckFailed(str(error), f"restore {root / MARKER_NAME} from a backup") from None
        if marked is None:
            remedy = "mount its disk, or restore that file from a backup of this store"
            raise CheckFailed(f"{root} carries no {MARKER_NAME}, so it is no store", remedy)
        for folder in (root, *(path for path in root.iterdir() if path.is_dir() and path.name != "lost+found")):
            _require_access(folder)
    return ", ".join(map(str, settings.places.roots))


def check_disk(settings: Settings) -> str:
    """Say how much room is left above the reserve."""
    reserve_bytes = settings.storage.monitoring.reserve_bytes
    free_bytes = min(shutil.disk_usage(root).free for root in settings.places.roots)
    if free_bytes <= reserve_bytes:
        detail = f"{round_size(free_bytes)} are free, and uploads leave {round_size(reserve_bytes)} alone"
        raise CheckFailed(detail, "free disk space: media-analysis sweep, or pressure --relieve")
    return f"{round_size(free_bytes)} free, {round_size(reserve_bytes)} in reserve"


def token_file(settings: Settings) -> Path:
    """Return where `serve` keeps the administrator's token."""
    return settings.data_dir.resolve() / "admin-token"


def read_token(settings: Settings) -> str:
    """Return the administrator's token."""
    path = token_file(settings)
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CheckFailed(f"{path}: {error.strerror}", "run this as the user who runs the service") from error


def _require_access(directory: Path) -> None:
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        remedy = "run this as the user who runs the service, or give the directory to that user"
        raise CheckFailed(f"{directory} cannot be read and written by this user", remedy)
