"""Let files, what stays of them, jobs and sessions be found by the last digits of their ids."""

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"
branch_labels = depends_on = None

TABLES = ("media_files", "tombstones", "analysis_jobs", "user_sessions")
END = "substr(uuid_send(id), 15)"


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_id_end", table, [text(END)])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_index(f"ix_{table}_id_end", table)
