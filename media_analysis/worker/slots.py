"""How many jobs may run at once."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping


class Slots:
    """What runs here, and how much room is left beside it."""

    def __init__(self, total: int, per_kind: Mapping[str, int] | None = None) -> None:
        self._total = total
        self._per_kind = per_kind or {}
        self._taken: dict[Hashable, str] = {}
        self._running = Counter[str]()

    def take(self, run: Hashable, kind: str) -> None:
        self._taken[run] = kind
        self._running[kind] += 1

    def release(self, run: Hashable) -> bool:
        """Give a slot back, and say whether it was taken: once however often this is asked."""
        kind = self._taken.pop(run, None)
        if kind is None:
            return False
        self._running[kind] -= 1
        return True

    def fits(self, kind: str) -> bool:
        """Say whether one more of a kind could run."""
        return bool(self.room((kind,)))

    def room(self, kinds: Iterable[str]) -> dict[str, int]:
        """Return how many more jobs of each kind could run if no other began; kinds without room are left out."""
        free = self._total - len(self._taken)
        left = {kind: min(free, self._per_kind.get(kind, self._total) - self._running[kind]) for kind in kinds}
        return {kind: count for kind, count in left.items() if count > 0}
