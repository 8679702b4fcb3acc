"""What the names of old runs, of their sub-folders and of their archives say."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final, Self
from uuid import UUID

from media_analysis.media.types.known import type_of_extension
from media_analysis.storage.category import Category

_UUID: Final = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_RUN: Final = re.compile(rf"(?:(?P<stamp>[0-9]{{8}}_[0-9]{{6}})_)?(?P<id>{_UUID})", re.IGNORECASE)
_ARCHIVE: Final = re.compile(r"(?P<base>.+)\.tar\.(?:gz|bz2|xz|zst)", re.DOTALL)
_NUMBERED: Final = re.compile(r"(?P<run>.+?)(?:\.(?P<number>[0-9]{1,6})(?:-[0-9]{1,6})?)?", re.DOTALL)
_CATEGORIES: Final = {
    "frames": Category.FRAMES,
    "contact_sheets": Category.CONTACT_SHEETS,
    "outputs": Category.OUTPUTS,
    "logs": Category.OUTPUTS,
    "clips": Category.CLIPS,
    "temp": Category.TEMP,
    "uploads": Category.UPLOADS,
}
_COMPUTERS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing was analysed before."""
NEVER_ARCHIVED: Final = frozenset({Category.TEMP, Category.CLIPS, Category.ARCHIVES})
"""What archives hold nothing of."""


@dataclass(frozen=True, slots=True)
class RunName:
    """A run's id, and when it was made where its name says so."""

    id: UUID
    stamped_at: datetime | None

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read `{uuid}` or `YYYYMMDD_HHMMSS_{uuid}` (UTC); None where a name is neither."""
        found = _RUN.fullmatch(name)
        if found is None:
            return None
        try:
            stamp = found["stamp"]
            stamped_at = None if stamp is None else datetime.strptime(stamp, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return None
        if stamped_at is not None and stamped_at < _COMPUTERS:
            return None
        return cls(UUID(found["id"]), stamped_at)


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """What an archive is called without its suffix, the run it is of, and its number among that run's archives."""

    base: str
    run: RunName | None
    number: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read the name of a file; None where it is no archive's."""
        archive = _ARCHIVE.fullmatch(name)
        if archive is None:
            return None
        base = archive["base"]
        found = _NUMBERED.fullmatch(base)
        run = None if found is None else RunName.parse(found["run"])
        number = 0 if found is None or run is None else int(found["number"] or 0)
        return cls(base, run, number)


def folder_name_of(job_id: UUID, created_at: datetime) -> str:
    """Return the folder name of a run: `YYYYMMDD_HHMMSS_{id}` in UTC."""
    return f"{created_at.astimezone(UTC):%Y%m%d_%H%M%S}_{job_id}"


def category_of(path: str) -> Category:
    """Return what a file of a run is for, by the innermost folder on its path that is called after a category."""
    for folder in reversed(PurePosixPath(path).parent.parts):
        category = _CATEGORIES.get(folder.casefold().replace("-", "_"))
        if category is not None:
            return category
    return Category.OUTPUTS


def archived_category_of(path: str) -> Category:
    """Return what a file in an archive is for, which is never something that archives do not hold."""
    category = category_of(path)
    return Category.OUTPUTS if category in NEVER_ARCHIVED else category


def media_type_of(path: str) -> str:
    """Return the media type that a name promises."""
    return type_of_extension(PurePosixPath(path).suffix.removeprefix("."))
