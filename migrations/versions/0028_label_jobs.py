"""Let jobs have labels, and find active ones by them: rows that triggers keep for labelled ones only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"
branch_labels = depends_on = None

IS_LISTED = "{0}.labels IS NOT NULL AND {0}.archived_at IS NULL AND {0}.deleted_at IS NULL"
LISTS = """
    SELECT label_list({0}.owner, '', 'active', name), label_list('', '', 'active', name), {0}.id
    FROM jsonb_each_text({0}.labels) AS label,
        LATERAL (VALUES (label.key), (label.key || ':' || label.value)) AS named(name)
"""
INDEX_JOB_LABELS = f"""
    CREATE FUNCTION index_job_labels() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            DELETE FROM job_labels WHERE job_id = OLD.id;
        END IF;
        IF TG_OP <> 'DELETE' AND {IS_LISTED.format("NEW")} THEN
            INSERT INTO job_labels (own_list, any_list, job_id) {LISTS.format("NEW")};
        END IF;
        RETURN NULL;
    END $$
"""  # noqa: S608 - constants
CHANGED = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in ("labels", "archived_at", "deleted_at"))
TRIGGERS = (
    ("INSERT", "NEW.labels IS NOT NULL"),
    ("UPDATE", f"(OLD.labels IS NOT NULL OR NEW.labels IS NOT NULL) AND ({CHANGED})"),
    ("DELETE", "OLD.labels IS NOT NULL"),
)


def upgrade() -> None:
    op.add_column("analysis_jobs", sa.Column("labels", JSONB(), nullable=True))
    op.create_table(
        "job_labels",
        sa.Column("own_list", sa.BigInteger(), nullable=False),
        sa.Column("any_list", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
    )
    for name in ("own_list", "any_list"):
        op.create_index(f"ix_job_labels_{name.removesuffix('_list')}", "job_labels", [name, "job_id"])
    op.create_index("ix_job_labels_job", "job_labels", ["job_id"])
    op.execute(INDEX_JOB_LABELS)
    for event, when in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER index_labels_on_{event.lower()} AFTER {event} ON analysis_jobs "
            f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION index_job_labels()"
        )


def downgrade() -> None:
    for event, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER index_labels_on_{event.lower()} ON analysis_jobs")
    op.execute("DROP FUNCTION index_job_labels()")
    op.drop_table("job_labels")
    op.drop_column("analysis_jobs", "labels")
