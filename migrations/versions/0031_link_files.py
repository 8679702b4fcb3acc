"""Let files be read, and brought, by links: signed addresses, and the keys that sign them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0031"
down_revision = "0030"
branch_labels = depends_on = None

KIND = ENUM("download", "upload", name="link_kind", create_type=False)
DISPOSITION = ENUM("attachment", "inline", name="link_disposition", create_type=False)
KNOWN = (
    "CASE kind WHEN 'download' THEN file_id IS NOT NULL AND disposition IS NOT NULL "
    "AND wish IS NULL AND max_bytes IS NULL "
    "ELSE wish IS NOT NULL AND max_bytes > 0 AND disposition IS NULL END"
)
LIVING = sa.text("revoked_at IS NULL AND used_at IS NULL")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("CREATE TYPE link_kind AS ENUM ('download', 'upload')")
    op.execute("CREATE TYPE link_disposition AS ENUM ('attachment', 'inline')")
    op.create_table(
        "link_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint("octet_length(secret) = 32", name=op.f("ck_link_keys_secret_has_256_bits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_keys")),
    )
    op.create_table(
        "links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", KIND, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("disposition", DISPOSITION, nullable=True),
        sa.Column("wish", JSONB(none_as_null=True), nullable=True),
        sa.Column("max_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.CheckConstraint(KNOWN, name=op.f("ck_links_kind_says_what_is_known")),
        sa.ForeignKeyConstraint(["key_id"], ["link_keys.id"], name=op.f("fk_links_key_id_link_keys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
    )
    op.create_index("ix_links_owner", "links", ["owner", "id"])
    op.create_index("ix_links_owner_living", "links", ["owner", "expires_at"], postgresql_where=LIVING)
    op.create_index("ix_links_file", "links", ["file_id", "id"], postgresql_where=sa.text("file_id IS NOT NULL"))
    op.create_index("ix_links_key", "links", ["key_id"])


def downgrade() -> None:
    op.drop_table("links")
    op.drop_table("link_keys")
    op.execute("DROP TYPE link_disposition")
    op.execute("DROP TYPE link_kind")
