"""Remember in which trace a job was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("analysis_jobs", sa.Column("trace", sa.Text()))


def downgrade() -> None:
    op.drop_column("analysis_jobs", "trace")
