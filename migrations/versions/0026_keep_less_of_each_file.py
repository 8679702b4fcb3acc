"""Keep less of each file: no counters once it is stored, no second index of ends, a smaller one of contents."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = depends_on = None

TABLE = "media_files"
STORED = sa.text("state = 'stored'")
DUE = sa.text("due_at IS NOT NULL")
ENDING = "expires_at IS NOT NULL AND state <> 'trashed'"
APART = sa.text(f"{ENDING} AND due_at IS DISTINCT FROM expires_at")
COUNTERS = ("reserved_bytes", "arrived_bytes")


def upgrade() -> None:
    for name in COUNTERS:
        op.alter_column(TABLE, name, nullable=True, server_default=None)
    for name in ("due", "end", "content"):
        op.drop_index(f"ix_media_files_{name}", TABLE)
    op.create_index(
        "ix_media_files_due",
        TABLE,
        ["category", "due_at", "id", sa.text("(due_at = expires_at)")],
        postgresql_where=DUE,
    )
    op.create_index("ix_media_files_end", TABLE, ["category", "expires_at", "id"], postgresql_where=APART)
    digest = sa.text("(hashtext(owner || encode(sha256, 'hex')) & 65535)")
    op.create_index("ix_media_files_content", TABLE, [digest], postgresql_where=STORED)


def downgrade() -> None:
    for name in ("due", "end", "content"):
        op.drop_index(f"ix_media_files_{name}", TABLE)
    op.create_index("ix_media_files_due", TABLE, ["category", "due_at", "id"], postgresql_where=DUE)
    op.create_index("ix_media_files_end", TABLE, ["category", "expires_at", "id"], postgresql_where=sa.text(ENDING))
    whole = sa.text("(owner || encode(sha256, 'hex'))")
    op.create_index("ix_media_files_content", TABLE, [whole], postgresql_using="hash", postgresql_where=STORED)
    zeroes = ", ".join(f"{name} = coalesce({name}, 0)" for name in COUNTERS)
    op.execute(f"UPDATE {TABLE} SET {zeroes} WHERE {' IS NULL OR '.join(COUNTERS)} IS NULL")  # noqa: S608 - constants
    for name in COUNTERS:
        op.alter_column(TABLE, name, nullable=False)
    op.alter_column(TABLE, "arrived_bytes", server_default="0")
