"""The marker: a file in the store's root that says which database the store belongs to, and what a move makes of it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from media_analysis.errors import MarkerMismatch
from media_analysis.failpoints import failpoint
from media_analysis.storage.directories import sync_directory
from media_analysis.storage.modes import USUAL, Modes, make_root

MARKER_NAME: Final = ".media-analysis"
MOST_BYTES: Final = 16_384
_PART_NAME: Final = ".media-analysis.part"
_BEFORE_NAME: Final = ".media-analysis.before"
MARKER_NAMES: Final = frozenset({MARKER_NAME, _PART_NAME, _BEFORE_NAME})
_NOT_CONTENT: Final = (_PART_NAME, _BEFORE_NAME, "lost+found")
"""What a crash of the first start, a move whose marker was removed, or a new file system leaves in an empty root."""


class Purpose(StrEnum):
    """What somebody wants of a place that carries a marker."""

    EVERYTHING = "everything"
    """To serve from it all there is, archives included."""
    WITHOUT_ARCHIVES = "without_archives"
    """To serve from it all but archives, which lie apart."""
    ARCHIVES = "archives"
    """To serve archives from it, and nothing else."""
    MOVING = "moving"
    """To move from it or to it, which no service may do."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose a place is, and what a move made of it, or is about to."""

    instance_id: UUID
    is_filling: bool = False
    """Whether a move has yet to end before anybody may serve from it."""
    moved_to: str | None = None
    """Where all that it holds was moved; what still lies there counts no more."""
    archives_at: str | None = None
    """Where archives lie that once lay, or are to lie, in it."""

    @property
    def closes(self) -> bool:
        """Whether nobody may go on as before with what it marks."""
        return self.moved_to is not None or self.archives_at is not None

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a marker.

        Raises:
            MarkerMismatch: it is none.

        """
        try:
            told = json.loads(content)
            instance_id = UUID(str(told["instance_id"]))
            places = [None if told.get(name) is None else str(told[name]) for name in ("moved_to", "archives_at")]
            return cls(instance_id, bool(told.get("filling", False)), *places)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise MarkerMismatch(f"the marker cannot be read ({type(error).__name__})") from error

    def content(self) -> bytes:
        """Return what is written; of a place that no move touched, what every version reads."""
        told = {"filling": self.is_filling or None, "moved_to": self.moved_to, "archives_at": self.archives_at}
        named = {name: value for name, value in told.items() if value is not None}
        return json.dumps({"instance_id": str(self.instance_id), **named}).encode()

    def require(self, instance_id: UUID, purpose: Purpose, *, whose: str) -> None:
        """Fail unless the place is this database's, and there for this purpose.

        Raises:
            MarkerMismatch: says why not, naming `whose` marker says so.

        """
        if self.instance_id != instance_id:
            raise MarkerMismatch(f"{whose} names another database")
        if purpose is Purpose.MOVING:
            return
        if self.moved_to is not None:
            raise MarkerMismatch(
                f"{whose} says that all was moved to {self.moved_to}: name that place in the settings; where that move "
                "was given up, media-analysis store cancel opens this one, and store switch where all came back since"
            )
        if self.is_filling:
            raise MarkerMismatch(f"{whose} says that a move still fills it; media-analysis store status tells how far")
        if self.archives_at is not None and purpose is Purpose.EVERYTHING:
            raise MarkerMismatch(f"{whose} says that archives lie at {self.archives_at}: name it by ARCHIVE_URL")


def read_marker(root: Path) -> Marker | None:
    """Return the marker the store carries, None when there is none.

    Raises:
        MarkerMismatch: something that is not a marker stands in its place, or cannot be read.

    """
    try:
        content = _read(root / MARKER_NAME)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MarkerMismatch(f"the marker cannot be read ({type(error).__name__})") from error
    return Marker.parse(content)


def _read(path: Path) -> bytes:
    # Not blocking, for a pipe may stand in its place; a link to the marker is one.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, MOST_BYTES)
    finally:
        os.close(descriptor)


def require_marker(root: Path, instance_id: UUID, *, purpose: Purpose = Purpose.EVERYTHING, whose: str = "its") -> None:
    """Fail unless `root` is this database's and there for this purpose; the reason says `whose` marker it is about.

    Raises:
        MarkerMismatch: the marker is absent (an unmounted volume, say), names another database or says otherwise.

    """
    found = read_marker(root)
    if found is None:
        raise MarkerMismatch(f"{whose} marker is missing; is the volume mounted?")
    found.require(instance_id, purpose, whose=f"{whose} marker")


def adopt_store(
    root: Path,
    instance_id: UUID,
    *,
    fresh_database: bool,
    modes: Modes = USUAL,
    purpose: Purpose = Purpose.EVERYTHING,
) -> None:
    """Make sure the store carries this database's marker, writing it only where both are new.

    Raises:
        MarkerMismatch: the store belongs to another database, holds files nobody knows, lost its marker, or is not
            there for this purpose.

    """
    found = read_marker(root)
    if found is None:
        if not fresh_database:
            raise MarkerMismatch(f"{root} carries no marker although the database knows files; is the volume mounted?")
        root.parent.mkdir(parents=True, exist_ok=True)
        with _alone(root.parent):
            make_root(root, modes)
            _mark(root, instance_id)
    require_marker(root, instance_id, purpose=purpose)


def _mark(root: Path, instance_id: UUID) -> None:
    if read_marker(root) is not None:  # of several that begin at once the first wrote it
        return
    if not is_unused(root):
        raise MarkerMismatch(f"{root} is not empty and carries no marker")
    write_marker(root, Marker(instance_id))


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other processes of this machine from marking anything there; a file system without locks has none."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # it may be entered, and not read
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
    adopt_store(root, instance_id, fresh_database=fresh, modes=modes, purpose=Purpose.ARCHIVES)


def is_unused(root: Path) -> bool:
    """Say whether nothing of anybody lies in a directory."""
    return all(entry.name in _NOT_CONTENT for entry in root.iterdir())


def write_marker(root: Path, marker: Marker) -> None:
    """Write a marker durably, over the one that is there.

    One that closes the place keeps the one before beside it: to open it again takes no room, for the disk may be full.
    """
    with _alone(root):
        _write_marker(root, marker)
    sync_directory(root)


def _write_marker(root: Path, marker: Marker) -> None:
    path, part, before = (root / name for name in (MARKER_NAME, _PART_NAME, _BEFORE_NAME))
    if not _says(before, marker):
        with part.open("wb") as file:
            file.write(marker.content())
            file.flush()
            os.fsync(file.fileno())
        failpoint("marker.written")
        before.unlink(missing_ok=True)
        if marker.closes:
            with suppress(OSError):  # no file has two names there
                os.link(path, before)
        part.replace(path)
    else:
        before.replace(path)


def _says(path: Path, marker: Marker) -> bool:
    with suppress(OSError, MarkerMismatch):
        return Marker.parse(_read(path)) == marker
    return False
