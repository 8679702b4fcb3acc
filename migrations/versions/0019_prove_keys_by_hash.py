"""Let no two files have one key by an index of hashes, a third as large as one of the keys themselves."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = depends_on = None

NAME = "uq_media_files_key"


def upgrade() -> None:
    op.drop_constraint(NAME, "media_files")
    op.create_exclude_constraint(NAME, "media_files", ("key", "="), using="hash")


def downgrade() -> None:
    op.drop_constraint(NAME, "media_files")
    op.create_unique_constraint(NAME, "media_files", ["key"])
