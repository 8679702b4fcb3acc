"""Tables for spreadsheets: CSV (RFC 4180) in which what users wrote stays text."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

_BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_rows(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as lines of CSV; documents are JSON in their cell, and what is null is empty.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    lines = io.StringIO()
    csv.writer(lines).writerows([_cell(value) for value in row] for row in rows)
    return lines.getvalue()


def _cell(value: Any) -> object:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS_FORMULA) else value
