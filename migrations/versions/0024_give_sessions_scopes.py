"""Let sessions be made for some things only."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = depends_on = None

TABLE, CHECK = "user_sessions", "ck_user_sessions_own_scopes_not_empty"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("own_scopes", sa.ARRAY(sa.Text()), nullable=True))
    op.create_check_constraint(op.f(CHECK), TABLE, "cardinality(own_scopes) > 0")


def downgrade() -> None:
    # A release that knows no scopes would take each of these for all that its role may do.
    op.execute("UPDATE user_sessions SET revoked_at = coalesce(revoked_at, now()) WHERE own_scopes IS NOT NULL")
    op.drop_column(TABLE, "own_scopes")
