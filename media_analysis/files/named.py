"""Files by parts of their names: no index holds these, so some thousands are looked at in the order of the list."""

from typing import Final

from media_analysis.db.driver import Reads
from media_analysis.files.filters import FileFilter
from media_analysis.files.reading import DOCUMENT, PLACE, FilePage, FilePlace, list_files

MOST_LOOKED_AT: Final = 5_000
"""A page takes as long at a million files as at these."""
_DOCUMENTS: Final = f"""
    SELECT {DOCUMENT} FROM unnest($1::uuid[]) WITH ORDINALITY AS named (file_id, place)
    JOIN media_files AS file ON file.id = named.file_id ORDER BY named.place
"""  # noqa: S608 - constants


async def find_named(
    reads: Reads,
    wanted: FileFilter,
    name: str,
    *,
    after: FilePlace | None,
    limit: int,
    most_looked_at: int = MOST_LOOKED_AT,
) -> FilePage:
    """Return one page of the files whose names contain `name`, in any case.

    It may have few, or none, although another one comes: the next page looks at what was not looked at yet.
    """
    looked = await list_files(reads, wanted, after=after, limit=most_looked_at, shown=f"{PLACE}, file.filename")
    part = name.casefold()
    found = [file for file in looked.files if part in file["filename"].casefold()]
    rows = await reads.fetch(_DOCUMENTS, [file["id"] for file in found[:limit]]) if found else ()
    if len(found) <= limit:
        return FilePage(rows, looked.next_after)
    last = found[limit - 1]
    return FilePage(rows, FilePlace(last["id"], last["expires_at"] if wanted.expires_before else None))
