"""Find the jobs of an owner that wait, however many others do."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_analysis_jobs_waiting", "analysis_jobs", ["owner", "id"], postgresql_where=sa.text("status = 'pending'")
    )


def downgrade() -> None:
    op.drop_index("ix_analysis_jobs_waiting", table_name="analysis_jobs")
