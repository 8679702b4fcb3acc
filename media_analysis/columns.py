"""The SQL types of what is said in one word."""

from media_analysis.db.base import native_enum
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

CATEGORY = native_enum(Category)
FILE_STATE = native_enum(FileState)
RETENTION_RULE = native_enum(RetentionRule)
