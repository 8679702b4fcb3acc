"""Let the outbox delete once more what a writer that is gone may still have written."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("purges", sa.Column("again", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM purges WHERE again")
    op.drop_column("purges", "again")
