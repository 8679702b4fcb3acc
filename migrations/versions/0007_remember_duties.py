"""Remember of every scheduled duty which slot is due, so that what fails or is missed is not lost."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "duties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("due_at", instant),
        sa.Column("claimed_until", instant),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("retry_at", instant),
        sa.Column("succeeded_at", instant),
        sa.Column("failed_at", instant),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("name", name="pk_duties"),
    )


def downgrade() -> None:
    op.drop_table("duties")
