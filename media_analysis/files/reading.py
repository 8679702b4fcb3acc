"""Living files as whoever holds a token may see them: who asks and what is asked for in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from media_analysis.db.driver import Reads
from media_analysis.files.queries import FileFilter
from media_analysis.sessions.queries import CALLER
from media_analysis.states import FileState

Row = Mapping[str, Any]
_HELD: Final = "greatest(file.held_until, file.job_held_until)"
_OWN_HOLD: Final = "file.held_until > now()"
_ALIVE: Final = "file.state <> 'trashed' AND (file.expires_at IS NULL OR file.expires_at > now())"
_VISIBLE: Final = "(caller.sees_all OR file.owner = caller.owner)"
DOCUMENT: Final = f"""
    file.id, file.owner, file.category::text, file.state::text, file.filename, file.media_type, file.size_bytes,
    encode(file.sha256, 'hex') AS sha256, file.created_at, file.expires_at, file.job_id, file.parent_id, file.role,
    file.ordinal, file.instant_seconds, coalesce({_HELD} > now(), false) AS held,
    CASE WHEN {_HELD} > now() AND isfinite({_HELD}) THEN {_HELD} END AS held_until,
    CASE WHEN {_OWN_HOLD} THEN file.hold_reason END AS hold_reason,
    CASE WHEN {_OWN_HOLD} THEN file.held_by END AS held_by,
    file.trashed_at, file.trash_ends_at AS restorable_until, file.trash_rule::text AS rule
"""
"""A file's columns as its document tells them, in the document's order."""
_FILE: Final = f"""
    WITH caller AS ({CALLER})
    SELECT {DOCUMENT} FROM caller JOIN media_files AS file ON {_VISIBLE} WHERE file.id = $2 AND {_ALIVE}
"""  # noqa: S608 - constants
_CONTENT: Final = f"""
    WITH caller AS ({CALLER})
    SELECT file.id, file.key, file.filename, file.media_type, file.size_bytes, file.sha256, file.stored_at,
        caller.id AS session_id, caller.owner AS reader, caller.role
    FROM caller JOIN media_files AS file ON {_VISIBLE}
    WHERE file.id = $2 AND {_ALIVE} AND file.state = 'stored' AND file.last_error IS NULL
"""  # noqa: S608 - as above


_LIST: Final = f"""
    WITH caller AS ({CALLER})
    SELECT listed.* FROM caller LEFT JOIN LATERAL (
        (SELECT {DOCUMENT} FROM media_files AS file WHERE {{theirs}} ORDER BY file.id DESC LIMIT $2)
        UNION ALL
        (SELECT {DOCUMENT} FROM media_files AS file WHERE {{all}} ORDER BY file.id DESC LIMIT $2)
    ) AS listed ON true
"""  # noqa: S608 - constants, and places for conditions
"""One of the two parts is run: of the files of whoever asks, or of all, which administrators may see."""


class StoredContent(NamedTuple):
    """A stored file's bytes as they are sent, and who reads them."""

    id: UUID
    key: str
    filename: str
    media_type: str
    size_bytes: int
    sha256: bytes | None
    stored_at: datetime
    session_id: UUID
    reader: str
    role: str


@dataclass(frozen=True)
class ReadingService:
    """The usual questions of a known session about living files; what they do not find, `FileService` explains."""

    reads: Reads

    async def describe(self, token_hash: bytes, file_id: UUID) -> Row | None:
        """Return the document of a living file; None if there is none, or the session is not known to be in use."""
        return await self._one(_FILE, token_hash, file_id)

    async def find_content(self, token_hash: bytes, file_id: UUID) -> StoredContent | None:
        """Return what is to be known of a whole, stored file to send its bytes; None as above."""
        row = await self._one(_CONTENT, token_hash, file_id)
        return None if row is None else StoredContent(*row.values())

    async def list(
        self, token_hash: bytes, wanted: FileFilter, *, before: UUID | None, limit: int
    ) -> Sequence[Row] | None:
        """Return the documents of living files, newest first; None if the session is not known to be in use.

        An owner that `wanted` names counts for administrators alone: others see their own files.
        """
        given: list[object] = [token_hash, limit]
        conditions = []

        def require(condition: str, value: object) -> None:
            if value is not None:
                given.append(value)
                conditions.append(condition.format(f"${len(given)}"))

        require("file.id < {}", before)
        require("file.category = {}::category", wanted.category)
        require("file.job_id = {}", wanted.job_id)
        require("file.state = {}::file_state", wanted.state)
        require("file.expires_at < {}", wanted.expires_before)
        if wanted.state is not FileState.TRASHED:
            conditions.append(_ALIVE)
        theirs = " AND ".join(["NOT caller.sees_all", "file.owner = caller.owner", *conditions])
        require("file.owner = {}", wanted.owner)
        all_ = " AND ".join(["caller.sees_all", *conditions])
        rows = await self.reads.fetch(_LIST.format(theirs=theirs, all=all_), *given)
        return None if not rows else [] if rows[0]["id"] is None else rows

    async def _one(self, statement: str, *given: object) -> Row | None:
        rows = await self.reads.fetch(statement, *given)
        return rows[0] if rows else None
