"""Let lists and eviction share the indexes of what is stored, and list what ends next by its end."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = depends_on = None

STORED = sa.text("state = 'stored'")
TRASHED = sa.text("state = 'trashed'")
END = sa.text("COALESCE(expires_at, 'infinity'::timestamp with time zone)")
AGE = sa.text("GREATEST(id, id)")
OWN_AGE = sa.text("LEAST(id, id)")
OWN_END = sa.text("LEAST(expires_at, expires_at)")
ENDING = sa.text("expires_at IS NOT NULL AND state <> 'trashed'")
ADDED: dict[str, tuple[list[str | sa.TextClause], sa.TextClause]] = {
    "stored": (["category", "expiry_explicit", AGE, END], STORED),
    "owner_stored": (["owner", "category", "expiry_explicit", OWN_AGE, END], STORED),
    "end": (["category", "expires_at", "id"], ENDING),
    "owner_end": (["owner", "category", OWN_END, "id"], ENDING),
    "job_newest": (["job_id", AGE, END, "owner"], sa.text("job_id IS NOT NULL")),
    "trashed": ([AGE], TRASHED),
    "owner_trashed": (["owner", OWN_AGE], TRASHED),
}
FORMER: dict[str, tuple[list[str], sa.TextClause | None]] = {
    "owner": (["owner", "id"], None),
    "owner_category": (["owner", "category", "id"], None),
    "owner_oldest": (["category", "owner", "expiry_explicit", "id"], STORED),
    "oldest_dated": (["category", "expiry_explicit", "id"], STORED),
}


def upgrade() -> None:
    for name in FORMER:
        op.drop_index(f"ix_media_files_{name}", "media_files")
    for name, (columns, where) in ADDED.items():
        op.create_index(f"ix_media_files_{name}", "media_files", columns, postgresql_where=where)


def downgrade() -> None:
    for name in ADDED:
        op.drop_index(f"ix_media_files_{name}", "media_files")
    for name, (columns, where) in FORMER.items():
        op.create_index(f"ix_media_files_{name}", "media_files", columns, postgresql_where=where)
