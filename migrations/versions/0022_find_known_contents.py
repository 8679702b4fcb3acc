"""Let an owner ask which contents are stored already."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = depends_on = None

NAME = "ix_media_files_content"


def upgrade() -> None:
    op.create_index(
        NAME,
        "media_files",
        [sa.text("(owner || encode(sha256, 'hex'))")],
        postgresql_using="hash",
        postgresql_where=sa.text("state = 'stored'"),
    )


def downgrade() -> None:
    op.drop_index(NAME, "media_files")
