"""Extend files, tombstones, sweeps and the ledger by trash, job holds, leases and policy versions."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None

GROWN = {
    "retention_rule": ("job_lease", "pressure", "trash"),
    "sweep_status": ("paused",),
    "sweep_trigger": ("pressure", "upload", "plan"),
}
SHRUNK = {
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
    "sweep_status": ("running", "completed", "budget_spent", "failed"),
    "sweep_trigger": ("schedule", "start", "api", "cli"),
}
METHODS = ("unlink", "overwrite_best_effort")
COMPLETE = "size_bytes IS NOT NULL AND stored_at IS NOT NULL"
STORED_IS_COMPLETE = "ck_media_files_stored_is_complete"


def instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def rule() -> postgresql.ENUM:
    return postgresql.ENUM(name="retention_rule", create_type=False)


def method() -> postgresql.ENUM:
    return postgresql.ENUM(*METHODS, name="deletion_method", create_type=False)


def number(name: str, default: int) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), server_default=str(default), nullable=False)


ADDED: dict[str, Sequence[tuple[str, TypeEngine[Any]]]] = {
    "media_files": (
        ("held_by", sa.Text()),
        ("job_held_until", instant()),
        ("leased_until", instant()),
        ("trashed_at", instant()),
        ("trash_ends_at", instant()),
        ("trash_rule", rule()),
        ("trashed_by", sa.Text()),
        ("trash_reason", sa.Text()),
        ("trash_sweep_id", sa.Uuid()),
    ),
    "tombstones": (
        ("job_held_until", instant()),
        ("leased_until", instant()),
        ("trashed_at", instant()),
        ("restorable_until", instant()),
        ("reason", sa.Text()),
        ("sweep_id", sa.Uuid()),
        ("policy_version", sa.Text()),
        ("purged_at", instant()),
    ),
    "analysis_jobs": (("hold_reason", sa.Text()), ("held_by", sa.Text())),
    "sweeps": (("policy_version", sa.Text()), ("plan_id", sa.Uuid())),
    "instance": (("clock_seen_at", instant()), ("settings_version", sa.Text())),
}


def upgrade() -> None:
    for name, values in GROWN.items():
        for value in values:
            op.execute(f"ALTER TYPE {name} ADD VALUE '{value}'")
    postgresql.ENUM(*METHODS, name="deletion_method").create(op.get_bind())
    for table, columns in ADDED.items():
        for name, kind in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    op.add_column("media_files", number("version", 1))
    op.add_column("tombstones", sa.Column("method", method(), server_default="unlink", nullable=False))
    op.add_column("ledger", number("trashed_files", 0))
    op.add_column("ledger", number("trashed_bytes", 0))
    op.add_column("sweeps", sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.add_column("purges", sa.Column("secure", sa.Boolean(), server_default=sa.false(), nullable=False))
    # Adopted files may be hashed later, by the scrub.
    complete_when(COMPLETE)
    create_indexes()


def complete_when(condition: str) -> None:
    op.drop_constraint(op.f(STORED_IS_COMPLETE), "media_files", type_="check")
    op.create_check_constraint(op.f(STORED_IS_COMPLETE), "media_files", f"state = 'pending' OR ({condition})")


def create_indexes() -> None:
    stored, trashed = sa.text("state = 'stored'"), sa.text("state = 'trashed'")
    op.create_index("ix_media_files_oldest", "media_files", ["category", "id"], postgresql_where=stored)
    op.create_index("ix_media_files_trash", "media_files", ["category", "trashed_at", "id"], postgresql_where=trashed)
    damaged = sa.text("last_error IS NOT NULL")
    op.create_index("ix_media_files_damaged", "media_files", ["id"], postgresql_where=damaged)
    op.create_index("ix_media_files_trash_sweep", "media_files", ["trash_sweep_id"], postgresql_where=trashed)
    op.create_index("ix_tombstones_deleted_at", "tombstones", ["deleted_at", "id"])
    op.create_index("ix_tombstones_owner", "tombstones", ["owner", "deleted_at", "id"])


def downgrade() -> None:
    """Go back; files in the trash, and those without a hash, cannot be said in the earlier schema and stop it."""
    op.drop_index("ix_tombstones_owner", "tombstones")
    op.drop_index("ix_tombstones_deleted_at", "tombstones")
    for name in ("trash_sweep", "damaged", "trash", "oldest"):
        op.drop_index(f"ix_media_files_{name}", "media_files")
    complete_when(f"sha256 IS NOT NULL AND {COMPLETE} AND trashed_at IS NULL")
    complete_when("size_bytes IS NOT NULL AND sha256 IS NOT NULL AND stored_at IS NOT NULL")
    op.drop_column("purges", "secure")
    op.drop_column("sweeps", "details")
    op.drop_column("ledger", "trashed_bytes")
    op.drop_column("ledger", "trashed_files")
    op.drop_column("tombstones", "method")
    op.drop_column("media_files", "version")
    for table, columns in ADDED.items():
        for name, _ in columns:
            op.drop_column(table, name)
    postgresql.ENUM(name="deletion_method").drop(op.get_bind())
    shrink("retention_rule", "tombstones", "rule", "requested")
    shrink("sweep_status", "sweeps", "status", "failed")
    shrink("sweep_trigger", "sweeps", "trigger", "api")


def shrink(name: str, table: str, column: str, instead: str) -> None:
    """Take an enum's later words away; rows that use them say `instead`."""
    op.execute(f"ALTER TYPE {name} RENAME TO {name}_grown")
    postgresql.ENUM(*SHRUNK[name], name=name).create(op.get_bind())
    later = ", ".join(f"'{value}'" for value in GROWN[name])
    op.execute(
        f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {name} USING "
        f"(CASE WHEN {column}::text IN ({later}) THEN '{instead}' ELSE {column}::text END)::{name}"
    )
    op.execute(f"DROP TYPE {name}_grown")
