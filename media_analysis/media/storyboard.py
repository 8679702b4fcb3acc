"""A storyboard: small pictures of a film on a few large ones (sprites), and where a player finds which.

The list of cues is WebVTT whose payload is an address with a spatial fragment (W3C, Media Fragments URI 1.0, 4.2.2).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from PIL import Image

from media_analysis.media.pictures import mounted

MOST_SIDE: Final = 4_096
"""Pixels of a sprite, which every browser takes."""
MOST_ACROSS: Final = 10
_LEAST_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture: which sprite it is on, from 0, where, and when its frame is first shown, as frames tell it."""

    sprite: int
    left: int
    top: int
    instant_seconds: float


@dataclass(frozen=True, slots=True)
class Cue:
    """A tile and from when to when a player shows it, in seconds from where it begins to play."""

    tile: Tile
    start_seconds: float
    end_seconds: float


@dataclass(kw_only=True, slots=True)
class Storyboard:
    """Lays out pictures as they come, and gives each sprite away once it is full."""

    finished: Callable[[Image.Image], None]
    """Takes each sprite, RGB."""
    tiles: list[Tile] = field(default_factory=list, init=False)
    size: tuple[int, int] = field(default=(0, 0), init=False)
    """Of a tile, which the first picture tells: others fit into it."""
    sprites: int = field(default=0, init=False)
    _waiting: list[Image.Image] = field(default_factory=list, init=False)

    @property
    def columns(self) -> int:
        """Tiles side by side on a full sprite."""
        return max(1, min(MOST_ACROSS, MOST_SIDE // max(1, self.size[0])))

    @property
    def rows(self) -> int:
        """Tiles one below another on a full sprite."""
        return max(1, min(MOST_ACROSS, MOST_SIDE // max(1, self.size[1])))

    def add(self, image: Image.Image, instant_seconds: float) -> None:
        """Take the next picture, no larger than a tile."""
        if not self.tiles:
            self.size = image.size
        down, across = divmod(len(self._waiting), self.columns)
        self.tiles.append(Tile(self.sprites, across * self.size[0], down * self.size[1], instant_seconds))
        self._waiting.append(image)
        if len(self._waiting) == self.columns * self.rows:
            self.finish()

    def finish(self) -> None:
        """Give away the sprite that is not full, if there is one."""
        if not self._waiting:
            return
        width, height = self.size
        across = min(self.columns, len(self._waiting))
        down = -(-len(self._waiting) // self.columns)
        sprite = Image.new("RGB", (across * width, down * height))
        for place, image in enumerate(self._waiting):
            row, column = divmod(place, self.columns)
            sprite.paste(mounted(image, self.size), (column * width, row * height))
        self._waiting.clear()
        self.finished(sprite)
        self.sprites += 1

    def cues(self, *, begin_seconds: float, end_seconds: float) -> Sequence[Cue]:
        """Return when each tile is shown: until the next, the first one from the beginning."""
        starts = [0.0, *(begin_seconds + tile.instant_seconds for tile in self.tiles[1:])]
        ends = [*starts[1:], max(end_seconds, starts[-1] + _LEAST_SECONDS)]
        return [Cue(*cue) for cue in zip(self.tiles, starts, ends, strict=True)]


def as_vtt(cues: Sequence[Cue], size: tuple[int, int], address: Callable[[int], str]) -> str:
    """Return WebVTT; `address` tells where a sprite is. Cues that no clock of milliseconds tells apart are left out."""
    lines = ["WEBVTT", ""]
    for cue in cues:
        start, end = _clock(cue.start_seconds), _clock(cue.end_seconds)
        if start != end:
            place = f"{cue.tile.left},{cue.tile.top},{size[0]},{size[1]}"
            lines += [f"{start} --> {end}", f"{address(cue.tile.sprite)}#xywh={place}", ""]
    return "\n".join(lines)


def as_json(cues: Sequence[Cue], size: tuple[int, int], address: Callable[[int], str]) -> str:
    """Return the same as JSON, with the instants by which frames are asked for."""
    tiles = [
        {
            "start_seconds": round(cue.start_seconds, 6),
            "end_seconds": round(cue.end_seconds, 6),
            "instant_seconds": cue.tile.instant_seconds,
            "sprite": address(cue.tile.sprite),
            "x": cue.tile.left,
            "y": cue.tile.top,
        }
        for cue in cues
    ]
    return json.dumps({"tile_width": size[0], "tile_height": size[1], "tiles": tiles}, separators=(",", ":"))


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1_000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1_000:02}.{rest % 1_000:03}"
