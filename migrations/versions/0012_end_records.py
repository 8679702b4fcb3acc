"""Let records end: how far they have been ended, how to find those of jobs, and that audit events may then go."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = depends_on = None

POLICY = sa.text("action IN ('policy_activated', 'policy_applied')")
ENDING = """
    IF TG_OP = 'DELETE' AND current_setting('media_analysis.ends_records', true) = 'on' THEN
        RETURN NULL;
    END IF;
"""


def upgrade() -> None:
    op.create_table(
        "record_ends",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ended_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_record_ends")),
    )
    op.create_index("ix_job_audit_deleted_at", "job_audit", ["deleted_at", "job_id"])
    deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index("ix_analysis_jobs_deleted", "analysis_jobs", ["deleted_at", "id"], postgresql_where=deleted)
    op.create_index("ix_audit_events_policy", "audit_events", ["id"], postgresql_where=POLICY)
    refuse_changes(but=ENDING)


def refuse_changes(*, but: str = "") -> None:
    op.execute(f"""
        CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN{but}
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END $$
    """)


def downgrade() -> None:
    refuse_changes()
    op.drop_index("ix_audit_events_policy", table_name="audit_events")
    op.drop_index("ix_analysis_jobs_deleted", table_name="analysis_jobs")
    op.drop_index("ix_job_audit_deleted_at", table_name="job_audit")
    op.drop_table("record_ends")
