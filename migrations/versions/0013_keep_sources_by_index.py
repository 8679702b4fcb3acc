"""Say with each source of a job until when the job keeps it, so that an index answers who keeps a file longest."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("job_sources", sa.Column("until", sa.DateTime(timezone=True), nullable=True))
    op.execute("""
        UPDATE job_sources AS source SET until = greatest(job.leased_until, job.pinned_until)
        FROM analysis_jobs AS job
        WHERE job.id = source.job_id AND job.status IN ('pending', 'running')
            AND greatest(job.leased_until, job.pinned_until) IS NOT NULL
    """)
    op.create_index(
        "ix_job_sources_kept", "job_sources", ["file_id", "until"], postgresql_where=sa.text("until IS NOT NULL")
    )
    op.drop_index("ix_job_sources_file", table_name="job_sources")


def downgrade() -> None:
    op.create_index("ix_job_sources_file", "job_sources", ["file_id"])
    op.drop_index("ix_job_sources_kept", table_name="job_sources")
    op.drop_column("job_sources", "until")
