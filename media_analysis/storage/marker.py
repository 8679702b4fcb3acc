"""The marker: a file in the store's root that says which database the store belongs to."""

import json
import os
from pathlib import Path
from typing import Final
from uuid import UUID

from media_analysis.errors import MarkerMismatch
from media_analysis.failpoints import failpoint
from media_analysis.storage.directories import sync_directory
from media_analysis.storage.modes import USUAL, Modes, make_root

MARKER_NAME: Final = ".media-analysis"
_MOST_BYTES: Final = 1_024
_PART_NAME: Final = ".media-analysis.part"
_NOT_CONTENT: Final = (_PART_NAME, "lost+found")
"""What a crash of the first start, or a new file system, leaves in an empty root."""


def read_marker(root: Path) -> UUID | None:
    """Return the instance id the store carries, None when there is no marker.

    Raises:
        MarkerMismatch: something that is not a marker stands in its place, or cannot be read.

    """
    try:
        return UUID(str(json.loads(_read(root / MARKER_NAME))["instance_id"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MarkerMismatch(f"the marker cannot be read ({type(error).__name__})") from error


def _read(path: Path) -> bytes:
    # Not blocking, for a pipe may stand in its place; a link to the marker is one.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def require_marker(root: Path, instance_id: UUID, *, whose: str = "its") -> None:
    """Fail unless the store in `root` belongs to this database; the reason says `whose` marker it is about.

    Raises:
        MarkerMismatch: the marker is absent (an unmounted volume, say) or names another database.

    """
    found = read_marker(root)
    if found is None:
        raise MarkerMismatch(f"{whose} marker is missing; is the volume mounted?")
    if found != instance_id:
        raise MarkerMismatch(f"{whose} marker names another database")


def adopt_store(root: Path, instance_id: UUID, *, fresh_database: bool, modes: Modes = USUAL) -> None:
    """Make sure the store carries this database's marker, writing it only where both are new.

    Raises:
        MarkerMismatch: the store belongs to another database, holds files nobody knows, or lost its marker.

    """
    found = read_marker(root)
    if found is None:
        if not fresh_database:
            raise MarkerMismatch(f"{root} carries no marker although the database knows files; is the volume mounted?")
        make_root(root, modes)
        if any(entry.name not in _NOT_CONTENT for entry in root.iterdir()):
            raise MarkerMismatch(f"{root} is not empty and carries no marker")
        _write_marker(root, instance_id)
    require_marker(root, instance_id)


def adopt_archives(root: Path, instance_id: UUID, *, fresh: bool, modes: Modes = USUAL) -> None:
    """Make sure the root of the archives carries this database's marker, writing it only where it is new and `fresh`.

    Whoever moves existing archives to another disk moves the store's folder `archives` there, and copies the store's
    marker beside it to say that they are all there. `fresh` says that the database never knew one.

    Raises:
        MarkerMismatch: it belongs to another database, holds files nobody knows, or lacks the marker of known archives.

    """
    if not fresh and read_marker(root) is None:
        raise MarkerMismatch(
            f"{root} carries no marker although the database knows archives; is the volume mounted? To have them there "
            f"from now on, move the store's folder archives into it, and copy the store's {MARKER_NAME} beside that"
        )
    adopt_store(root, instance_id, fresh_database=fresh, modes=modes)


def _write_marker(root: Path, instance_id: UUID) -> None:
    part = root / _PART_NAME
    with part.open("w") as file:
        json.dump({"instance_id": str(instance_id)}, file)
        file.flush()
        os.fsync(file.fileno())
    failpoint("marker.written")
    part.replace(root / MARKER_NAME)
    sync_directory(root)
