"""What keeps a file, when it goes, and when a sweep may next act on it (`due_at`): the SQL of what `decide` says."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, case, func, literal

from media_analysis.files.models import MediaFile
from media_analysis.states import FOREVER, FileState


def due_at(ends_at: str, *protections: str) -> str:
    """Return the SQL of when a sweep may next act on a stored file: at its end, once its protections are over.

    NULL is never: it has no end, or a hold that has none. Its Python twin is `policy.decision.decide`.
    """
    last = ", ".join((ends_at, *protections))  # greatest() skips NULLs
    return f"CASE WHEN {ends_at} IS NOT NULL THEN nullif(greatest({last}), 'infinity') END"


def protection(file: str = "media_files", at: str = ":now") -> str:
    """Return the SQL of the rule that keeps a file whatever its expiry says, or NULL, as `decision.find_protection`."""
    return f"""CASE
        WHEN {file}.state = 'pending' THEN NULL
        WHEN {held_until(file)} > {at} THEN 'hold'
        WHEN {file}.state = 'trashed' THEN NULL
        WHEN {file}.leased_until > {at} THEN 'job_lease'
        WHEN {file}.min_retain_until > {at} THEN 'minimum_retention'
    END"""


def held_until(file: str = "media_files") -> str:
    """Return the SQL of when the longer of a file's two holds ends; `infinity` is with its release."""
    return f"greatest({file}.held_until, {file}.job_held_until)"


def goes_at(file: str = "media_files") -> str:
    """Return the SQL of the first instant at which `decision.decide` lets a file go as it stands; NULL is never."""
    kept_until = (f"{file}.min_retain_until", held_until(file), f"{file}.leased_until")
    return f"""CASE {file}.state
        WHEN 'pending' THEN {file}.due_at
        WHEN 'trashed' THEN {due_at(f"{file}.trash_ends_at", held_until(file))}
        ELSE {due_at(f"{file}.expires_at", *kept_until)}
    END"""


def next_due(
    *,
    expires_at: SQLColumnExpression[Any] = MediaFile.expires_at,
    held_until: SQLColumnExpression[Any] = MediaFile.held_until,
    job_held_until: SQLColumnExpression[Any] = MediaFile.job_held_until,
) -> ColumnElement[datetime | None]:
    """Return when a sweep may next act on a row, for an UPDATE that changes what is given.

    Holds that ended change nothing; one without an end takes the row out of the index. A lease may make it early.
    """
    ends_at = case(
        (MediaFile.state == FileState.TRASHED, MediaFile.trash_ends_at),
        (expires_at.is_not(None), func.greatest(expires_at, MediaFile.min_retain_until)),
    )
    last = func.greatest(ends_at, held_until, job_held_until)  # which skips NULLs
    return case(
        (MediaFile.state == FileState.PENDING, MediaFile.due_at),
        (ends_at.is_not(None), func.nullif(last, literal(FOREVER))),
    )
