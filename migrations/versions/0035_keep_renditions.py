"""Keep pictures of files that somebody looked at, as files of their own that end with what they show."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = depends_on = None

TABLES = ("media_files", "tombstones")
# By the index of renditions: a deletion of thousands looks for theirs, and few have any.
END = """
    UPDATE media_files SET expires_at = now(), due_at = now(), version = version + 1
    WHERE rendition IS NOT NULL AND state = 'stored' AND (expires_at IS NULL OR expires_at > now())
        AND parent_id = ANY({parents})
"""
END_RENDITIONS = f"""
    CREATE FUNCTION end_renditions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM media_files WHERE rendition IS NOT NULL) THEN
            RETURN NULL;
        ELSIF TG_OP = 'DELETE' THEN
            {END.format(parents="ARRAY(SELECT id FROM old_rows)")};
        ELSE
            {END.format(parents="ARRAY[NEW.id]")};
        END IF;
        RETURN NULL;
    END $$
"""  # noqa: S608 - constants
ON_DELETE = """
    CREATE TRIGGER end_renditions_of_deleted AFTER DELETE ON media_files
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION end_renditions()
"""
ON_TRASH = """
    CREATE TRIGGER end_renditions_of_trashed AFTER UPDATE OF state ON media_files
    FOR EACH ROW WHEN (NEW.state = 'trashed' AND OLD.state <> 'trashed') EXECUTE FUNCTION end_renditions()
"""
# Nobody waits to be told of renditions, and receivers of events would hear of little else.
TELL_FILES = """
    CREATE OR REPLACE FUNCTION tell_of_files() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_TABLE_NAME = 'tombstones' THEN
            INSERT INTO events (owner, type, category, job_id, file_ids, data)
            SELECT owner, CASE rule WHEN 'archived' THEN 'file.archived' ELSE 'file.deleted' END, category, job_id,
                array_agg(id), jsonb_strip_nulls(jsonb_build_object(
                    'rule', rule, 'reason', reason, 'actor', requested_by, 'sweep_id', sweep_id))
            FROM new_rows WHERE state <> 'pending'{told}
            GROUP BY owner, category, job_id, rule, reason, requested_by, sweep_id;
        ELSIF TG_OP = 'INSERT' THEN
            INSERT INTO events (owner, type, category, job_id, file_ids)
            SELECT owner, 'file.stored', category, job_id, array_agg(id)
            FROM new_rows WHERE state = 'stored'{told} GROUP BY owner, category, job_id;
        ELSE
            INSERT INTO events (owner, type, category, job_id, file_ids, data)
            WITH pairs AS MATERIALIZED (
                SELECT later.id, later.owner, later.category, later.job_id, later.state, earlier.state AS was,
                    later.trash_rule AS rule, later.trash_reason AS reason, later.trashed_by AS actor,
                    later.trash_sweep_id AS sweep_id,{later}
                    CASE WHEN later.state = 'stored' AND earlier.state = 'stored' THEN array_remove(ARRAY[
                        CASE WHEN later.filename <> earlier.filename THEN 'filename' END,
                        CASE WHEN later.expires_at IS DISTINCT FROM earlier.expires_at THEN 'expires_at' END,
                        CASE WHEN later.held_until IS DISTINCT FROM earlier.held_until THEN 'held_until' END,
                        CASE WHEN later.labels IS DISTINCT FROM earlier.labels THEN 'labels' END
                    ], NULL) END AS changed
                FROM new_rows AS later FULL JOIN old_rows AS earlier USING (id)
            ), told AS (
                SELECT *, CASE
                    WHEN state = 'stored' AND was = 'pending' THEN 'file.stored'
                    WHEN state = 'stored' AND coalesce(was, 'trashed') = 'trashed' THEN 'file.restored'
                    WHEN state = 'trashed' AND was <> 'trashed' THEN 'file.trashed'
                    WHEN changed <> '{{}}' THEN 'file.changed'
                END AS type
                FROM pairs
            )
            SELECT owner, type, category, job_id, array_agg(id), jsonb_strip_nulls(jsonb_build_object(
                'changed', changed, 'rule', rule, 'reason', reason, 'actor', actor, 'sweep_id', sweep_id))
            FROM told WHERE type IS NOT NULL{told}
            GROUP BY owner, type, category, job_id, changed, rule, reason, actor, sweep_id;
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("rendition", sa.Text(), nullable=True))
    op.create_index(
        "uq_media_files_rendition",
        "media_files",
        ["parent_id", "rendition"],
        unique=True,
        postgresql_where=sa.text("rendition IS NOT NULL"),
    )
    op.execute(TELL_FILES.format(told=" AND rendition IS NULL", later=" later.rendition,"))
    for statement in (END_RENDITIONS, ON_DELETE, ON_TRASH):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER end_renditions_of_deleted ON media_files")
    op.execute("DROP TRIGGER end_renditions_of_trashed ON media_files")
    op.execute("DROP FUNCTION end_renditions()")
    op.execute(TELL_FILES.format(told="", later=""))
    op.drop_index("uq_media_files_rendition", "media_files")
    for table in TABLES:
        op.drop_column(table, "rendition")
