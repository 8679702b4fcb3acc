"""How far a task is: sources weigh as much as they last."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from media_analysis.analysis.task import Emitter

_PROBED: Final = 0.02
_DECODED: Final = 0.97


@dataclass(slots=True)
class SharedProgress:
    """Tells an emitter one share for all sources, which never falls.

    `done` and `total` count sources while probing, the pictures of the source at hand while decoding,
    and sheets while drawing them.
    """

    emitter: Emitter
    _weights: Sequence[float] = field(default=(1.0,), init=False)
    _passed: float = field(default=0.0, init=False)
    _share: float = field(default=0.0, init=False)

    def probing(self, done: int, total: int) -> None:
        """Say that `done` of `total` sources are known."""
        self._tell(_PROBED * done / total, "probing", done, total)

    def weigh(self, durations: Sequence[float | None]) -> None:
        """Take durations in seconds as weights; what is unknown weighs as the others do, stills a little."""
        known = [duration for duration in durations if duration]
        usual = sum(known) / len(known) if known else 1.0
        self._weights = [usual if duration is None else max(duration, usual / 100) for duration in durations]

    def decoding(self, index: int, part: float, *, done: int, total: int | None) -> None:
        """Say that `part` of the source at `index` is decoded, 0 to 1."""
        passed = sum(self._weights[:index]) + self._weights[index] * min(max(part, 0.0), 1.0)
        self._tell(_PROBED + (_DECODED - _PROBED) * passed / sum(self._weights), "decoding", done, total)

    def listening(self, index: int, part: float) -> None:
        """Say that `part` of the sound of the source at `index` is decoded, 0 to 1."""
        passed = sum(self._weights[:index]) + self._weights[index] * min(max(part, 0.0), 1.0)
        self._tell(_PROBED + (_DECODED - _PROBED) * passed / sum(self._weights), "listening", None, None)

    def drawing(self, done: int, total: int) -> None:
        """Say that `done` of `total` sheets are drawn."""
        self._tell(self._share, "sheet", done, total)

    def finished(self, stage: str) -> None:
        """Say that all is done."""
        self._tell(1.0, stage, None, None)

    def _tell(self, share: float, stage: str, done: int | None, total: int | None) -> None:
        self._share = max(self._share, share)
        self.emitter.progress(self._share, stage, done=done, total=total)
