"""Count the jobs that wait by owner, exactly at the end of every transaction, so that their number can be limited."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = depends_on = None

TRIGGERS = {
    "added": ("INSERT", "NEW.status = 'pending'"),
    "changed": ("UPDATE OF status", "OLD.status <> NEW.status AND 'pending' IN (OLD.status, NEW.status)"),
    "removed": ("DELETE", "OLD.status = 'pending'"),
}


def upgrade() -> None:
    op.create_table(
        "waiting_jobs",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_waiting_jobs")),
    )
    op.execute("""
        CREATE FUNCTION count_waiting_job() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' AND OLD.status = 'pending' THEN
                UPDATE waiting_jobs SET jobs = jobs - 1 WHERE owner = OLD.owner;
            END IF;
            IF TG_OP <> 'DELETE' AND NEW.status = 'pending' THEN
                INSERT INTO waiting_jobs AS counted (owner, jobs) VALUES (NEW.owner, 1)
                ON CONFLICT (owner) DO UPDATE SET jobs = counted.jobs + 1;
            END IF;
            RETURN NULL;
        END $$
    """)
    # Deferred: everybody's count is held for the shortest time, and after all else (docs/decisions/0014).
    for name, (event, when) in TRIGGERS.items():
        op.execute(f"""
            CREATE CONSTRAINT TRIGGER count_waiting_job_{name} AFTER {event} ON analysis_jobs
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION count_waiting_job()
        """)
    # Nobody else changes a job any more until this is committed: triggers lock their table.
    op.execute("""
        INSERT INTO waiting_jobs (owner, jobs)
        SELECT owner, count(*) FROM analysis_jobs WHERE status = 'pending' GROUP BY owner
    """)


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER count_waiting_job_{name} ON analysis_jobs")
    op.execute("DROP FUNCTION count_waiting_job()")
    op.drop_table("waiting_jobs")
