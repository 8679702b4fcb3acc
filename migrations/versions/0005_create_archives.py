"""Create what archives need: files in them, tasks that write and read them, and the run's second life."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = depends_on = None

RULES = (
    "requested",
    "upload_abandoned",
    "explicit_expiry",
    "category_lifetime",
    "upload_lease",
    "minimum_retention",
    "hold",
    "indefinite",
    "job_lease",
    "pressure",
    "trash",
)
RULE_COLUMNS = (
    ("media_files", "trash_rule"),
    ("tombstones", "rule"),
    ("audit_events", "rule"),
    ("plan_files", "rule"),
)
OPEN = "status IN ('pending', 'running')"
ACTIVE = "archived_at IS NULL AND deleted_at IS NULL"
ARCHIVED = "archived_at IS NOT NULL AND deleted_at IS NULL"


def upgrade() -> None:
    op.execute("ALTER TYPE retention_rule ADD VALUE 'archived'")
    op.add_column("analysis_jobs", sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True))
    create_files()
    create_tasks()
    create_indexes()


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def instant(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def create_files() -> None:
    op.create_table(
        "archived_files",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("archive_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        *(text(name) for name in ("owner", "name")),
        sa.Column("category", postgresql.ENUM(name="category", create_type=False), nullable=False),
        *(text(name) for name in ("filename", "media_type")),
        number("size_bytes"),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        text("role", nullable=True),
        number("ordinal", nullable=True),
        sa.Column("instant_seconds", sa.Double(), nullable=True),
        *(instant(name, nullable=False) for name in ("created_at", "stored_at")),
        instant("expires_at"),
        sa.Column("expiry_explicit", sa.Boolean(), nullable=False),
        instant("min_retain_until"),
        *(number(name) for name in ("frame_offset", "skip_bytes")),
        sa.CheckConstraint(
            "size_bytes >= 0 AND frame_offset >= 0 AND skip_bytes >= 0",
            name=op.f("ck_archived_files_places_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["analysis_jobs.id"], name=op.f("fk_archived_files_job_id_analysis_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_archived_files")),
    )
    op.create_index("ix_archived_files_place", "archived_files", ["archive_id", "frame_offset", "skip_bytes"])
    op.create_index("ix_archived_files_job", "archived_files", ["job_id", "file_id"], postgresql_include=["size_bytes"])
    derived = sa.text("parent_id IS NOT NULL")
    op.create_index("ix_archived_files_parent", "archived_files", ["parent_id"], postgresql_where=derived)


def create_tasks() -> None:
    op.create_table(
        "archive_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        text("owner"),
        sa.Column("kind", postgresql.ENUM("archive", "restore", name="archive_task_kind"), nullable=False),
        sa.Column(
            "status",
            postgresql.ENUM("pending", "running", "completed", "failed", name="archive_task_status"),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        *(text(name) for name in ("trigger", "requested_by")),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        instant("claim_until"),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        *(instant(name) for name in ("leased_until", "started_at", "ended_at")),
        text("stage", nullable=True),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("done_bytes", "total_bytes")
        ),
        sa.Column("archive_id", sa.Uuid(), nullable=True),
        *(text(name, nullable=True) for name in ("error_code", "error")),
        sa.Column("stats", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("done_bytes >= 0 AND total_bytes >= 0", name=op.f("ck_archive_tasks_progress_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_tasks")),
    )
    op.create_index("uq_archive_tasks_open", "archive_tasks", ["job_id"], unique=True, postgresql_where=sa.text(OPEN))
    op.create_index("ix_archive_tasks_job", "archive_tasks", ["job_id", "id"])
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index("ix_archive_tasks_ended", "archive_tasks", ["kind", "status", "ended_at"], postgresql_where=ended)
    op.create_index("ix_archive_tasks_waiting", "archive_tasks", ["id"], postgresql_where=sa.text(OPEN))


def create_indexes() -> None:
    active, archived = sa.text(ACTIVE), sa.text(ARCHIVED)
    op.create_index("ix_analysis_jobs_active", "analysis_jobs", ["id"], postgresql_where=active)
    op.create_index("ix_analysis_jobs_active_owner", "analysis_jobs", ["owner", "id"], postgresql_where=active)
    op.create_index("ix_analysis_jobs_archived", "analysis_jobs", ["archived_at", "id"], postgresql_where=archived)
    op.create_index(
        "ix_analysis_jobs_archived_owner", "analysis_jobs", ["owner", "archived_at", "id"], postgresql_where=archived
    )
    op.create_index("ix_analysis_jobs_archived_end", "analysis_jobs", ["expires_at", "id"], postgresql_where=archived)
    restored = sa.text(f"restored_at IS NOT NULL AND {ACTIVE}")
    op.create_index("ix_analysis_jobs_restored", "analysis_jobs", ["id"], postgresql_where=restored)
    op.create_index(
        "ix_analysis_jobs_unarchived",
        "analysis_jobs",
        [sa.text("COALESCE(restored_at, completed_at)"), "id"],
        postgresql_where=sa.text(f"completed_at IS NOT NULL AND {ACTIVE}"),
    )


def downgrade() -> None:
    """Go back; archived runs stay archives that nobody can read by file, and their tombstones say `requested`."""
    for name in ("unarchived", "restored", "archived_end", "archived_owner", "archived", "active_owner", "active"):
        op.drop_index(f"ix_analysis_jobs_{name}", "analysis_jobs")
    op.drop_table("archive_tasks")
    op.drop_table("archived_files")
    for name in ("archive_task_status", "archive_task_kind"):
        postgresql.ENUM(name=name).drop(op.get_bind())
    op.drop_column("analysis_jobs", "restored_at")
    op.execute("ALTER TYPE retention_rule RENAME TO retention_rule_grown")
    postgresql.ENUM(*RULES, name="retention_rule").create(op.get_bind())
    for table, column in RULE_COLUMNS:
        shrink(table, column)
    op.execute("DROP TYPE retention_rule_grown")


def shrink(table: str, column: str) -> None:
    op.execute(
        f"ALTER TABLE {table} ALTER COLUMN {column} TYPE retention_rule USING "
        f"(CASE WHEN {column}::text = 'archived' THEN 'requested' ELSE {column}::text END)::retention_rule"
    )
