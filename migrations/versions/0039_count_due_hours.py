"""Count by the hour what falls due, so that what leaves within a day from now is a sum, too."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = depends_on = None

DAYS = ("category", "stored_on", "due_on", "files", "size_bytes")
HOURS = ("category", "stored_on", "due_on", "due_hour", "files", "size_bytes")


def upgrade() -> None:
    # In the order of everybody who writes files; nobody does until all that there are is counted anew.
    op.execute("LOCK TABLE media_files IN SHARE ROW EXCLUSIVE MODE")
    op.add_column("due_days", sa.Column("due_hour", sa.SmallInteger(), nullable=True))
    op.execute(_count(HOURS))
    op.execute("DELETE FROM due_days")
    op.execute(_add("media_files", HOURS, 1))


def downgrade() -> None:
    op.execute("LOCK TABLE media_files IN SHARE ROW EXCLUSIVE MODE")
    op.execute(_count(DAYS))
    op.drop_column("due_days", "due_hour")


def _count(columns: tuple[str, ...]) -> str:
    # Deltas, never counters: no two transactions wait for each other's day. A sweep folds them together.
    return f"""
        CREATE OR REPLACE FUNCTION count_due_days() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                {_add("old_rows", columns, -1)};
            END IF;
            IF TG_OP <> 'DELETE' THEN
                {_add("new_rows", columns, 1)};
            END IF;
            RETURN NULL;
        END $$
    """


def _add(rows: str, columns: tuple[str, ...], sign: int) -> str:
    """Return the statement that adds rows to their days, or takes them from these."""
    told = {
        "category": "category",
        "stored_on": "CASE WHEN state = 'stored' AND NOT expiry_explicit THEN (stored_at AT TIME ZONE 'UTC')::date END",
        "due_on": "CASE WHEN isfinite(due_at) THEN (due_at AT TIME ZONE 'UTC')::date END",
        "due_hour": "CASE WHEN isfinite(due_at) THEN extract(hour FROM due_at AT TIME ZONE 'UTC')::smallint END",
        "files": f"{sign} * count(*)",
        "size_bytes": f"{sign} * coalesce(sum(size_bytes), 0)",
    }
    by = ", ".join(str(number) for number in range(1, len(columns) - 1))
    selected = ", ".join(told[name] for name in columns)
    return f"""
        INSERT INTO due_days ({", ".join(columns)})
        SELECT {selected} FROM {rows} WHERE state <> 'pending' GROUP BY {by}
    """  # noqa: S608 - constants
