"""The SQL types of what is said in one word, and whether what has an end has ended."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, or_
from sqlalchemy.dialects.postgresql import JSONB

from media_analysis.db.base import native_enum
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

CATEGORY = native_enum(Category)
FILE_STATE = native_enum(FileState)
RETENTION_RULE = native_enum(RetentionRule)
LABELS = JSONB(none_as_null=True)
"""Of a thing without labels NULL, never an empty mapping."""


def living(expires_at: str, at: str = ":now") -> str:
    """Return the SQL of whether an end is still to come: at that very instant it is over."""
    return f"coalesce({expires_at} > {at}, true)"


def is_living(expires_at: SQLColumnExpression[Any], at: SQLColumnExpression[Any] | datetime) -> ColumnElement[bool]:
    """Return the same as an expression."""
    return or_(expires_at.is_(None), expires_at > at)
