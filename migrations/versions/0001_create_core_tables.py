"""Create files, jobs, results, sessions, and what retention remembers."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = branch_labels = depends_on = None

ENUMS = {
    "category": ("uploads", "frames", "contact_sheets", "outputs", "temp", "clips", "archives"),
    "file_state": ("pending", "stored", "archived", "trashed"),
    "job_status": ("pending", "running", "completed", "failed", "cancelled"),
    "retention_rule": (
        "requested",
        "upload_abandoned",
        "explicit_expiry",
        "category_lifetime",
        "upload_lease",
        "minimum_retention",
        "hold",
        "indefinite",
    ),
    "role": ("user", "admin"),
    "sweep_status": ("running", "completed", "budget_spent", "failed"),
    "sweep_trigger": ("schedule", "start", "api", "cli"),
}
TABLES = (
    "media_files",
    "analysis_results",
    "analysis_jobs",
    "user_sessions",
    "tombstones",
    "ledger",
    "idempotency_keys",
    "sweeps",
    "purges",
    "instance",
)


def enum(name: str) -> postgresql.ENUM:
    return postgresql.ENUM(*ENUMS[name], name=name, create_type=False)


def required(name: str, kind: TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def optional(name: str, kind: TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def created_at() -> sa.Column[Any]:
    return sa.Column("created_at", instant(), server_default=sa.text("now()"), nullable=False)


def document(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)


def upgrade() -> None:
    for name, values in ENUMS.items():
        postgresql.ENUM(*values, name=name).create(op.get_bind())
    for create in (create_jobs, create_results, create_files, create_ledger, create_idempotency_keys, create_sessions):
        create()
    for create in (create_tombstones, create_sweeps, create_purges, create_instance):
        create()


def create_jobs() -> None:
    op.create_table(
        "analysis_jobs",
        required("id", sa.Uuid()),
        required("owner", sa.Text()),
        required("name", sa.Text()),
        required("kind", sa.Text()),
        document("parameters"),
        required("status", enum("job_status")),
        required("progress", sa.Double()),
        required("priority", sa.BigInteger()),
        required("attempts", sa.BigInteger()),
        optional("error", sa.Text()),
        required("folder_name", sa.Text()),
        required("category", enum("category")),
        created_at(),
        optional("started_at", instant()),
        optional("completed_at", instant()),
        optional("expires_at", instant()),
        optional("archived_at", instant()),
        optional("archive_file_id", sa.Uuid()),
        optional("deleted_at", instant()),
        optional("deletion_reason", sa.Text()),
        optional("held_until", instant()),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_analysis_jobs_progress_is_share")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_jobs")),
        sa.UniqueConstraint("folder_name", name=op.f("uq_analysis_jobs_folder_name")),
    )
    op.create_index("ix_analysis_jobs_owner", "analysis_jobs", ["owner", "id"])


def create_results() -> None:
    op.create_table(
        "analysis_results",
        required("id", sa.Uuid()),
        required("job_id", sa.Uuid()),
        optional("media_file_id", sa.Uuid()),
        required("kind", sa.Text()),
        required("data", postgresql.JSONB()),
        required("category", enum("category")),
        created_at(),
        optional("expires_at", instant()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_results")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["analysis_jobs.id"], name=op.f("fk_analysis_results_job_id_analysis_jobs")
        ),
    )
    op.create_index("ix_analysis_results_job", "analysis_results", ["job_id", "id"])


def create_files() -> None:
    op.create_table(
        "media_files",
        required("id", sa.Uuid()),
        required("owner", sa.Text()),
        required("category", enum("category")),
        required("state", enum("file_state")),
        required("key", sa.Text()),
        required("filename", sa.Text()),
        required("media_type", sa.Text()),
        optional("job_id", sa.Uuid()),
        optional("parent_id", sa.Uuid()),
        optional("size_bytes", sa.BigInteger()),
        required("reserved_bytes", sa.BigInteger()),
        optional("sha256", sa.LargeBinary()),
        created_at(),
        optional("stored_at", instant()),
        optional("expires_at", instant()),
        required("expiry_explicit", sa.Boolean()),
        optional("min_retain_until", instant()),
        optional("held_until", instant()),
        optional("hold_reason", sa.Text()),
        optional("due_at", instant()),
        optional("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_files")),
        sa.UniqueConstraint("key", name=op.f("uq_media_files_key")),
        sa.ForeignKeyConstraint(["job_id"], ["analysis_jobs.id"], name=op.f("fk_media_files_job_id_analysis_jobs")),
        sa.CheckConstraint("size_bytes >= 0 AND reserved_bytes >= 0", name=op.f("ck_media_files_sizes_not_negative")),
        sa.CheckConstraint(
            "state = 'pending' OR (size_bytes IS NOT NULL AND sha256 IS NOT NULL AND stored_at IS NOT NULL)",
            name=op.f("ck_media_files_stored_is_complete"),
        ),
    )
    due, of_job, pending = (sa.text(it) for it in ("due_at IS NOT NULL", "job_id IS NOT NULL", "state = 'pending'"))
    op.create_index("ix_media_files_due", "media_files", ["category", "due_at", "id"], postgresql_where=due)
    op.create_index("ix_media_files_pending", "media_files", ["category", "due_at", "id"], postgresql_where=pending)
    op.create_index("ix_media_files_owner", "media_files", ["owner", "id"])
    op.create_index("ix_media_files_owner_category", "media_files", ["owner", "category", "id"])
    op.create_index("ix_media_files_job", "media_files", ["job_id", "id"], postgresql_where=of_job)


def create_ledger() -> None:
    op.create_table(
        "ledger",
        required("owner", sa.Text()),
        required("category", enum("category")),
        required("files", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        required("reserved_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("owner", "category", name=op.f("pk_ledger")),
        sa.CheckConstraint(
            "size_bytes >= 0 AND reserved_bytes >= 0 AND files >= 0", name=op.f("ck_ledger_sums_not_negative")
        ),
    )


def create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        required("owner", sa.Text()),
        required("key", sa.Text()),
        required("file_id", sa.Uuid()),
        required("fingerprint", sa.LargeBinary()),
        optional("answer", postgresql.JSONB()),
        required("expires_at", instant()),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def create_sessions() -> None:
    op.create_table(
        "user_sessions",
        required("id", sa.Uuid()),
        required("owner", sa.Text()),
        required("role", enum("role")),
        required("token_hash", sa.LargeBinary()),
        created_at(),
        optional("last_seen_at", instant()),
        required("expires_at", instant()),
        optional("revoked_at", instant()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_user_sessions_token_hash_is_sha256")),
    )
    op.create_index("ix_user_sessions_owner", "user_sessions", ["owner", "id"])
    op.create_index("uq_user_sessions_token_hash", "user_sessions", ["token_hash"], unique=True)


def create_tombstones() -> None:
    op.create_table(
        "tombstones",
        required("id", sa.Uuid()),
        required("owner", sa.Text()),
        required("category", enum("category")),
        required("state", enum("file_state")),
        required("key", sa.Text()),
        required("filename", sa.Text()),
        required("media_type", sa.Text()),
        optional("job_id", sa.Uuid()),
        optional("parent_id", sa.Uuid()),
        optional("size_bytes", sa.BigInteger()),
        optional("sha256", sa.LargeBinary()),
        required("created_at", instant()),
        optional("expires_at", instant()),
        optional("min_retain_until", instant()),
        optional("held_until", instant()),
        optional("due_at", instant()),
        required("deleted_at", instant()),
        required("rule", enum("retention_rule")),
        required("requested_by", sa.Text()),
        required("purge_id", sa.Uuid()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tombstones")),
    )


def create_sweeps() -> None:
    op.create_table(
        "sweeps",
        required("id", sa.Uuid()),
        required("kind", sa.Text()),
        optional("slot", instant()),
        required("trigger", enum("sweep_trigger")),
        required("requested_by", sa.Text()),
        required("dry_run", sa.Boolean()),
        required("status", enum("sweep_status")),
        required("started_at", instant()),
        optional("ended_at", instant()),
        required("files", sa.BigInteger()),
        required("size_bytes", sa.BigInteger()),
        required("errors", sa.BigInteger()),
        document("categories"),
        optional("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
    )
    slotted = sa.text("slot IS NOT NULL")
    op.create_index("uq_sweeps_kind_slot", "sweeps", ["kind", "slot"], unique=True, postgresql_where=slotted)
    op.create_index("ix_sweeps_started_at", "sweeps", ["started_at"])


def create_purges() -> None:
    op.create_table(
        "purges",
        required("id", sa.Uuid()),
        optional("sweep_id", sa.Uuid()),
        required("tombstone_ids", postgresql.ARRAY(sa.Uuid())),
        required("claimed_at", instant()),
        optional("due_at", instant()),
        required("attempts", sa.BigInteger()),
        optional("last_error", sa.Text()),
        optional("dead_at", instant()),
        optional("confirmed_at", instant()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purges")),
    )
    op.create_index("ix_purges_dead", "purges", ["dead_at"], postgresql_where=sa.text("dead_at IS NOT NULL"))
    op.create_index("ix_purges_due", "purges", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def create_instance() -> None:
    op.create_table(
        "instance",
        required("singleton", sa.Boolean()),
        required("id", sa.Uuid()),
        created_at(),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_instance")),
        sa.CheckConstraint("singleton", name=op.f("ck_instance_single_row")),
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for name in ENUMS:
        postgresql.ENUM(name=name).drop(op.get_bind())
