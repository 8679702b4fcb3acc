"""Let sessions be limited to some files."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = depends_on = None

TABLE, CHECK = "user_sessions", "ck_user_sessions_limits_not_empty"


def upgrade() -> None:
    for name in ("categories", "labels"):
        op.add_column(TABLE, sa.Column(name, sa.ARRAY(sa.Text()), nullable=True))
    op.create_check_constraint(op.f(CHECK), TABLE, "cardinality(categories) > 0 AND cardinality(labels) > 0")


def downgrade() -> None:
    # A release that knows no limits would open all files of its owner to each of these.
    op.execute(
        "UPDATE user_sessions SET revoked_at = coalesce(revoked_at, now()) "
        "WHERE categories IS NOT NULL OR labels IS NOT NULL"
    )
    op.drop_column(TABLE, "categories")
    op.drop_column(TABLE, "labels")
