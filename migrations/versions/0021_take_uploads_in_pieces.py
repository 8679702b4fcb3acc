"""Take uploads whose bytes come in several requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = depends_on = None

TABLE = "resumable_uploads"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("wish", JSONB(), nullable=False),
        sa.Column("metadata_text", sa.Text(), nullable=False),
        sa.Column("concat", sa.Text(), nullable=True),
        sa.Column("joined_id", sa.Uuid(), nullable=True),
        sa.Column("length_bytes", sa.BigInteger(), nullable=True),
        sa.Column("offset_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_finished", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.Column("ends_at", instant, nullable=False),
        sa.CheckConstraint(
            "offset_bytes >= 0 AND offset_bytes <= length_bytes", name=op.f("ck_resumable_uploads_offset_within_length")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable_uploads")),
    )
    unfinished = sa.text("NOT is_finished")
    op.create_index("ix_resumable_uploads_owner", TABLE, ["owner", "id"], postgresql_where=unfinished)
    op.create_index("ix_resumable_uploads_unfinished", TABLE, ["id"], postgresql_where=unfinished)
    op.create_index("ix_resumable_uploads_ends_at", TABLE, ["ends_at"])


def downgrade() -> None:
    op.drop_table(TABLE)
