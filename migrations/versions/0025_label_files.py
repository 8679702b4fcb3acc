"""Let files have labels, and what stays of deleted and archived ones remember them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = depends_on = None

TABLES = ("media_files", "tombstones", "archived_files")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("labels", JSONB(), nullable=True))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "labels")
