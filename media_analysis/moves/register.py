"""The moves themselves, as they are remembered: begun, under way, and ended by one run alone."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors.moves import MoveRefused
from media_analysis.moves.models import StoreMove

_UNDER_WAY: Final = and_(StoreMove.switched_at.is_(None), StoreMove.cancelled_at.is_(None))
_TAKE_OVER: Final = (
    text("""
    INSERT INTO store_copies (move_id, key, file_id, size_bytes)
    SELECT CAST(:move_id AS uuid), key, file_id, size_bytes FROM store_copies
    WHERE move_id = ANY(CAST(:earlier AS uuid[]))
    ON CONFLICT (move_id, key) DO NOTHING
"""),
    text("DELETE FROM store_copies WHERE move_id = ANY(CAST(:earlier AS uuid[])) AND move_id <> :move_id"),
    text("UPDATE store_moves SET emptied_at = now() WHERE id = ANY(CAST(:earlier AS uuid[])) AND id <> :move_id"),
)


async def list_moves(session: AsyncSession) -> Sequence[StoreMove]:
    """Return all moves, the latest first."""
    return (await session.scalars(select(StoreMove).order_by(StoreMove.id.desc()))).all()


async def add_move(session: AsyncSession, move: StoreMove) -> None:
    """Write down that a move begins."""
    about = {"id": move.id, "part": move.part, "source": move.source, "target": move.target}
    await session.execute(insert(StoreMove).values(about))


async def take_over(session: AsyncSession, move: StoreMove, earlier: Sequence[UUID]) -> None:
    """Make what earlier moves left in the target this one's to look at."""
    for statement in _TAKE_OVER:
        await session.execute(statement, {"move_id": move.id, "earlier": list(earlier)})


async def end_move(session: AsyncSession, move_id: UUID, column: str) -> None:
    """Write down that a move was switched or cancelled; the database's clock says when.

    Raises:
        MoveRefused: it is not under way any more, for another run ended it.

    """
    ended = update(StoreMove).where(StoreMove.id == move_id, _UNDER_WAY).values({column: func.now()})
    if (await session.execute(ended.returning(StoreMove.id))).one_or_none() is None:
        raise MoveRefused("another run has ended this move; media-analysis store status tells how")


async def is_under_way(session: AsyncSession, move_id: UUID) -> bool:
    """Say whether nobody has switched or cancelled a move."""
    return await session.scalar(select(StoreMove.id).where(StoreMove.id == move_id, _UNDER_WAY)) is not None


async def mark_emptied(session: AsyncSession, move_id: UUID) -> None:
    """Write down that nothing of a move is left in the place that is no store any more."""
    await session.execute(update(StoreMove).where(StoreMove.id == move_id).values(emptied_at=func.now()))
