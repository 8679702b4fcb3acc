"""Let a session come of another, whose token somebody signed in with, and end with it."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = depends_on = None

INDEX = "ix_user_sessions_parent"


def upgrade() -> None:
    op.add_column("user_sessions", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.create_index(INDEX, "user_sessions", ["parent_id"], postgresql_where=sa.text("parent_id IS NOT NULL"))


def downgrade() -> None:
    # A release that does not know whom these came of would leave them good when that session ends.
    op.execute("UPDATE user_sessions SET revoked_at = coalesce(revoked_at, now()) WHERE parent_id IS NOT NULL")
    op.drop_index(INDEX, "user_sessions")
    op.drop_column("user_sessions", "parent_id")
