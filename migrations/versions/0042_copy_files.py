"""Remember replicas of files, and those still to be made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = depends_on = None


def upgrade() -> None:
    op.create_table(
        "replicas",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("copied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heals", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_replicas")),
    )
    op.create_index("ix_replicas_due", "replicas", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "replica_places",
        sa.Column("singleton", sa.Boolean(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("categories", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("logged", "walk_after")),
        sa.Column("walked", sa.Uuid(), nullable=True),
        sa.Column("walk_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("singleton", name=op.f("ck_replica_places_single_row")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_replica_places")),
    )


def downgrade() -> None:
    op.drop_table("replica_places")
    op.drop_table("replicas")
