"""The files that a job analyses, as far as they are still there."""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from media_analysis.errors import FileGone, FileNotFound
from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.sessions.service import Caller


async def list_files(services: Runtime, caller: Caller, ids: Sequence[UUID]) -> Sequence[MediaFile]:
    """Return those of some files that live and that the caller may see, in the same order."""
    found = []
    for file_id in ids:
        with suppress(FileNotFound, FileGone):
            found.append(await services.files.catalog.get(file_id, owner=caller.scope))
    return found
