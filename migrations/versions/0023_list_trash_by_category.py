"""Let the trash be listed by category, and by its ends."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = depends_on = None

TABLE = "media_files"
TRASHED = sa.text("state = 'trashed'")
ENDING = sa.text("expires_at IS NOT NULL AND state = 'trashed'")
AGE, OWN_AGE = sa.text("GREATEST(id, id)"), sa.text("LEAST(id, id)")
OWN_END = sa.text("LEAST(expires_at, expires_at)")
Indexes = dict[str, list[str | sa.TextClause]]
BEFORE: Indexes = {"ix_media_files_trashed": [AGE], "ix_media_files_owner_trashed": ["owner", OWN_AGE]}
AFTER: Indexes = {
    "ix_media_files_trashed": ["category", AGE],
    "ix_media_files_owner_trashed": ["owner", "category", OWN_AGE],
}
ENDS: Indexes = {
    "ix_media_files_trash_end": ["category", "expires_at", "id"],
    "ix_media_files_owner_trash_end": ["owner", "category", OWN_END, "id"],
}


def upgrade() -> None:
    for name, columns in AFTER.items():
        op.drop_index(name, TABLE)
        op.create_index(name, TABLE, columns, postgresql_where=TRASHED)
    for name, columns in ENDS.items():
        op.create_index(name, TABLE, columns, postgresql_where=ENDING)


def downgrade() -> None:
    for name in ENDS:
        op.drop_index(name, TABLE)
    for name, columns in BEFORE.items():
        op.drop_index(name, TABLE)
        op.create_index(name, TABLE, columns, postgresql_where=TRASHED)
