"""Runs migrations one at a time across replicas, each in its own transaction, and never waits on a lock for long."""

import asyncio
import os
from functools import partial

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import media_analysis.archive.models
import media_analysis.audit
import media_analysis.db.instance
import media_analysis.events.models
import media_analysis.files.archived
import media_analysis.files.models
import media_analysis.files.resumable.models
import media_analysis.files.upload.idempotency
import media_analysis.integrity.scrub
import media_analysis.jobs.models
import media_analysis.moves.models
import media_analysis.records.models
import media_analysis.replication.models
import media_analysis.retention.duties
import media_analysis.retention.models
import media_analysis.sessions.models
import media_analysis.webhooks.models  # noqa: F401 - each import registers its tables
from media_analysis.db.address import Address
from media_analysis.db.base import Base
from media_analysis.db.connecting import connect

ADVISORY_LOCK = 7_305_124_771
"""Any constant, the same for all: it keeps two migrating replicas apart."""


def _url() -> str:
    given = context.config.get_main_option("sqlalchemy.url") or os.environ.get("DATABASE_URL")
    if not given:
        raise SystemExit("set DATABASE_URL, or use `media-analysis migrate`, which knows the embedded server")
    return given


def _migrate(connection: Connection, *, transaction_per_migration: bool = True) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=transaction_per_migration,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    opened = partial(
        connect,
        Address.parse(_url()),
        "media-analysis migrate",
        timeout_seconds=60,
        command_timeout_seconds=None,
        settings={"lock_timeout": "5s", "statement_timeout": "10min", "timezone": "UTC"},
    )
    # Without a pool nothing outlives a migration that fails.
    engine = create_async_engine("postgresql+asyncpg://", async_creator=opened, poolclass=NullPool)
    async with engine.connect() as guard, engine.connect() as connection:
        # The guard's transaction ends when its connection does, so a killed migration leaves no lock behind.
        await guard.execute(text("SET LOCAL lock_timeout = '10min'"))
        await guard.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        await connection.run_sync(_migrate)
        await connection.commit()


if "connection" in context.config.attributes:  # a rehearsal, inside a transaction of its caller's
    _migrate(context.config.attributes["connection"], transaction_per_migration=False)
elif context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(_run())
