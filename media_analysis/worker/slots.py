"""How many jobs may run here at the same time, in all and of each kind."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping


class Slots:
    """What runs here, and how much room is left beside it."""

    def __init__(self, total: int, per_kind: Mapping[str, int] | None = None) -> None:
        self._total = total
        self._per_kind = per_kind or {}
        self._taken: dict[Hashable, str] = {}

    def take(self, run: Hashable, kind: str) -> None:
        self._taken[run] = kind

    def release(self, run: Hashable) -> None:
        del self._taken[run]

    def room(self, kinds: Iterable[str]) -> dict[str, int]:
        """Return how many more jobs of each kind could run if no other began; kinds without room are left out."""
        free, running = self._total - len(self._taken), Counter(self._taken.values())
        left = {kind: min(free, self._per_kind.get(kind, self._total) - running[kind]) for kind in kinds}
        return {kind: count for kind, count in left.items() if count > 0}
