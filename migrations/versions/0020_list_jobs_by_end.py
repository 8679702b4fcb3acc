"""Let the files of a job be listed by their ends."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = depends_on = None

NAME = "ix_media_files_job_end"


def upgrade() -> None:
    of_jobs = sa.text("job_id IS NOT NULL AND expires_at IS NOT NULL AND state <> 'trashed'")
    op.create_index(NAME, "media_files", ["job_id", "expires_at", "id", "owner"], postgresql_where=of_jobs)


def downgrade() -> None:
    op.drop_index(NAME, "media_files")
