"""Preview: what a page shows of a file before it is played: storyboard, poster, animation and waveform."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from PIL import Image

from media_analysis.analysis.documents import HoverFacts, PosterFacts, PreviewDocument, WaveformFacts
from media_analysis.analysis.task import Emitter, Product, Source
from media_analysis.analysis.tasks.naming import stem_of
from media_analysis.analysis.tasks.progress import SharedProgress
from media_analysis.analysis.tasks.sources import Decoding, Examined, examine
from media_analysis.analysis.tasks.storyboards import StoryboardSeries
from media_analysis.errors.media import CorruptMedia, NoPictures
from media_analysis.media.facts import MediaKind
from media_analysis.media.options import (
    KeyframeSampling,
    Limits,
    Options,
    PictureOptions,
    PreviewOptions,
    SamplingOptions,
)
from media_analysis.media.pictures import Picture, encode, encode_animation, extension_of_format, media_type_of
from media_analysis.media.spread import Spread
from media_analysis.media.waveform import BITS, read_waveform
from media_analysis.storage.category import Category

HOVER_FRAMES: Final = 12
HOVER_MILLISECONDS: Final = 350
_HOVER_QUALITY: Final = 60


def run(sources: Sequence[Source], options: Options, limits: Limits, emitter: Emitter) -> None:
    """Emit what is shown of each source, and a `preview` result for each.

    A film gives a storyboard (`storyboard`, `storyboard_vtt`, `storyboard_json`), a `poster`, a `hover` where it has
    two pictures, and a `waveform` where it has sound; sound the last alone, a still image its poster.
    Sprites are numbered through; everything else has the position of its source.

    Raises:
        NoPictures, CorruptMedia: of a source nothing at all can be shown, or none of its pictures can be decoded.

    """
    asked = PreviewOptions.model_validate(options, from_attributes=True)
    progress = SharedProgress(emitter)
    sprites = 0
    for each in examine(sources, limits, progress):
        preview = Preview(examined=each, options=asked, limits=limits, progress=progress, first_sprite=sprites)
        sprites += preview.make()
    progress.finished("listening")


@dataclass(kw_only=True, slots=True)
class Preview:
    """What is made of one source."""

    examined: Examined
    options: PreviewOptions
    limits: Limits
    progress: SharedProgress
    first_sprite: int
    _storyboard: StoryboardSeries = field(init=False)
    _best: Picture | None = field(default=None, init=False)
    """The picture with most to see."""
    _detail: float = field(default=-1.0, init=False)
    _hover: Spread[Image.Image] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._storyboard = StoryboardSeries(
            examined=self.examined,
            options=self.options,
            limits=self.limits,
            emitter=self.progress.emitter,
            first_ordinal=self.first_sprite,
        )

    def make(self) -> int:
        """Emit everything, and return how many sprites there are."""
        poster = hover = storyboard = None
        try:
            self._show()
        except NoPictures as error:
            self.examined.remark(self.progress.emitter, NoPictures.code, str(error))
        if self._best is not None:
            poster = self._emit_poster(self._best)
            hover = self._emit_hover()
            storyboard = self._storyboard.finish()
        waveform = None if self._is_image else self._emit_waveform()
        self.examined.remark_truncation(self.progress.emitter)
        if poster is None and waveform is None:
            raise CorruptMedia("nothing of the file can be shown: neither pictures nor sound can be decoded")
        document = PreviewDocument(
            duration_seconds=self.examined.facts.duration_seconds,
            format=self.options.format,
            storyboard=storyboard,
            poster=poster,
            hover=hover,
            waveform=waveform,
            warnings=self.examined.remarks,
        )
        source = self.examined.source.position
        self.progress.emitter.result("preview", document.model_dump(mode="json"), source=source)
        return self._storyboard.sprites

    @property
    def _is_image(self) -> bool:
        return self.examined.facts.kind is MediaKind.IMAGE

    def _show(self) -> None:
        sampling = self._sampling()
        decoding = Decoding(examined=self.examined, sampling=sampling, limits=self.limits, progress=self.progress)
        shown: float | None = None
        for picture in decoding.pictures():
            if picture.instant_seconds == shown:
                continue
            shown = picture.instant_seconds
            tile = picture.image(max_width=self.options.tile_width, max_height=self.options.tile_width)
            self._consider(picture, tile)
            if not self._is_image:
                self._storyboard.add(tile, picture)
                self._animate(picture, decoding.expected)

    def _sampling(self) -> SamplingOptions:
        if (self.examined.facts.pages or 1) > 1:
            return SamplingOptions(pages=[1])
        seconds = self.examined.facts.duration_seconds or 0.0
        return KeyframeSampling(
            apart_seconds=self.options.every_seconds or min(max(seconds / 12, 0.5), 2.0),
            most=self.options.max_tiles,
            deinterlace=self.options.deinterlace,
        )

    def _consider(self, picture: Picture, tile: Image.Image) -> None:
        """Keep the picture with most to see of those in the first half: first ones are often black, last ones tell."""
        half = (self.examined.facts.duration_seconds or 0) / 2
        if self._best is not None and picture.instant_seconds > half:
            return
        detail = tile.convert("L").entropy()
        if detail > self._detail:
            self._best, self._detail = picture, detail

    def _animate(self, picture: Picture, expected: int | None) -> None:
        width = self.options.hover_width
        self._hover = self._hover or Spread(HOVER_FRAMES, length=expected)
        self._hover.offer(lambda: picture.image(max_width=width, max_height=width))

    def _emit_poster(self, picture: Picture) -> PosterFacts:
        side = self.options.poster_width
        image = picture.image(max_width=side, max_height=side)
        written = PictureOptions(format=self.options.format, quality=self.options.quality)
        content = encode(image, written)
        instant = None if self._is_image else picture.instant_seconds
        product = self._product(
            "poster", extension_of_format(written.format), media_type_of(written.format), instant_seconds=instant
        )
        self.progress.emitter.product(product, content)
        return PosterFacts(instant_seconds=instant, width=image.width, height=image.height, size_bytes=len(content))

    def _emit_hover(self) -> HoverFacts | None:
        images = () if self._hover is None else self._hover.taken()
        if len(images) < 2:  # noqa: PLR2004 - one picture does not move
            return None
        content = encode_animation(images, milliseconds=HOVER_MILLISECONDS, quality=_HOVER_QUALITY)
        self.progress.emitter.product(self._product("hover", "webp", "image/webp"), content)
        return HoverFacts(
            frames=len(images),
            width=images[0].width,
            height=images[0].height,
            duration_seconds=len(images) * HOVER_MILLISECONDS / 1_000,
            size_bytes=len(content),
        )

    def _emit_waveform(self) -> WaveformFacts | None:
        emitter, seconds = self.progress.emitter, self.examined.facts.duration_seconds
        if self.examined.facts.audio is None:
            self.examined.remark(emitter, "no_sound", "the file holds no sound")
            return None
        heard = read_waveform(
            self.examined.source.path,
            self.limits,
            progress=lambda at: self.progress.listening(self.examined.index, at / seconds if seconds else 0.0),
        )
        if heard is None:
            self.examined.remark(emitter, "no_sound", "none of the file's sound can be decoded")
            return None
        if heard.undecoded:
            self.examined.remark(emitter, "damaged", f"{heard.undecoded} packets of sound could not be decoded")
        emitter.product(self._product("waveform", "json", "application/json"), heard.content)
        return WaveformFacts(
            sample_rate=heard.sample_rate,
            samples_per_pixel=heard.samples_per_pixel,
            bits=BITS,
            channels=1,
            length=heard.length,
            size_bytes=len(heard.content),
        )

    def _product(self, role: str, extension: str, media_type: str, *, instant_seconds: float | None = None) -> Product:
        source = self.examined.source
        return Product(
            role=role,
            ordinal=source.position,
            category=Category.FRAMES,
            filename=f"{stem_of(source.filename)}-{role}.{extension}",
            media_type=media_type,
            source=source.position,
            instant_seconds=instant_seconds,
        )
