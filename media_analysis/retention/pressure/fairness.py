"""Who loses first: whoever is furthest beyond the share of a category, and nobody for the sake of one who has more."""

import heapq
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.files.ledger import Account
from media_analysis.policy.decision import CategoryRules
from media_analysis.retention.pressure.eviction import (
    FIRST,
    CandidateQueue,
    EvictionCandidate,
    Lane,
    QueuePlace,
    Stage,
    list_candidates,
)
from media_analysis.storage.category import SCRATCH, Category

Beside = Callable[[], Collection[Lane]]
PAGE: Final = 1_000
OWNERS_AT_ONCE: Final = 50
"""Of how many owners the next files are looked up together."""

_HELD = text("""
    SELECT category, owner, size_bytes + reserved_bytes AS held_bytes FROM ledger
    WHERE category = ANY(CAST(:categories AS category[])) AND size_bytes + reserved_bytes > 0
""").columns(category=CATEGORY)
_ARRIVING = text("""
    SELECT owner, coalesce(sum(arrived_bytes), 0)::bigint FROM media_files
    WHERE state = 'pending' AND category = ANY(CAST(:categories AS category[]))
        AND id IS DISTINCT FROM CAST(:upload AS uuid)
    GROUP BY owner
""")

Held = dict[str, int]
"""Bytes by owner."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An upload that room is made for: whose it is, and how much more its owner then has."""

    account: Account
    size_bytes: int
    file_id: UUID | None = None
    """The upload itself: no candidate although this transaction may have stored it, and all that came of it is
    in `size_bytes`; without one, that is more than what came already."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What everybody has of some categories, trash and reservations included."""

    held: Mapping[Category, Held]
    arriving: Mapping[str, int]
    """Bytes of other uploads under way, which no quota counts."""

    def of(self, category: Category, wish: Wish | None) -> Held:
        """Return what everybody has of one category, once the wish is granted."""
        held = dict(self.held.get(category, {}))
        if wish is not None and wish.account.category is category:
            held[wish.account.owner] = held.get(wish.account.owner, 0) + wish.size_bytes
        return held

    def lose(self, account: Account, size_bytes: int) -> None:
        """Note that an owner has so much less."""
        held = self.held[account.category]
        held[account.owner] = held.get(account.owner, 0) - size_bytes

    def losers_to(self, wish: Wish | None) -> Collection[str] | None:
        """Return who may lose a file to the owner of a wish: that owner, and who has as much; None is anybody."""
        if wish is None:
            return None
        totals: Held = dict(self.arriving)
        for held in self.held.values():
            for owner, size_bytes in held.items():
                totals[owner] = totals.get(owner, 0) + size_bytes
        asking = wish.account.owner
        after_bytes = totals.get(asking, 0) + wish.size_bytes
        return {asking, *(owner for owner, size_bytes in totals.items() if size_bytes >= after_bytes)}


async def read_holdings(session: AsyncSession, categories: Sequence[Category], wish: Wish | None) -> Holdings:
    """Return who has what of these categories, by the ledger, beside the wish."""
    upload = None if wish is None else wish.file_id
    asked = {"categories": [category.value for category in categories], "upload": upload}
    held: dict[Category, Held] = {category: {} for category in categories}
    for row in await session.execute(_HELD, asked):
        held[row.category][row.owner] = row.held_bytes
    arriving = {owner: size_bytes for owner, size_bytes in await session.execute(_ARRIVING, asked) if size_bytes}
    return Holdings(held, arriving)


class EvictionTurn(NamedTuple):
    """A file whose turn it is, and whether a date somebody gave it yields."""

    candidate: EvictionCandidate
    dates_yield: bool
    beyond_share: bool


@dataclass
class _Reader:
    """Reads lanes page by page, and remembers where it is in each."""

    source: CandidateQueue
    places: dict[Lane, QueuePlace] = field(default_factory=dict)
    pages: dict[Lane, deque[EvictionCandidate]] = field(default_factory=dict)
    ended: set[Lane] = field(default_factory=set)

    async def peek(self, session: AsyncSession, lane: Lane, beside: Beside, *, lock: bool) -> bool:
        """Return whether a lane has another file; lanes `beside` are looked up together with it, once a page."""
        if not self.pages.get(lane) and lane not in self.ended:
            await self._load(session, [lane, *beside()], lock=lock)
        return bool(self.pages.get(lane))

    def take(self, lane: Lane) -> EvictionCandidate:
        candidate = self.pages[lane].popleft()
        self.places[lane] = candidate.place
        return candidate

    def next_place(self, lane: Lane) -> QueuePlace:
        return self.pages[lane][0].place

    def reset(self) -> None:
        """Let go of what was read and not taken: its locks end with the transaction."""
        self.ended -= {lane for lane, page in self.pages.items() if page}
        self.pages.clear()

    async def _load(self, session: AsyncSession, lanes: Sequence[Lane], *, lock: bool) -> None:
        missing = [lane for lane in dict.fromkeys(lanes) if not self.pages.get(lane) and lane not in self.ended]
        limit = max(1, PAGE // len(missing))
        after = {lane: self.places.get(lane, FIRST) for lane in missing}
        found = await list_candidates(session, self.source, after, limit=limit, lock=lock)
        for lane in missing:
            page = found.get(lane, [])
            self.pages[lane] = deque(page)
            if len(page) < limit:
                self.ended.add(lane)


@dataclass
class FairQueue:
    """The files of one category and stage in the order of their turns; what was taken moves the rest."""

    source: CandidateQueue
    rules: CategoryRules
    wish: Wish | None = None
    only_owner: bool = False
    """Whether none but the owner of the wish loses anything: it is about a quota of their own."""
    _holdings: Holdings | None = None
    _held: Held = field(default_factory=dict)
    _losers: Collection[str] | None = None
    left: int = field(default=0, init=False)
    """How many more files `turns` looks at, whether they have a turn or not."""
    _seen: set[UUID] = field(default_factory=set)
    """Whose turn it was: what is of an owner is also of all."""
    _reader: _Reader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = _Reader(self.source)

    def begin(self, holdings: Holdings) -> None:
        """Go on from where the last transaction stopped, with what everybody has by now."""
        self._holdings = holdings
        self._held = holdings.of(self.source.category, self.wish)
        self._losers = holdings.losers_to(self.wish)
        self._reader.reset()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Stand where it stood before, should the transaction that reads on be rolled back."""
        seen, places, ended = set(self._seen), dict(self._reader.places), set(self._reader.ended)
        try:
            yield
        except BaseException:
            self._reader.reset()
            self._seen, self._reader.places, self._reader.ended = seen, places, ended
            raise

    def took(self, candidate: EvictionCandidate) -> None:
        """Note that a file goes."""
        self._held[candidate.owner] = self._held.get(candidate.owner, 0) - candidate.file.size_bytes
        if self._holdings is not None:
            self._holdings.lose(Account(candidate.owner, self.source.category), candidate.file.size_bytes)

    @property
    def share_bytes(self) -> int:
        """The owner quota, else the same part of the quota for everybody who has something."""
        if self.rules.owner_quota_bytes is not None:
            return self.rules.owner_quota_bytes
        whole_bytes = sum(self._held.values()) if self.rules.quota_bytes is None else self.rules.quota_bytes
        return whole_bytes // max(1, sum(size_bytes > 0 for size_bytes in self._held.values()))

    async def turns(self, session: AsyncSession, *, most: int, lock: bool) -> AsyncGenerator[EvictionTurn]:
        """Yield whose turn it is, first to last; the caller says by `took` what goes before it asks for the next.

        It looks at `most` files; those of others than may lose to the wish count, for they cost as much.
        """
        self.left = most
        if self.only_owner and self.wish is not None:
            async for turn in self._of_owners(session, {self.wish.account.owner: 0}, lock=lock):
                yield turn
            return
        share_bytes = self.share_bytes
        beyond = {owner: share_bytes for owner, held in self._held.items() if held > share_bytes and self._may(owner)}
        async for turn in self._of_owners(session, beyond, lock=lock):
            yield turn
        async for turn in self._oldest(session, lock=lock):
            yield turn

    def _may(self, owner: str) -> bool:
        return self._losers is None or owner in self._losers

    def _is_new(self, candidate: EvictionCandidate) -> bool:
        if candidate.file.id in self._seen or (self.wish is not None and candidate.file.id == self.wish.file_id):
            return False
        self._seen.add(candidate.file.id)
        return True

    async def _of_owners(
        self, session: AsyncSession, down_to: Mapping[str, int], *, lock: bool
    ) -> AsyncGenerator[EvictionTurn]:
        """Yield the files of these owners, each time of whoever has most, until each is down to so much."""
        heap = [(-self._held.get(owner, 0), owner) for owner in down_to]
        heapq.heapify(heap)
        while heap and self.left > 0:
            owner = heapq.heappop(heap)[1]
            lane = await self._find_lane(session, self._lanes(owner), partial(self._next_lanes, heap), lock=lock)
            if lane is None:
                continue
            candidate = self._take(lane)
            if self._is_new(candidate):
                yield EvictionTurn(candidate, dates_yield=True, beyond_share=True)
            if self._held.get(owner, 0) > down_to[owner]:
                heapq.heappush(heap, (-self._held.get(owner, 0), owner))

    async def _oldest(self, session: AsyncSession, *, lock: bool) -> AsyncGenerator[EvictionTurn]:
        """Yield the files of all who may lose any, oldest first: what has no date, then the rest, unless scratch."""
        scratch = self.source.category in SCRATCH
        owners, kinds = self._readable(), list(self._kinds())
        for together in [kinds] if scratch else [[kind] for kind in kinds]:
            lanes = [Lane(owner, dated) for owner in owners for dated in together]
            found = [lane for lane in lanes if await self._reader.peek(session, lane, partial(list, lanes), lock=lock)]
            heap = [(self._reader.next_place(lane), lane) for lane in found]
            heapq.heapify(heap)
            while heap and self.left > 0:
                lane = heapq.heappop(heap)[1]
                candidate = self._take(lane)
                if self._may(candidate.owner) and self._is_new(candidate):
                    yield EvictionTurn(candidate, dates_yield=scratch, beyond_share=False)
                if self.left > 0 and await self._reader.peek(session, lane, partial(list, lanes), lock=lock):
                    heapq.heappush(heap, (self._reader.next_place(lane), lane))

    def _readable(self) -> Sequence[str | None]:
        """Return whose files are read: of few who may lose any just theirs, else everybody's, of which some stay."""
        if self._losers is None:
            return [None]
        owners = [owner for owner in self._losers if self._held.get(owner, 0) > 0]
        return owners if len(owners) <= OWNERS_AT_ONCE else [None]

    def _take(self, lane: Lane) -> EvictionCandidate:
        self.left -= 1
        return self._reader.take(lane)

    async def _find_lane(
        self, session: AsyncSession, lanes: Sequence[Lane], beside: Beside, *, lock: bool
    ) -> Lane | None:
        """Return the lane whose turn it is: what has no date first, but in scratch categories the oldest."""
        if self.source.category not in SCRATCH:
            for lane in lanes:
                if await self._reader.peek(session, lane, beside, lock=lock):
                    return lane
            return None
        found = [lane for lane in lanes if await self._reader.peek(session, lane, beside, lock=lock)]
        return min(found, key=self._reader.next_place, default=None)

    def _next_lanes(self, heap: Sequence[tuple[int, str]]) -> Sequence[Lane]:
        """Return the lanes of those whose turn comes next."""
        return [lane for _, owner in heapq.nsmallest(OWNERS_AT_ONCE, heap) for lane in self._lanes(owner)]

    def _lanes(self, owner: str | None) -> Sequence[Lane]:
        return [Lane(owner, dated) for dated in self._kinds()]

    def _kinds(self) -> Iterator[bool]:
        yield False
        if self.source.stage is Stage.OLDEST:
            yield True
