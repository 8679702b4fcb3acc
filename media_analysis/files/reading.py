"""Living files as whoever holds a token may see them: who asks and what is asked for in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from media_analysis.db.driver import Reads
from media_analysis.errors import DatabaseUnavailable
from media_analysis.files.filters import FileFilter
from media_analysis.files.labelled import lists_of_files, numbering
from media_analysis.files.parts import ListPart, list_parts
from media_analysis.sessions.queries import CALLER
from media_analysis.states import FileState

Row = Mapping[str, Any]
_HELD: Final = "greatest(file.held_until, file.job_held_until)"
_OWN_HOLD: Final = "file.held_until > now()"
_ALIVE: Final = "file.state <> 'trashed' AND (file.expires_at IS NULL OR file.expires_at > now())"
_VISIBLE: Final = "(caller.sees_all OR file.owner = caller.owner)"
DOCUMENT: Final = f"""
    file.id::text, file.owner, file.category::text, file.state::text, file.filename, file.media_type, file.size_bytes,
    encode(file.sha256, 'hex') AS sha256, file.created_at, file.expires_at, file.job_id::text, file.parent_id::text,
    coalesce(file.labels, '{{}}')::text AS labels, file.role, file.ordinal, file.instant_seconds,
    coalesce({_HELD} > now(), false) AS held,
    CASE WHEN {_HELD} > now() AND isfinite({_HELD}) THEN {_HELD} END AS held_until,
    CASE WHEN {_OWN_HOLD} THEN file.hold_reason END AS hold_reason,
    CASE WHEN {_OWN_HOLD} THEN file.held_by END AS held_by,
    file.trashed_at, file.trash_ends_at AS restorable_until, file.trash_rule::text AS rule
"""
"""A file's columns as its document tells them, in the document's order; ids are text there, and labels are JSON."""
PLACE: Final = "file.id, file.expires_at"
"""What of a file says where it stands in a list."""
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
_RENDITION: Final = f"""
    WITH caller AS ({CALLER})
    SELECT file.id, kept.key, kept.filename, kept.media_type, kept.size_bytes, kept.sha256, file.stored_at,
        caller.id AS session_id, caller.owner AS reader, caller.role
    FROM caller JOIN media_files AS file ON {_VISIBLE}
    JOIN media_files AS kept ON kept.parent_id = file.id AND kept.rendition = $3
    WHERE file.id = $2 AND {_ALIVE} AND file.state = 'stored'
        AND kept.state = 'stored' AND kept.last_error IS NULL AND (kept.expires_at IS NULL OR kept.expires_at > now())
"""  # noqa: S608 - as above
_PAGE_OF_CALLER: Final = f"""
    WITH caller AS ({CALLER})
    SELECT listed.* FROM caller LEFT JOIN ({{page}}) AS listed ON true WHERE caller.id = $2
"""  # noqa: S608 - constants, and a place for a page
_LIMITS: Final = (11, 21, 51, 101, 201, 501, 1001, 5001)
"""How many rows a page is looked for among: any number, and each would be a statement of its own to prepare."""


class FilePlace(NamedTuple):
    """The file after which a page begins; `ends_at` counts where files are listed by their ends."""

    id: UUID
    ends_at: datetime | None = None


class FilePage(NamedTuple):
    """The documents of some files, and after which the next page begins."""

    files: Sequence[Row]
    next_after: FilePlace | None

    @classmethod
    def of(cls, rows: Sequence[Row], wanted: FileFilter, limit: int) -> Self:
        """Return the page of at most `limit` rows, of which at least one more was looked for."""
        if len(rows) <= limit:
            return cls(rows, None)
        last = rows[limit - 1]
        return cls(
            rows[:limit], FilePlace(UUID(str(last["id"])), last["expires_at"] if wanted.expires_before else None)
        )


def select_page(
    wanted: FileFilter, *, after: FilePlace | None, limit: int, given: list[object], shown: str = DOCUMENT
) -> str:
    """Return the query for what is `shown` of one page, and some more; what it asks for by number is added to `given`.

    Each part is a range of one index in the order of the page, and they are merged.
    """
    number = numbering(given)
    conditions = [label.condition(number, "file.labels") for label in wanted.labels]
    if not wanted.renditions:
        conditions.append("file.rendition IS NULL")
    if wanted.owner is not None:
        conditions.append(f"file.owner = {number(wanted.owner)}")
    if wanted.job_id is not None:
        conditions.append(f"file.job_id = {number(wanted.job_id)}")
    if wanted.expires_before is not None:
        conditions.append(f"{{place}} < {number(wanted.expires_before)}")
    if after is not None and wanted.expires_before is not None:
        conditions.append(f"({{place}}, {{file_id}}) > ({number(after.ends_at)}, {number(after.id)})")
    elif after is not None:
        conditions.append(f"{{place}} < {number(after.id)}")
    # Were the limit a parameter, a generic plan would take a tenth of the table to be wanted.
    order = "{0}place DESC" if wanted.expires_before is None else "{0}place, {1}"
    end = f"LIMIT {next(most for most in _LIMITS if most > limit)}"

    def select_part(part: ListPart) -> str:
        asked = " AND ".join([*conditions, *part.conditions])
        asked = asked.replace("{place}", part.place).replace("{file_id}", part.file_id)
        ordered = f"ORDER BY {order.format('', part.file_id)} {end}"
        return f"(SELECT file.*, {part.place} AS place FROM {part.source} WHERE {asked} {ordered})"  # noqa: S608 - fragments of ours

    merged = " UNION ALL ".join(map(select_part, list_parts(wanted, number)))
    # Without its table, `id` would be the text that is shown.
    return f"SELECT {shown} FROM ({merged}) AS file ORDER BY {order.format('file.', 'file.id')} {end}"  # noqa: S608 - as above


async def list_files(
    reads: Reads, wanted: FileFilter, *, after: FilePlace | None, limit: int, shown: str = DOCUMENT
) -> FilePage:
    """Return one page of living files, or of the trash where `wanted` says so; of each what is `shown`."""
    if not wanted.categories:
        return FilePage((), None)
    given: list[object] = []
    wanted = await with_rarest_first(reads, wanted)
    page = select_page(wanted, after=after, limit=limit, given=given, shown=shown)
    return FilePage.of(await reads.fetch(page, *given), wanted, limit)


async def with_rarest_first(reads: Reads, wanted: FileFilter) -> FileFilter:
    """Return the same filter, whose list is read along the label that fewest files have."""
    lists = lists_of_files(wanted.owner, wanted.categories, wanted.state or FileState.STORED)
    return replace(wanted, labels=await lists.rarest_first(reads, wanted.labels))


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

    async def find_rendition(self, token_hash: bytes, file_id: UUID, name: str) -> StoredContent | None:
        """Return what is to be known of a picture that is kept of a file to send it, as old as that; None as above."""
        row = await self._one(_RENDITION, token_hash, file_id, name)
        return None if row is None else StoredContent(*row.values())

    async def list(
        self, token_hash: bytes, session_id: UUID, wanted: FileFilter, *, after: FilePlace | None, limit: int
    ) -> FilePage | None:
        """Return a page as `list_files` does for a session that may see it; None if that is not known to be in use.

        None, too, where several labels are asked for, of which the rarest would have to be found first.
        """
        given: list[object] = [token_hash, session_id]
        if sum(label.wanted for label in wanted.labels) > 1:
            return None
        page = select_page(wanted, after=after, limit=limit, given=given)
        rows = await self._fetch(_PAGE_OF_CALLER.format(page=page), *given)
        if not rows:
            return None
        return FilePage.of([] if rows[0]["id"] is None else rows, wanted, limit)

    async def _one(self, statement: str, *given: object) -> Row | None:
        rows = await self._fetch(statement, *given)
        return rows[0] if rows else None

    async def _fetch(self, statement: str, *given: object) -> Sequence[Row]:
        try:
            return await self.reads.fetch(statement, *given)
        except DatabaseUnavailable:
            return ()  # a connection that is lost says nothing of the others, on which services try again
