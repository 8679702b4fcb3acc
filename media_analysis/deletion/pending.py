"""Pending rows that nobody will turn into files: uploads that failed, and what runs staged."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import TextClause, select
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import clock
from media_analysis.deletion import tombstones
from media_analysis.deletion.due import FACTS, DueFile
from media_analysis.deletion.tombstones import Claim, Order
from media_analysis.files import ledger
from media_analysis.files.ledger import Moved
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category

LOCK_PENDING: Final = f"""
    SELECT category::text, {FACTS} FROM media_files
    WHERE state = 'pending' AND {{which}} ORDER BY id LIMIT :limit FOR UPDATE
"""  # noqa: S608 - constants


async def delete_pending(
    session: AsyncSession, which: TextClause, asked: Mapping[str, Any], *, actor: str
) -> Sequence[Claim]:
    """Write tombstones of the rows a statement locks, whatever their category; their claims are purged afterwards."""
    found: dict[Category, list[DueFile]] = {}
    for category, *facts in await session.execute(which, asked):
        found.setdefault(Category(category), []).append(DueFile._make(facts))
    if not found:  # as after most runs
        return ()
    order = Order(now=(await session.execute(select(clock(None)))).scalar_one(), actor=actor)
    claims: list[Claim] = []
    moved: list[Moved] = []
    for category, files in found.items():
        claimed, given_back = await tombstones.write_tombstones(
            session, {RetentionRule.UPLOAD_ABANDONED: files}, order, category=category
        )
        claims += claimed
        moved += given_back
    await ledger.move(session, moved)
    return claims
