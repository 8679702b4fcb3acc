"""Let evictions be paused alone, count them and deletions by the hour, and remember the disk's last marks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0009"
branch_labels = depends_on = None

CAUSES = ("share", "median", "clock", "operator")
MARKS = ("disk_high_percent", "disk_low_percent", "disk_reserve_bytes")


def upgrade() -> None:
    for cause in ("eviction", "marks"):
        op.execute(f"ALTER TYPE pause_cause ADD VALUE '{cause}'")
    for name in MARKS:
        op.add_column("instance", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_tombstones_evicted",
        "tombstones",
        ["category", "deleted_at"],
        postgresql_include=["size_bytes"],
        postgresql_where=sa.text("rule = 'pressure'"),
    )

    op.create_index(
        "ix_tombstones_requested",
        "tombstones",
        ["deleted_at"],
        postgresql_include=["category", "trashed_at"],
        postgresql_where=sa.text("rule = 'requested'"),
    )


def downgrade() -> None:
    """Go back; a pause of evictions becomes an operator's, which stops all deletion until somebody resumes it."""
    op.drop_index("ix_tombstones_requested", table_name="tombstones")
    op.drop_index("ix_tombstones_evicted", table_name="tombstones")
    for name in reversed(MARKS):
        op.drop_column("instance", name)
    op.execute("ALTER TYPE pause_cause RENAME TO pause_cause_grown")
    postgresql.ENUM(*CAUSES, name="pause_cause").create(op.get_bind())
    op.execute(
        "ALTER TABLE pauses ALTER COLUMN cause TYPE pause_cause USING "
        "(CASE WHEN cause::text IN ('eviction', 'marks') THEN 'operator' ELSE cause::text END)::pause_cause"
    )
    op.execute("DROP TYPE pause_cause_grown")
