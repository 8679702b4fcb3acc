"""All contact sheets of a job: one for each video, and one for its still images together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from media_analysis.analysis.documents import SheetEntry
from media_analysis.analysis.tasks.progress import SharedProgress
from media_analysis.analysis.tasks.sources import Examined
from media_analysis.analysis.tasks.thumbnails import Thumbnails
from media_analysis.media.options import SheetOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.sheets.sheet import MAX_ROWS


@dataclass(kw_only=True, slots=True)
class Sheets:
    """Takes the pictures of all sources in turn, and emits each sheet as soon as its last picture is there."""

    options: SheetOptions
    examined: Sequence[Examined]
    capacity: int
    """Pictures on the sheet of one video."""
    progress: SharedProgress
    entries: list[SheetEntry] = field(default_factory=list, init=False)
    _stills: list[Examined] = field(init=False)
    _still_thumbnails: Thumbnails = field(init=False)
    _thumbnails: Thumbnails | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._stills = [each for each in self.examined if each.is_still]
        room = grid_capacity(self.options, len(self._stills))
        self._still_thumbnails = Thumbnails(options=self.options, capacity=room)

    def offer(self, examined: Examined, picture: Picture, *, expected: int | None) -> None:
        """Offer the next picture of a source that is to give `expected` in all."""
        if examined.is_still:
            self._still_thumbnails.offer(examined, picture, expected=len(self._stills))
            return
        if self._thumbnails is None:
            self._thumbnails = Thumbnails(options=self.options, capacity=self.capacity)
        self._thumbnails.offer(examined, picture, expected=expected)

    def close(self, examined: Examined) -> None:
        """Say that a source gave all its pictures."""
        thumbnails, self._thumbnails = self._thumbnails, None
        if examined.is_still and examined is self._stills[-1]:
            thumbnails = self._still_thumbnails
        if thumbnails is None:
            return
        total = len(self.examined) - len(self._stills) + bool(self._stills)
        self.progress.drawing(len(self.entries), total)
        entry = thumbnails.emit(self.progress.emitter)
        if entry is not None:
            self.entries.append(entry)
        self.progress.drawing(len(self.entries), total)


def grid_capacity(options: SheetOptions, pictures: int) -> int:
    """Return how many of so many pictures the grid holds, in as many rows as asked or needed."""
    return options.columns * options.rows if options.rows else min(max(pictures, 1), options.columns * MAX_ROWS)
