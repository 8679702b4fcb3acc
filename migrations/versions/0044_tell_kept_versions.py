"""Remember of what was deleted that its bucket kept the bytes as an older version."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column(
        "tombstones", sa.Column("versions_kept", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("tombstones", "versions_kept")
