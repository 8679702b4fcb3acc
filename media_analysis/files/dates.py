"""When a sweep may next act on a file (`due_at`), spelled once: of a stored one as text, of any as an expression."""

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
