"""A few evenly spread things out of a stream, whose length may be unknown, without keeping the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


def evenly(count: int, wanted: int) -> Sequence[int]:
    """Return up to `wanted` of the indexes below `count`, first and last among them, ascending."""
    if wanted >= count:
        return range(count)
    if wanted == 1:
        return [count // 2]
    return [index * (count - 1) // (wanted - 1) for index in range(wanted)]


@dataclass(slots=True)
class Spread(Generic[Kept]):
    """Keeps up to `wanted` things of a stream, evenly spread over it.

    A known length says which ones. For an unknown one every n-th is kept, and n doubles whenever there are
    twice as many as wanted.
    """

    wanted: int
    length: int | None = None
    _stride: int = field(default=1, init=False)
    _seen: int = field(default=0, init=False)
    kept: list[Kept] = field(default_factory=list, init=False)
    _chosen: frozenset[int] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.length is not None:
            self._chosen = frozenset(evenly(self.length, self.wanted))

    def offer(self, make: Callable[[], Kept]) -> None:
        """Count one more thing of the stream, and make it if it is to be kept."""
        index, self._seen = self._seen, self._seen + 1
        if self._chosen is None and index % self._stride == 0:
            self.kept.append(make())
            self._thin_out()
        elif self._chosen is not None and index in self._chosen:
            self.kept.append(make())

    def taken(self) -> Sequence[Kept]:
        """Return up to `wanted` things in the order they came."""
        return [self.kept[index] for index in evenly(len(self.kept), self.wanted)]

    def _thin_out(self) -> None:
        if len(self.kept) > 2 * self.wanted:
            self.kept = self.kept[::2]
            self._stride *= 2
