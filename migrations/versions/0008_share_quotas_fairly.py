"""Let an owner have a quota of a category, and let eviction find what goes first by owner and by given dates."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = depends_on = None

_STORED = sa.text("state = 'stored'")
_TRASHED = sa.text("state = 'trashed'")


def upgrade() -> None:
    op.add_column("category_policies", sa.Column("owner_quota_bytes", sa.BigInteger(), nullable=True))
    op.add_column(
        "media_files", sa.Column("arrived_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index("ix_ledger_category", "ledger", ["category", "owner"])
    op.create_index(
        "ix_media_files_oldest_dated", "media_files", ["category", "expiry_explicit", "id"], postgresql_where=_STORED
    )
    op.create_index(
        "ix_media_files_owner_oldest",
        "media_files",
        ["category", "owner", "expiry_explicit", "id"],
        postgresql_where=_STORED,
    )
    op.create_index(
        "ix_media_files_owner_trash",
        "media_files",
        ["category", "owner", "trashed_at", "id"],
        postgresql_where=_TRASHED,
    )
    op.drop_index("ix_media_files_oldest", table_name="media_files")


def downgrade() -> None:
    op.create_index("ix_media_files_oldest", "media_files", ["category", "id"], postgresql_where=_STORED)
    op.drop_index("ix_media_files_owner_trash", table_name="media_files")
    op.drop_index("ix_media_files_owner_oldest", table_name="media_files")
    op.drop_index("ix_media_files_oldest_dated", table_name="media_files")
    op.drop_index("ix_ledger_category", table_name="ledger")
    op.drop_column("media_files", "arrived_bytes")
    op.drop_column("category_policies", "owner_quota_bytes")
