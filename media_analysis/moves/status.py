"""How moves stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.moves import register, statements
from media_analysis.moves.models import StoreMove
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.statements import MoveSum

NOTHING: Final = MoveSum(0, 0)
SHOWN: Final = 20
"""How many of those that cannot be copied are named."""


@dataclass(frozen=True)
class MoveStatus:
    """How one move stands."""

    move: StoreMove
    copied: MoveSum
    to_copy: MoveSum
    left: MoveSum
    failures: Mapping[str, str]

    @property
    def failed(self) -> int:
        return self.to_copy.failed

    @property
    def state(self) -> str:
        if self.move.is_under_way:
            return "under way"
        ended = "switched" if self.move.switched_at is not None else "cancelled"
        return ended if self.move.emptied_at is None else f"{ended}, nothing is left"


@dataclass(frozen=True)
class MoveStatusService:
    """Tells of moves; it looks at rows alone."""

    context: MoveContext

    async def list(self) -> Sequence[MoveStatus]:
        """Return how all moves stand, the latest first."""
        async with self.context.db.read_only() as session:
            return [await _status(session, move) for move in await register.list_moves(session)]


async def _status(session: AsyncSession, move: StoreMove) -> MoveStatus:
    copied = await statements.sum_copied(session, move)
    if not move.is_under_way:
        return MoveStatus(move, copied, NOTHING, await statements.sum_left(session, move), {})
    failed = await statements.list_failed(session, move)
    shown = {key: reason for key, (_, reason) in list(failed.items())[:SHOWN]}
    return MoveStatus(move, copied, await statements.sum_to_copy(session, move), NOTHING, shown)
