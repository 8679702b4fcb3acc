"""What somebody asks of the services, in few words."""

from uuid import UUID

from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.retention.families import FileDeletion
from media_analysis.retention.file_deletion import FileDeletionService
from media_analysis.runtime import Runtime


async def delete_file(
    runtime: Runtime,
    file_id: UUID,
    *,
    owner: str | None,
    actor: str,
    reason: str | None = None,
    hard: bool = False,
    secure: bool = False,
    soft: bool = False,
    derived: bool = True,
    deleter: Deleter | None = None,
) -> FileDeletion:
    """Delete one file, in one way or by a deleter of its own."""
    asked = DeletionRequest(actor=actor, reason=reason, hard=hard, secure=secure, soft=soft)
    return await FileDeletionService(runtime.db, deleter or runtime.deletion.deleter).delete(
        file_id, asked, owner=owner, derived=derived
    )
