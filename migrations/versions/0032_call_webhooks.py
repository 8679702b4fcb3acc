"""Let owners be told of events at addresses of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = depends_on = None

TABLE = "webhook_deliveries"
DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("owner", "url")),
        *(sa.Column(name, sa.ARRAY(sa.Text()), nullable=False) for name in ("events", "labels")),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("old_secret", sa.Text(), nullable=True),
        sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("after_event", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in ("failing_since", "disabled_at")),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_owner", "webhooks", ["owner", "id"])
    _create_deliveries()
    op.create_table(
        "webhook_places",
        sa.Column("name", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("logged", "file")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_webhook_places")),
    )


def _create_deliveries() -> None:
    op.create_table(
        TABLE,
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("id", "webhook_id")),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("message_id", "subject", "type", "body")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gives_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in ("ended_at", "last_attempt_at")),
        sa.Column("delivered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("last_status", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f(f"fk_{TABLE}_webhook_id_webhooks"), ondelete="CASCADE"
        ),
    )
    op.create_index(f"uq_{TABLE}_message", TABLE, ["webhook_id", "message_id"], unique=True)
    op.create_index(f"ix_{TABLE}_webhook", TABLE, ["webhook_id", "position"])
    op.create_index(f"ix_{TABLE}_due", TABLE, ["webhook_id", "due_at"], postgresql_where=DUE)
    op.create_index(f"ix_{TABLE}_waiting", TABLE, ["webhook_id", "subject", "position"], postgresql_where=DUE)
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index(f"ix_{TABLE}_ended", TABLE, ["ended_at"], postgresql_where=ended)


def downgrade() -> None:
    # A release that does not know what these may do would refuse all that they ask for.
    op.execute(
        "UPDATE user_sessions SET revoked_at = coalesce(revoked_at, now()),"
        " own_scopes = NULLIF(array_remove(own_scopes, 'webhooks'), '{}') WHERE 'webhooks' = ANY(own_scopes)"
    )
    op.drop_table("webhook_places")
    op.drop_table(TABLE)
    op.drop_table("webhooks")
