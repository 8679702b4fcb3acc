"""Count by day what went, beside what came."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = depends_on = None

COLUMNS = ("gone_files", "gone_bytes")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("ledger_days", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("ledger_days", name)
