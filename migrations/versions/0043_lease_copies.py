"""Tell who copies a file by a lease of its own: numbers of attempts begin anew, and one may be had twice."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("replicas", sa.Column("lease_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("replicas", "lease_id")
