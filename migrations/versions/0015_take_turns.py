"""Let owners take turns at the queue: who was served when, what is lifted across owners, and how to find heads."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = depends_on = None

# An expression: else, knowing too little of what waits, the planner takes the index of kinds.
OPEN = "('' || kind) = 'external' AND status IN ('pending', 'running') AND deleted_at IS NULL"
FORMER = "kind = 'external' AND status IN ('pending', 'running')"
# Expressions for the same reason: the library has indexes of its own.
LINES = """
    CREATE INDEX ix_pgqueuer_lines ON queue.pgqueuer (
        ('' || entrypoint), coalesce(headers ->> 'owner', ''), (headers ->> 'lifted' IS NULL), (-priority\\:\\:bigint),
        (attempts = 0), execute_after, id
    ) WHERE coalesce(status, status) = 'queued'
"""


def upgrade() -> None:
    op.create_table(
        "queue_turns",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", "kind", name=op.f("pk_queue_turns")),
    )
    op.create_index("ix_queue_turns_served", "queue_turns", ["served_at"])
    op.add_column("analysis_jobs", sa.Column("lifted", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index("ix_analysis_jobs_external", "analysis_jobs")
    op.create_index(
        "ix_analysis_jobs_external",
        "analysis_jobs",
        [
            sa.text("('external:' || (parameters ->> 'analyser'))"),
            "owner",
            sa.text("(NOT lifted)"),
            sa.text("(- priority)"),
            sa.text("(attempts = 0)"),
            sa.text("COALESCE(leased_until, retry_at, created_at)"),
            "id",
        ],
        postgresql_where=sa.text(OPEN),
    )
    op.execute("""
        UPDATE queue.pgqueuer AS entry SET headers = jsonb_build_object('owner', job.owner)
        FROM analysis_jobs AS job WHERE job.queue_id = entry.id
    """)
    op.execute(sa.text(LINES))


def downgrade() -> None:
    op.execute("DROP INDEX queue.ix_pgqueuer_lines")
    op.drop_index("ix_analysis_jobs_external", "analysis_jobs")
    op.create_index("ix_analysis_jobs_external", "analysis_jobs", ["priority", "id"], postgresql_where=sa.text(FORMER))
    op.drop_column("analysis_jobs", "lifted")
    op.drop_table("queue_turns")
