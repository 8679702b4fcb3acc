"""The indexes of living files: each list, queue and search of them is a range of one."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from media_analysis.db.ids import AGE, OWN_AGE, index_of_ends
from media_analysis.storage.category import Category

OWN_END: Final = "LEAST(expires_at, expires_at)"
"""An end as the index of each owner has it, for the reason that ids have."""
TEMP_AGE: Final = "GREATEST(id, id, id)"
OWN_TEMP_AGE: Final = "LEAST(id, id, id)"
TEMP_END: Final = "GREATEST(expires_at, expires_at)"
OWN_TEMP_END: Final = "LEAST(expires_at, expires_at, expires_at)"
"""The same within temp, of all and of each owner, as indexes have them that leave renditions out."""
RENDERED_INTO: Final = Category.TEMP
"""Where renditions are kept."""
DUE_AT_END: Final = "(due_at = expires_at)"
"""Whether the sweep takes a file at its end, as for those that nothing keeps."""
PREVIEW_ROLES: Final = ("poster", "storyboard_vtt", "waveform")
"""What of a preview a player shows."""
OF_PREVIEW: Final = text(f"role IN ({', '.join(map(repr, PREVIEW_ROLES))})")
_APART: Final = text("expires_at IS NOT NULL AND state <> 'trashed' AND due_at IS DISTINCT FROM expires_at")
_END: Final = text("COALESCE(expires_at, 'infinity'::timestamp with time zone)")
_STORED: Final = text("state = 'stored'")
_ENDING: Final = text("expires_at IS NOT NULL AND state <> 'trashed'")
_TRASHED: Final = text("state = 'trashed'")
_TEMP: Final = f"category = '{RENDERED_INTO}' AND rendition IS NULL"
_STORED_TEMP: Final = text(f"{_TEMP} AND state = 'stored'")
_ENDING_TEMP: Final = text(f"{_TEMP} AND expires_at IS NOT NULL AND state <> 'trashed'")
_KEPT: Final = text("rendition IS NOT NULL")
_ENDING_TRASH: Final = text("expires_at IS NOT NULL AND state = 'trashed'")


def content_digest(owner: str, sha256: str) -> str:
    """Return SQL for the two bytes by which an owner's contents are found, as the index has them."""
    return f"(hashtext({owner} || encode({sha256}, 'hex')) & 65535)"


FILE_INDEXES: Final[Sequence[ExcludeConstraint | Index]] = (
    # Unique, by hashes: an index of the keys themselves would be three times as large.
    ExcludeConstraint(("key", "="), using="hash", name="uq_media_files_key"),
    index_of_ends("ix_media_files_id_end"),
    # Lists by end read it, too: it tells what falls due at its end, and the index of ends has the others alone.
    Index(
        *("ix_media_files_due", "category", "due_at", "id", text(DUE_AT_END)),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    # Few at any time; without it, looking for abandoned uploads would read all that is due.
    Index("ix_media_files_pending", "category", "due_at", "id", postgresql_where=text("state = 'pending'")),
    # Of all and of each owner: lists read these backwards, eviction forwards; they tell what is over by themselves.
    Index("ix_media_files_stored", "category", "expiry_explicit", text(AGE), _END, postgresql_where=_STORED),
    Index(
        *("ix_media_files_owner_stored", "owner", "category", "expiry_explicit", text(OWN_AGE), _END),
        postgresql_where=_STORED,
    ),
    Index("ix_media_files_temp", text(TEMP_AGE), _END, postgresql_where=_STORED_TEMP),
    Index("ix_media_files_owner_temp", "owner", text(OWN_TEMP_AGE), _END, postgresql_where=_STORED_TEMP),
    Index("ix_media_files_temp_end", text(TEMP_END), "id", postgresql_where=_ENDING_TEMP),
    Index("ix_media_files_owner_temp_end", "owner", text(OWN_TEMP_END), "id", postgresql_where=_ENDING_TEMP),
    Index("ix_media_files_end", "category", "expires_at", "id", postgresql_where=_APART),
    Index("ix_media_files_owner_end", "owner", "category", text(OWN_END), "id", postgresql_where=_ENDING),
    Index("ix_media_files_job_newest", "job_id", text(AGE), _END, "owner", postgresql_where=text("job_id IS NOT NULL")),
    Index(
        "ix_media_files_job",
        "job_id",
        "category",
        "ordinal",
        "id",
        postgresql_where=text("job_id IS NOT NULL AND state <> 'trashed'"),
    ),
    Index(
        *("ix_media_files_job_end", "job_id", "expires_at", "id", "owner"),
        postgresql_where=text("job_id IS NOT NULL AND expires_at IS NOT NULL AND state <> 'trashed'"),
    ),
    Index("ix_media_files_parent", "parent_id", "id", postgresql_where=text("parent_id IS NOT NULL")),
    Index("ix_media_files_preview", "parent_id", "id", postgresql_where=OF_PREVIEW),
    Index(
        "uq_media_files_pending_place",
        "job_id",
        "job_fence",
        "role",
        "ordinal",
        unique=True,
        postgresql_where=text("role IS NOT NULL AND state = 'pending'"),
    ),
    Index(
        "uq_media_files_settled_place",
        "job_id",
        "role",
        "ordinal",
        unique=True,
        postgresql_where=text("role IS NOT NULL AND state <> 'pending'"),
    ),
    Index(
        "ix_media_files_owner_trash",
        "category",
        "owner",
        "trashed_at",
        "id",
        postgresql_where=text("state = 'trashed'"),
    ),
    Index("ix_media_files_trash", "category", "trashed_at", "id", postgresql_where=text("state = 'trashed'")),
    Index("ix_media_files_trashed", "category", text(AGE), postgresql_where=_TRASHED),
    Index("ix_media_files_owner_trashed", "owner", "category", text(OWN_AGE), postgresql_where=_TRASHED),
    Index("ix_media_files_trash_end", "category", "expires_at", "id", postgresql_where=_ENDING_TRASH),
    Index(
        *("ix_media_files_owner_trash_end", "owner", "category", text(OWN_END), "id"),
        postgresql_where=_ENDING_TRASH,
    ),
    # Who has these bytes already: two bytes of a hash, as of ids, and the rows say the rest.
    Index("ix_media_files_content", text(content_digest("owner", "sha256")), postgresql_where=_STORED),
    Index("uq_media_files_rendition", "parent_id", "rendition", unique=True, postgresql_where=_KEPT),
    Index("ix_media_files_damaged", "id", postgresql_where=text("last_error IS NOT NULL")),
    Index("ix_media_files_trash_sweep", "trash_sweep_id", postgresql_where=text("state = 'trashed'")),
)
