"""Keys: where an object lies below the store's root; nothing a client said ever becomes part of one."""

import re
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from media_analysis.storage.category import Category

LONGEST_KEY_BYTES: Final = 2_560
"""PostgreSQL indexes keys while objects are moved, and no entry of an index has more than a third of a page."""
_SAFE_EXTENSION: Final = re.compile(r"[a-z0-9]{1,8}")


def object_key(
    category: Category,
    file_id: UUID,
    *,
    extension: str,
    day: datetime,
    parent_id: UUID | None,
    job_id: UUID | None,
    run: str | None = None,
) -> str:
    """Return the key of a new object: the category's folder, then the id and a safe extension.

    `day` is an instant in UTC; frames gather under the video they came from, temp files under their job, those of
    none under their day, and what a job's run puts out under the folder name that is its own, `run`.
    """
    name = f"{file_id}.{extension if _SAFE_EXTENSION.fullmatch(extension) else 'bin'}"
    folder = _folder(category, day, parent_id, job_id)
    return f"{folder}/{run}/{name}" if run is not None and category is Category.OUTPUTS else f"{folder}/{name}"


def _folder(category: Category, day: datetime, parent_id: UUID | None, job_id: UUID | None) -> str:  # noqa: PLR0911
    match category:
        case Category.UPLOADS:
            return f"uploads/{_date(day)}"
        case Category.FRAMES:
            return f"frames/{parent_id or _date(day)}"
        case Category.CONTACT_SHEETS:
            return f"contact-sheets/{_date(day)}"
        case Category.OUTPUTS:
            return f"outputs/{_date(day)}"
        case Category.TEMP:
            return f"temp/{job_id or _date(day)}"
        case Category.CLIPS:
            return "clips"
        case Category.ARCHIVES:
            return f"archives/{day:%Y/%m}"
    assert_never(category)


def _date(day: datetime) -> str:
    return day.date().isoformat()  # a format would be read anew each time


def folder_of(category: Category) -> str:
    """Return the folder in the root in which everything of a category lies."""
    return category.value.replace("_", "-")


def archive_key(name: str, *, day: datetime) -> str:
    """Return the key of an archive, which is called after its run, by the month it is made in."""
    return f"{_folder(Category.ARCHIVES, day, None, None)}/{name}"


def is_short(name: str) -> bool:
    """Say whether a name that is not ours is short enough for a key."""
    return len(name.encode()) <= LONGEST_KEY_BYTES
