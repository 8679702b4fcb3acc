"""Write down what happens to files and jobs in one log, by triggers; what happens to each job is a view of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = depends_on = None

CATEGORIES = ("uploads", "frames", "contact_sheets", "outputs", "temp", "clips", "archives")
INSERT_FILES = """
    INSERT INTO events (owner, type, category, job_id, file_ids)
    SELECT owner, 'file.stored', category, job_id, array_agg(id)
    FROM new_rows WHERE state = 'stored' GROUP BY owner, category, job_id
"""
# A full join, fenced off: old and new rows are never compared each with each. A copy out of an archive takes the id
# of the file it is of, so that nothing was there before.
UPDATE_FILES = """
    INSERT INTO events (owner, type, category, job_id, file_ids, data)
    WITH pairs AS MATERIALIZED (
        SELECT later.id, later.owner, later.category, later.job_id, later.state, earlier.state AS was,
            later.trash_rule AS rule, later.trash_reason AS reason, later.trashed_by AS actor,
            later.trash_sweep_id AS sweep_id,
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
            WHEN changed <> '{}' THEN 'file.changed'
        END AS type
        FROM pairs
    )
    SELECT owner, type, category, job_id, array_agg(id), jsonb_strip_nulls(jsonb_build_object(
        'changed', changed, 'rule', rule, 'reason', reason, 'actor', actor, 'sweep_id', sweep_id))
    FROM told WHERE type IS NOT NULL
    GROUP BY owner, type, category, job_id, changed, rule, reason, actor, sweep_id
"""
INSERT_STONES = """
    INSERT INTO events (owner, type, category, job_id, file_ids, data)
    SELECT owner, CASE rule WHEN 'archived' THEN 'file.archived' ELSE 'file.deleted' END, category, job_id,
        array_agg(id), jsonb_strip_nulls(jsonb_build_object(
            'rule', rule, 'reason', reason, 'actor', requested_by, 'sweep_id', sweep_id))
    FROM new_rows WHERE state <> 'pending'
    GROUP BY owner, category, job_id, rule, reason, requested_by, sweep_id
"""
TELL_FILES = f"""
    CREATE FUNCTION tell_of_files() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_TABLE_NAME = 'tombstones' THEN
            {INSERT_STONES};
        ELSIF TG_OP = 'INSERT' THEN
            {INSERT_FILES};
        ELSE
            {UPDATE_FILES};
        END IF;
        RETURN NULL;
    END $$
"""
ON_FILES = (
    ("media_files", "INSERT", "NEW TABLE AS new_rows"),
    ("media_files", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("tombstones", "INSERT", "NEW TABLE AS new_rows"),
)
# Whoever changes a job counts its events and writes them; what is no part of its numbered story is written here.
TELL_CHANGED = """
    CREATE FUNCTION tell_of_changed_job() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO events (owner, type, job_id, data)
        SELECT NEW.owner, 'job.changed', NEW.id, jsonb_build_object('changed', array_remove(ARRAY[
            CASE WHEN NEW.expires_at IS DISTINCT FROM OLD.expires_at THEN 'expires_at' END,
            CASE WHEN NEW.held_until IS DISTINCT FROM OLD.held_until THEN 'held_until' END,
            CASE WHEN NEW.labels IS DISTINCT FROM OLD.labels THEN 'labels' END
        ], NULL));
        RETURN NULL;
    END $$
"""
CHANGED = """
    OLD.status = NEW.status AND OLD.deleted_at IS NOT DISTINCT FROM NEW.deleted_at
    AND OLD.archived_at IS NOT DISTINCT FROM NEW.archived_at
    AND (OLD.expires_at, OLD.held_until, OLD.labels) IS DISTINCT FROM (NEW.expires_at, NEW.held_until, NEW.labels)
"""
# At the end of the transaction, when its event should be there.
TELL_FORGOTTEN = """
    CREATE FUNCTION tell_of_forgotten_job() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO events (owner, type, job_id, data)
        SELECT owner, CASE
                WHEN TG_OP = 'INSERT' THEN 'job.created'
                WHEN (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)
                    THEN CASE WHEN NEW.deleted_at IS NULL THEN 'job.restored' ELSE 'job.deleted' END
                WHEN (NEW.archived_at IS NULL) <> (OLD.archived_at IS NULL)
                    THEN CASE WHEN NEW.archived_at IS NULL THEN 'job.restored' ELSE 'job.archived' END
                WHEN NEW.status = 'pending' THEN 'job.waiting'
                WHEN NEW.status = 'running' THEN 'job.started'
                ELSE 'job.' || NEW.status
            END, id, jsonb_build_object('status', NEW.status)
        FROM analysis_jobs WHERE id = NEW.id AND last_event = NEW.last_event;
        RETURN NULL;
    END $$
"""
FORGOTTEN = """
    OLD.last_event = NEW.last_event AND (OLD.status <> NEW.status
        OR (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)
        OR (OLD.archived_at IS NULL) <> (NEW.archived_at IS NULL))
"""
# Behind the end of the log what is numbered stayed for its job alone.
RELEASE = """
    CREATE FUNCTION release_job_events() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE ended bigint := coalesce((SELECT through FROM event_ends WHERE owner = '' FOR SHARE), 0);
    BEGIN
        DELETE FROM events WHERE job_id = OLD.id AND number IS NOT NULL AND id <= ended;
        UPDATE events SET number = NULL WHERE job_id = OLD.id AND number IS NOT NULL;
        RETURN NULL;
    END $$
"""
KIND = "CASE type WHEN 'job.progress' THEN 'progress' WHEN 'job.warning' THEN 'warning' ELSE 'status' END"
VIEW = f"""
    CREATE VIEW job_events AS
    SELECT job_id, number, at, {KIND} AS kind, data FROM events WHERE number IS NOT NULL
"""  # noqa: S608 - constants
TYPE = """
    CASE
        WHEN event.kind <> 'status' THEN 'job.' || event.kind
        WHEN data ->> 'archived' = 'true' THEN 'job.archived'
        WHEN data ->> 'archived' = 'false' THEN 'job.restored'
        WHEN data ->> 'status' = 'running' THEN 'job.started'
        WHEN data ->> 'status' = 'pending' THEN CASE number WHEN 1 THEN 'job.created' ELSE 'job.waiting' END
        ELSE 'job.' || (data ->> 'status')
    END
"""
MOVE = f"""
    INSERT INTO events (at, owner, type, job_id, number, data)
    SELECT event.at, job.owner, {TYPE}, job_id, number, data
    FROM job_events AS event JOIN analysis_jobs AS job ON job.id = event.job_id ORDER BY event.at, job_id, number
"""  # noqa: S608 - constants


def upgrade() -> None:
    _create_log()
    op.execute(MOVE)
    op.drop_table("job_events")
    op.create_index("ix_events_owner", "events", ["owner", "id"])
    numbered = sa.text("number IS NOT NULL")
    op.create_index("uq_events_number", "events", ["job_id", "number"], unique=True, postgresql_where=numbered)
    for statement in (VIEW, TELL_FILES, TELL_CHANGED, TELL_FORGOTTEN, RELEASE):
        op.execute(statement)
    for table, event, rows in ON_FILES:
        op.execute(
            f"CREATE TRIGGER tell_on_{event.lower()} AFTER {event} ON {table} "
            f"REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION tell_of_files()"
        )
    op.execute(
        f"CREATE TRIGGER tell_changed AFTER UPDATE ON analysis_jobs "
        f"FOR EACH ROW WHEN ({CHANGED}) EXECUTE FUNCTION tell_of_changed_job()"
    )
    for event, when in (("INSERT", "NEW.last_event = 0"), ("UPDATE", FORGOTTEN)):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER tell_forgotten_{event.lower()} AFTER {event} ON analysis_jobs "
            f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION tell_of_forgotten_job()"
        )
    op.execute(
        "CREATE TRIGGER release_events AFTER DELETE ON analysis_jobs "
        "FOR EACH ROW WHEN (OLD.last_event > 0) EXECUTE FUNCTION release_job_events()"
    )


def _create_log() -> None:
    category = postgresql.ENUM(*CATEGORIES, name="category", create_type=False)
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("category", category, nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("file_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("data", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    # Ids do not get smaller by being compressed, which would take longer than to write them.
    op.execute("ALTER TABLE events ALTER file_ids SET STORAGE EXTERNAL")
    op.create_table(
        "event_ends",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_event_ends")),
    )


def downgrade() -> None:
    for name in ("tell_changed", "tell_forgotten_insert", "tell_forgotten_update", "release_events"):
        op.execute(f"DROP TRIGGER {name} ON analysis_jobs")
    for table, event, _ in ON_FILES:
        op.execute(f"DROP TRIGGER tell_on_{event.lower()} ON {table}")
    for name in ("tell_of_files", "tell_of_changed_job", "tell_of_forgotten_job", "release_job_events"):
        op.execute(f"DROP FUNCTION {name}()")
    op.execute("DROP VIEW job_events")
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_events")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["analysis_jobs.id"], name=op.f("fk_job_events_job_id_analysis_jobs"), ondelete="CASCADE"
        ),
    )
    op.execute(f"""
        INSERT INTO job_events (job_id, number, at, kind, data)
        SELECT job_id, number, at, {KIND}, data FROM events WHERE number IS NOT NULL
    """)  # noqa: S608 - constants
    op.drop_table("event_ends")
    op.drop_table("events")
