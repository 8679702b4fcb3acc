"""Let kinds run by themselves on files that are stored."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = depends_on = None

TABLE = "upload_analyses"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("file_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "owner")),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in ("due_at", "ended_at")),
        sa.Column("made", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("file_id", "kind", name=op.f(f"pk_{TABLE}")),
    )
    op.create_index(f"ix_{TABLE}_due", TABLE, ["owner", "due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index(f"ix_{TABLE}_over", TABLE, [sa.text("coalesce(ended_at, created_at)")])
    op.create_table(
        "analysis_places",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("logged", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_analysis_places")),
    )


def downgrade() -> None:
    op.drop_table("analysis_places")
    op.drop_table(TABLE)
