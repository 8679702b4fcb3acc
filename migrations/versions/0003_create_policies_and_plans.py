"""Create policies, usage, the ledger's history, audit, pauses, plans, notices and scrubs."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"
branch_labels = depends_on = None

ENUMS = {"pause_cause": ("share", "median", "clock", "operator")}
TABLES = (
    "plan_files",
    "plans",
    "pauses",
    "audit_events",
    "due_days",
    "ledger_days",
    "category_usage",
    "category_policies",
    "notices",
    "scrubs",
)


def category() -> postgresql.ENUM:
    return postgresql.ENUM(name="category", create_type=False)


def cause() -> postgresql.ENUM:
    return postgresql.ENUM(*ENUMS["pause_cause"], name="pause_cause", create_type=False)


def rule() -> postgresql.ENUM:
    return postgresql.ENUM(name="retention_rule", create_type=False)


def required(name: str, kind: TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def optional(name: str, kind: TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def document(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)


def key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def upgrade() -> None:
    for name, values in ENUMS.items():
        postgresql.ENUM(*values, name=name).create(op.get_bind())
    for create in (create_policies, create_usage, create_days, create_audit, create_pauses, create_plans):
        create()
    create_notices()
    create_scrubs()


def create_policies() -> None:
    op.create_table(
        "category_policies",
        required("category", category()),
        optional("lifetime_seconds", sa.Double()),
        optional("minimum_seconds", sa.Double()),
        optional("quota_bytes", sa.BigInteger()),
        optional("high_water_bytes", sa.BigInteger()),
        optional("low_water_bytes", sa.BigInteger()),
        optional("eviction_priority", sa.BigInteger()),
        required("schedule", sa.Text()),
        key("category_policies", "category"),
    )


def create_usage() -> None:
    op.create_table(
        "category_usage",
        required("category", category()),
        required("size_bytes", sa.BigInteger()),
        key("category_usage", "category"),
    )
    op.execute("""
        INSERT INTO category_usage
        SELECT kind, coalesce((SELECT sum(size_bytes + reserved_bytes) FROM ledger WHERE ledger.category = kind), 0)
        FROM unnest(enum_range(NULL::category)) AS kinds(kind)
    """)


def create_days() -> None:
    op.create_table(
        "ledger_days",
        required("day", sa.Date()),
        required("category", category()),
        required("files", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        key("ledger_days", "day", "category"),
    )
    op.create_table(
        "due_days",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        required("category", category()),
        optional("stored_on", sa.Date()),
        optional("due_on", sa.Date()),
        required("files", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        key("due_days", "id"),
    )
    op.execute(COUNT_DUE_DAYS)
    for event, rows in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
    ):
        op.execute(
            f"CREATE TRIGGER count_due_days_on_{event.lower()} AFTER {event} ON media_files "
            f"REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION count_due_days()"
        )
    op.execute(f"INSERT INTO due_days (category, stored_on, due_on, files, size_bytes) {days_of('media_files', 1)}")


def days_of(rows: str, sign: int) -> str:
    """Return the query of what rows add to their days, or take from them."""
    return f"""
        SELECT category,
            CASE WHEN state = 'stored' AND NOT expiry_explicit THEN (stored_at AT TIME ZONE 'UTC')::date END,
            CASE WHEN isfinite(due_at) THEN (due_at AT TIME ZONE 'UTC')::date END,
            {sign} * count(*), {sign} * coalesce(sum(size_bytes), 0)
        FROM {rows} WHERE state <> 'pending' GROUP BY 1, 2, 3
    """  # noqa: S608 - constants


# Deltas, never counters: no two transactions wait for each other's day. A sweep folds them together.
COUNT_DUE_DAYS = f"""
    CREATE FUNCTION count_due_days() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO due_days (category, stored_on, due_on, files, size_bytes) {days_of("old_rows", -1)};
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO due_days (category, stored_on, due_on, files, size_bytes) {days_of("new_rows", 1)};
        END IF;
        RETURN NULL;
    END $$
"""


def create_audit() -> None:
    op.create_table(
        "audit_events",
        required("id", sa.Uuid()),
        sa.Column("at", instant(), server_default=sa.text("now()"), nullable=False),
        required("actor", sa.Text()),
        required("action", sa.Text()),
        optional("owner", sa.Text()),
        optional("file_id", sa.Uuid()),
        optional("job_id", sa.Uuid()),
        optional("sweep_id", sa.Uuid()),
        optional("rule", rule()),
        optional("reason", sa.Text()),
        document("details"),
        key("audit_events", "id"),
    )
    for name in ("file_id", "job_id", "sweep_id"):
        given = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_audit_events_{name}", "audit_events", [name, "id"], postgresql_where=given)
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def create_pauses() -> None:
    op.create_table(
        "pauses",
        required("id", sa.Uuid()),
        optional("category", category()),
        required("cause", cause()),
        required("reason", sa.Text()),
        required("files", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        required("paused_at", instant()),
        required("paused_by", sa.Text()),
        optional("resumed_at", instant()),
        optional("resumed_by", sa.Text()),
        key("pauses", "id"),
    )
    open_ones = sa.text("resumed_at IS NULL")
    op.create_index("ix_pauses_open", "pauses", ["category"], postgresql_where=open_ones)


def create_plans() -> None:
    op.create_table(
        "plans",
        required("id", sa.Uuid()),
        required("hash", sa.Text()),
        required("policy_version", sa.Text()),
        required("created_at", instant()),
        required("created_by", sa.Text()),
        required("expires_at", instant()),
        required("files", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        document("categories"),
        optional("applied_at", instant()),
        optional("sweep_id", sa.Uuid()),
        key("plans", "id"),
    )
    op.create_table(
        "plan_files",
        required("plan_id", sa.Uuid()),
        required("file_id", sa.Uuid()),
        required("category", category()),
        required("version", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        required("rule", rule()),
        key("plan_files", "plan_id", "file_id"),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plans.id"], name=op.f("fk_plan_files_plan_id_plans"), ondelete="CASCADE"
        ),
    )


def create_notices() -> None:
    op.create_table(
        "notices",
        required("id", sa.Uuid()),
        required("topic", sa.Text()),
        document("payload"),
        required("created_at", instant()),
        optional("due_at", instant()),
        required("attempts", sa.BigInteger()),
        optional("last_error", sa.Text()),
        optional("sent_at", instant()),
        key("notices", "id"),
        sa.UniqueConstraint("topic", name=op.f("uq_notices_topic")),
    )
    op.create_index("ix_notices_due", "notices", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def create_scrubs() -> None:
    op.create_table(
        "scrubs",
        required("id", sa.Uuid()),
        required("started_at", instant()),
        optional("ended_at", instant()),
        optional("position", sa.Uuid()),
        required("files", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        required("problems", sa.BigInteger()),
        key("scrubs", "id"),
    )


def downgrade() -> None:
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER count_due_days_on_{event} ON media_files")
    for table in TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION count_due_days()")
    op.execute("DROP FUNCTION refuse_change()")
    for name in ENUMS:
        postgresql.ENUM(name=name).drop(op.get_bind())
