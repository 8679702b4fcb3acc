"""Create the queue, what a run of a job needs, and the places of its products and results."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0004"
down_revision = "0003"
branch_labels = depends_on = None

QUEUE = (Path(__file__).parents[1] / "queue.sql").read_text()
OPTIONAL: dict[str, tuple[tuple[str, TypeEngine[Any]], ...]] = {
    "analysis_jobs": (
        ("error_code", sa.Text()),
        ("stage", sa.Text()),
        ("stage_done", sa.BigInteger()),
        ("stage_total", sa.BigInteger()),
        ("queue_id", sa.BigInteger()),
        ("worker", sa.Text()),
        ("leased_until", sa.DateTime(timezone=True)),
        ("retry_at", sa.DateTime(timezone=True)),
        ("pinned_until", sa.DateTime(timezone=True)),
        ("lifetime_seconds", sa.Double()),
        ("restorable_until", sa.DateTime(timezone=True)),
    ),
    "media_files": (
        ("role", sa.Text()),
        ("ordinal", sa.BigInteger()),
        ("instant_seconds", sa.Double()),
        ("job_fence", sa.BigInteger()),
    ),
    "analysis_results": (("job_fence", sa.BigInteger()),),
}
COUNTERS = ("fence", "last_event")
LIVING_JOB = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    # Statement by statement: the driver prepares what it runs, and prepares only one.
    for table, columns in OPTIONAL.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    for name in COUNTERS:
        op.add_column("analysis_jobs", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    for name, empty in (("warnings", "'[]'"), ("produced", "'{}'")):
        json = sa.Column(name, postgresql.JSONB(), server_default=sa.text(empty), nullable=False)
        op.add_column("analysis_jobs", json)
    op.add_column("analysis_results", sa.Column("owner", sa.Text(), server_default="", nullable=False))
    op.add_column("analysis_results", sa.Column("published", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.execute("UPDATE analysis_results SET owner = job.owner FROM analysis_jobs AS job WHERE job.id = job_id")
    op.alter_column("analysis_results", "owner", server_default=None)
    op.alter_column("analysis_results", "published", server_default=None)
    create_tables()
    create_indexes()
    index_results()
    op.execute(sa.text(QUEUE))


def create_tables() -> None:
    op.create_table(
        "job_sources",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_job_sources")),
        job_key("job_sources"),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_events")),
        job_key("job_events"),
    )
    op.create_table(
        "job_audit",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("owner", "name", "kind", "folder_name", "status")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("started_at", "completed_at", "archived_at", "expires_at")
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("stats", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_audit")),
    )


def job_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id"], ["analysis_jobs.id"], name=op.f(f"fk_{table}_job_id_analysis_jobs"), ondelete="CASCADE"
    )


def create_indexes() -> None:
    op.create_index("ix_job_sources_file", "job_sources", ["file_id"])
    op.create_index("ix_job_audit_owner", "job_audit", ["owner", "deleted_at", "job_id"])
    op.create_index("ix_analysis_jobs_status", "analysis_jobs", ["status", "id"])
    op.create_index("ix_analysis_jobs_kind", "analysis_jobs", ["kind", "id"])
    op.create_index(
        "ix_analysis_jobs_folder", "analysis_jobs", ["folder_name"], postgresql_ops={"folder_name": "text_pattern_ops"}
    )
    dated = sa.text("expires_at IS NOT NULL AND deleted_at IS NULL")
    op.create_index("ix_analysis_jobs_due", "analysis_jobs", ["expires_at"], postgresql_where=dated)
    ended = sa.text("completed_at IS NOT NULL AND expires_at IS NULL AND deleted_at IS NULL")
    op.create_index("ix_analysis_jobs_ended", "analysis_jobs", ["completed_at"], postgresql_where=ended)
    open_ones = sa.text("kind = 'external' AND status IN ('pending', 'running')")
    op.create_index("ix_analysis_jobs_external", "analysis_jobs", ["priority", "id"], postgresql_where=open_ones)
    running = sa.text("status = 'running'")
    op.create_index("ix_analysis_jobs_leased", "analysis_jobs", ["leased_until"], postgresql_where=running)
    op.drop_index("ix_media_files_job", "media_files")
    op.create_index(
        "ix_media_files_job",
        "media_files",
        ["job_id", "category", "ordinal", "id"],
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    derived = sa.text("parent_id IS NOT NULL")
    op.create_index("ix_media_files_parent", "media_files", ["parent_id", "id"], postgresql_where=derived)
    restorable = sa.text("restorable_until IS NOT NULL")
    op.create_index("ix_analysis_jobs_trash", "analysis_jobs", ["restorable_until"], postgresql_where=restorable)
    unique_place("pending", "state = 'pending'", "job_fence", "role", "ordinal")
    unique_place("settled", "state <> 'pending'", "role", "ordinal")


def index_results() -> None:
    op.create_index("ix_analysis_results_owner", "analysis_results", ["owner", "id"])
    op.create_index("ix_analysis_results_kind", "analysis_results", ["kind", "id"])
    dated = sa.text("expires_at IS NOT NULL")
    op.create_index("ix_analysis_results_due", "analysis_results", ["expires_at"], postgresql_where=dated)
    of_file = sa.text("media_file_id IS NOT NULL")
    op.create_index("ix_analysis_results_file", "analysis_results", ["media_file_id", "id"], postgresql_where=of_file)
    hidden = sa.text("NOT published")
    op.create_index("ix_analysis_results_hidden", "analysis_results", ["job_id", "id"], postgresql_where=hidden)
    op.create_index(
        "ix_analysis_results_data",
        "analysis_results",
        ["data"],
        postgresql_using="gin",
        postgresql_ops={"data": "jsonb_path_ops"},
    )
    op.create_index(
        "uq_analysis_results_place",
        "analysis_results",
        ["job_id", "job_fence", "kind", "media_file_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("job_fence IS NOT NULL"),
    )


def unique_place(name: str, condition: str, *columns: str) -> None:
    op.create_index(
        f"uq_media_files_{name}_place",
        "media_files",
        ["job_id", *columns],
        unique=True,
        postgresql_where=sa.text(f"role IS NOT NULL AND {condition}"),
    )


def downgrade() -> None:
    """Go back; what is queued is lost, and jobs under way stay as they are."""
    op.execute("DROP SCHEMA queue CASCADE")
    for index in ("place", "data", "hidden", "file", "due", "kind", "owner"):
        op.drop_index(f"{'uq' if index == 'place' else 'ix'}_analysis_results_{index}", "analysis_results")
    for name in ("pending", "settled"):
        op.drop_index(f"uq_media_files_{name}_place", "media_files")
    op.drop_index("ix_media_files_parent", "media_files")
    op.drop_index("ix_media_files_job", "media_files")
    op.create_index(
        "ix_media_files_job", "media_files", ["job_id", "id"], postgresql_where=sa.text("job_id IS NOT NULL")
    )
    for name in ("trash", "leased", "external", "ended", "due", "folder", "kind", "status"):
        op.drop_index(f"ix_analysis_jobs_{name}", "analysis_jobs")
    for table in ("job_audit", "job_events", "job_sources"):
        op.drop_table(table)
    for name in ("published", "owner"):
        op.drop_column("analysis_results", name)
    for name in ("warnings", "produced", *COUNTERS):
        op.drop_column("analysis_jobs", name)
    for table, columns in OPTIONAL.items():
        for name, _ in columns:
            op.drop_column(table, name)
