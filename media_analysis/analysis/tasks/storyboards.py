"""The storyboard of one source: sprites, which become products as they are full, and lists of what is on them."""

from dataclasses import dataclass, field

from PIL import Image

from media_analysis.analysis.documents import StoryboardFacts
from media_analysis.analysis.task import Emitter, Product, reference
from media_analysis.analysis.tasks.naming import stem_of
from media_analysis.analysis.tasks.sources import Examined
from media_analysis.media.films.opening import open_media
from media_analysis.media.films.starts import starts_of
from media_analysis.media.options import Limits, PictureOptions, PreviewOptions
from media_analysis.media.pictures import Picture, encode, extension_of_format, media_type_of
from media_analysis.media.storyboard import Storyboard, as_json, as_vtt
from media_analysis.storage.category import Category

SPRITE = "storyboard"
"""The role of a sprite."""


@dataclass(kw_only=True, slots=True)
class StoryboardSeries:
    """Takes the pictures of one source in time order."""

    examined: Examined
    options: PreviewOptions
    limits: Limits
    emitter: Emitter
    first_ordinal: int
    """Of its first sprite among those of the job."""
    _board: Storyboard = field(init=False)
    _size_bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._board = Storyboard(finished=self._emit_sprite)

    @property
    def sprites(self) -> int:
        """How many sprites were emitted."""
        return self._board.sprites

    def add(self, tile: Image.Image, picture: Picture) -> None:
        """Take the next picture, shrunk to a tile."""
        self._board.add(tile, picture.instant_seconds)

    def finish(self) -> StoryboardFacts | None:
        """Emit the last sprite and the lists; None where there was no picture."""
        board = self._board
        board.finish()
        if not board.tiles:
            return None
        with open_media(self.examined.source.path, self.limits) as container:
            begin_seconds = starts_of(container).pictures
        cues = board.cues(begin_seconds=begin_seconds, end_seconds=self.examined.facts.duration_seconds or 0.0)
        self._emit_list("vtt", "text/vtt", as_vtt(cues, board.size, self._address))
        self._emit_list("json", "application/json", as_json(cues, board.size, self._address))
        return StoryboardFacts(
            first_ordinal=self.first_ordinal,
            sprites=board.sprites,
            tiles=len(board.tiles),
            columns=board.columns,
            rows=board.rows,
            tile_width=board.size[0],
            tile_height=board.size[1],
            longest_seconds=round(max(cue.end_seconds - cue.start_seconds for cue in cues), 6),
            size_bytes=self._size_bytes,
        )

    def _address(self, sprite: int) -> str:
        """Return where a sprite is from where a list is, below whatever path the service is shown."""
        return f"../{reference(SPRITE, self.first_ordinal + sprite)}/content"

    def _emit_sprite(self, sprite: Image.Image) -> None:
        written = PictureOptions(format=self.options.format, quality=self.options.quality)
        content = encode(sprite, written)
        self._size_bytes += len(content)
        number = self._board.sprites
        product = Product(
            role=SPRITE,
            ordinal=self.first_ordinal + number,
            category=Category.FRAMES,
            filename=f"{self._stem}-{number:03d}.{extension_of_format(written.format)}",
            media_type=media_type_of(written.format),
            source=self.examined.source.position,
        )
        self.emitter.product(product, content)

    def _emit_list(self, extension: str, media_type: str, text: str) -> None:
        product = Product(
            role=f"{SPRITE}_{extension}",
            ordinal=self.examined.source.position,
            category=Category.FRAMES,
            filename=f"{self._stem}.{extension}",
            media_type=media_type,
            source=self.examined.source.position,
            refers=True,
        )
        self.emitter.product(product, text.encode())

    @property
    def _stem(self) -> str:
        return f"{stem_of(self.examined.source.filename)}-storyboard"
