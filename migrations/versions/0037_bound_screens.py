"""Index what screens ask for where very many files lie below one thing, beside renditions, or in the trail."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = depends_on = None

_OVER = "COALESCE(expires_at, 'infinity'::timestamp with time zone)"
_TEMP = "category = 'temp' AND rendition IS NULL"
_STORED_TEMP = f"{_TEMP} AND state = 'stored'"
_ENDING_TEMP = f"{_TEMP} AND expires_at IS NOT NULL AND state <> 'trashed'"
FILES = (
    ("preview", ("parent_id", "id"), "role IN ('poster', 'storyboard_vtt', 'waveform')"),
    ("temp", ("GREATEST(id, id, id)", _OVER), _STORED_TEMP),
    ("owner_temp", ("owner", "LEAST(id, id, id)", _OVER), _STORED_TEMP),
    ("temp_end", ("GREATEST(expires_at, expires_at)", "id"), _ENDING_TEMP),
    ("owner_temp_end", ("owner", "LEAST(expires_at, expires_at, expires_at)", "id"), _ENDING_TEMP),
)
TRAIL = ("actor", "action")


def upgrade() -> None:
    for name, columns, where in FILES:
        _index("media_files", f"ix_media_files_{name}", columns, where)
    for column in TRAIL:
        op.create_index(f"ix_audit_events_{column}", "audit_events", [column, "id"])
    _index_jobs("job_id IS NOT NULL AND state <> 'trashed'")


def downgrade() -> None:
    _index_jobs("job_id IS NOT NULL")
    for column in TRAIL:
        op.drop_index(f"ix_audit_events_{column}", "audit_events")
    for name, _, _ in FILES:
        op.drop_index(f"ix_media_files_{name}", "media_files")


def _index_jobs(where: str) -> None:
    """Index what lists of a job's products show; what lies in the trash is none of it."""
    op.drop_index("ix_media_files_job", "media_files")
    _index("media_files", "ix_media_files_job", ("job_id", "category", "ordinal", "id"), where)


def _index(table: str, name: str, columns: tuple[str, ...], where: str) -> None:
    expressions = [sa.text(column) if "(" in column else column for column in columns]
    op.create_index(name, table, expressions, postgresql_where=sa.text(where))
