"""Claim jobs of all kinds by their own rows: lines of those that are open, who was served last, and no other queue."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = depends_on = None

QUEUE = (Path(__file__).parents[1] / "queue.sql").read_text()
LINE = "COALESCE(NULLIF(kind, 'external'), 'external:' || (parameters ->> 'analyser'))"
BY: list[str | sa.TextClause] = [
    "owner",
    sa.text("(NOT lifted)"),
    sa.text("(- priority)"),
    sa.text("(attempts = 0)"),
    sa.text("COALESCE(leased_until, retry_at, created_at)"),
    "id",
]
OPEN = "status IN ('pending', 'running') AND deleted_at IS NULL"
# As 0015 left them.
FORMER_LINES = """
    CREATE INDEX ix_pgqueuer_lines ON queue.pgqueuer (
        ('' || entrypoint), coalesce(headers ->> 'owner', ''), (headers ->> 'lifted' IS NULL), (-priority::bigint),
        (attempts = 0), execute_after, id
    ) WHERE coalesce(status, status) = 'queued'
"""


def upgrade() -> None:
    op.add_column("analysis_jobs", sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_column("analysis_jobs", "queue_id")
    op.drop_index("ix_analysis_jobs_external", "analysis_jobs")
    op.create_index(
        "ix_analysis_jobs_lines", "analysis_jobs", [sa.text(f"({LINE})"), *BY], postgresql_where=sa.text(OPEN)
    )
    op.create_index(
        "ix_analysis_jobs_begun",
        "analysis_jobs",
        [sa.text(f"({LINE})"), sa.text("('' || owner)"), "begun_at"],
        postgresql_where=sa.text("begun_at IS NOT NULL"),
    )
    op.drop_table("queue_turns")
    op.execute("DROP SCHEMA queue CASCADE")


def downgrade() -> None:
    """Go back to an empty queue: the earlier version's patrol puts the jobs in that wait."""
    op.execute(sa.text(QUEUE))
    op.execute(sa.text(FORMER_LINES))
    op.create_table(
        "queue_turns",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", "kind", name=op.f("pk_queue_turns")),
    )
    op.create_index("ix_queue_turns_served", "queue_turns", ["served_at"])
    op.drop_index("ix_analysis_jobs_begun", "analysis_jobs")
    op.drop_index("ix_analysis_jobs_lines", "analysis_jobs")
    op.create_index(
        "ix_analysis_jobs_external",
        "analysis_jobs",
        [sa.text("('external:' || (parameters ->> 'analyser'))"), *BY],
        postgresql_where=sa.text(f"('' || kind) = 'external' AND {OPEN}"),
    )
    op.add_column("analysis_jobs", sa.Column("queue_id", sa.BigInteger(), nullable=True))
    op.drop_column("analysis_jobs", "begun_at")
