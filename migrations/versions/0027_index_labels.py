"""Find files, and what stays of deleted ones, by their labels: rows that triggers keep for labelled ones only."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = depends_on = None

FILES, STONES = "file_labels", "tombstone_labels"
ENDING = sa.text("ends_at < 'infinity'::timestamp with time zone")
# Which list a row is of, as one number; no owner, category, state or label has a line feed.
LABEL_LIST = r"""
    CREATE FUNCTION label_list(owner text, category text, state text, name text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(owner || E'\n' || category || E'\n' || state || E'\n' || name, 0)
"""
NAMES = """
    jsonb_each_text({row}.labels) AS label,
    LATERAL (VALUES (label.key), (label.key || ':' || label.value)) AS named(name)
"""
LISTED = "{row}.category::text, {row}.state::text"
DELETED = "'', 'deleted'"
ADD_FILE = f"""
    INSERT INTO file_labels (own_list, any_list, file_id, ends_at)
    SELECT label_list({{row}}.owner, {LISTED}, name), label_list('', {LISTED}, name), {{row}}.id,
        coalesce({{row}}.expires_at, 'infinity')
    FROM {{rows}} {NAMES}
"""  # noqa: S608 - constants
ADD_STONE = f"""
    INSERT INTO tombstone_labels (own_list, any_list, tombstone_id, deleted_at)
    SELECT label_list({{row}}.owner, {DELETED}, name), label_list('', {DELETED}, name), {{row}}.id, {{row}}.deleted_at
    FROM {{rows}} {NAMES}
"""  # noqa: S608 - constants
# Whether a row is of a list is asked before its trigger is called, so that files without labels pay nothing.
INDEX_LABELS = f"""
    CREATE FUNCTION index_labels() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' AND OLD.labels IS NOT NULL AND OLD.state <> 'pending' THEN
            DELETE FROM file_labels WHERE file_id = OLD.id AND own_list IN (
                SELECT label_list(OLD.owner, {LISTED.format(row="OLD")}, name) FROM {NAMES.format(row="OLD")}
            );
        END IF;
        IF TG_OP <> 'DELETE' AND NEW.labels IS NOT NULL AND NEW.state <> 'pending' THEN
            {ADD_FILE.format(row="NEW", rows="")};
        END IF;
        RETURN NULL;
    END $$
"""  # noqa: S608 - constants
INDEX_DELETED_LABELS = f"""
    CREATE FUNCTION index_deleted_labels() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM tombstone_labels WHERE tombstone_id = OLD.id AND deleted_at = OLD.deleted_at AND own_list IN (
                SELECT label_list(OLD.owner, {DELETED}, name) FROM {NAMES.format(row="OLD")}
            );
        ELSE
            {ADD_STONE.format(row="NEW", rows="")};
        END IF;
        RETURN NULL;
    END $$
"""  # noqa: S608 - constants
FACTS = "{0}.id, {0}.owner, {0}.category, {0}.state, {0}.expires_at, {0}.labels"
CHANGED = f"({FACTS.format('OLD')}) IS DISTINCT FROM ({FACTS.format('NEW')})"
TRIGGERS = (
    ("media_files", "INSERT", "index_labels", "NEW.labels IS NOT NULL AND NEW.state <> 'pending'"),
    ("media_files", "UPDATE", "index_labels", f"(OLD.labels IS NOT NULL OR NEW.labels IS NOT NULL) AND {CHANGED}"),
    ("media_files", "DELETE", "index_labels", "OLD.labels IS NOT NULL AND OLD.state <> 'pending'"),
    ("tombstones", "INSERT", "index_deleted_labels", "NEW.labels IS NOT NULL"),
    ("tombstones", "DELETE", "index_deleted_labels", "OLD.labels IS NOT NULL"),
)


def upgrade() -> None:
    for table, row, instant in ((FILES, "file_id", "ends_at"), (STONES, "tombstone_id", "deleted_at")):
        op.create_table(
            table,
            sa.Column("own_list", sa.BigInteger(), nullable=False),
            sa.Column("any_list", sa.BigInteger(), nullable=False),
            sa.Column(row, sa.Uuid(), nullable=False),
            sa.Column(instant, sa.DateTime(timezone=True), nullable=False),
        )
    for function in (LABEL_LIST, INDEX_LABELS, INDEX_DELETED_LABELS):
        op.execute(function)
    op.execute(
        f"{ADD_FILE.format(row='file', rows='media_files AS file,')} "
        "WHERE file.labels IS NOT NULL AND file.state <> 'pending'"
    )
    op.execute(f"{ADD_STONE.format(row='stone', rows='tombstones AS stone,')} WHERE stone.labels IS NOT NULL")
    for of in ("own", "any"):
        op.create_index(f"ix_{FILES}_{of}", FILES, [f"{of}_list", "file_id", "ends_at"])
        op.create_index(f"ix_{FILES}_{of}_end", FILES, [f"{of}_list", "ends_at", "file_id"], postgresql_where=ENDING)
        op.create_index(f"ix_{STONES}_{of}", STONES, [f"{of}_list", "deleted_at", "tombstone_id"])
    for table, event, function, when in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER index_labels_on_{event.lower()} AFTER {event} ON {table} "
            f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {function}()"
        )


def downgrade() -> None:
    for table, event, _, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER index_labels_on_{event.lower()} ON {table}")
    for name in ("index_labels()", "index_deleted_labels()"):
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table(STONES)
    op.drop_table(FILES)
    op.execute("DROP FUNCTION label_list(text, text, text, text)")
