"""Remember where stores move to, and what was copied."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "store_moves",
        sa.Column("id", sa.Uuid(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("part", "source", "target")),
        sa.Column("started_at", instant, server_default=sa.func.now(), nullable=False),
        *(sa.Column(name, instant) for name in ("switched_at", "cancelled_at", "emptied_at")),
    )
    op.create_index(
        "uq_store_moves_under_way",
        "store_moves",
        [sa.text("(true)")],
        unique=True,
        postgresql_where=sa.text("switched_at IS NULL AND cancelled_at IS NULL"),
    )
    op.create_table(
        "store_copies",
        sa.Column("move_id", sa.Uuid(), sa.ForeignKey("store_moves.id"), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("file_id", sa.Uuid()),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        *(sa.Column(name, instant) for name in ("copied_at", "deleted_at")),
        sa.Column("last_error", sa.Text()),
    )


def downgrade() -> None:
    op.drop_table("store_copies")
    op.drop_table("store_moves")
