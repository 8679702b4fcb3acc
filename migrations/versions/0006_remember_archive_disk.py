"""Remember whether archives lie on a disk of their own, so that nobody looks for them elsewhere by mistake."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("instance", sa.Column("archives_apart", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("instance", "archives_apart")
