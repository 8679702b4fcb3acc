"""Frames: pictures out of every source, numbered through."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from media_analysis.analysis.documents import FrameEntry, FramesDocument, Sampling
from media_analysis.analysis.task import Emitter, Product, Source
from media_analysis.analysis.tasks.naming import stem_of
from media_analysis.analysis.tasks.progress import SharedProgress
from media_analysis.analysis.tasks.sources import Decoding, Examined, examine
from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.options import DEFAULT_EVERY_SECONDS, FrameOptions, Limits, Options, SamplingOptions
from media_analysis.media.pictures import Picture, extension_of_format, media_type_of
from media_analysis.storage.category import Category


def run(sources: Sequence[Source], options: Options, limits: Limits, emitter: Emitter) -> None:
    """Emit `frame` products of all sources in order, and a `frames` result for each source.

    Raises:
        NoPictures: a source holds none.
        NoSuchPage: a source has not all the pages asked for.
        MediaLimitPassed: the sources together give more than `max_frames`.

    """
    asked = FrameOptions.model_validate(options, from_attributes=True)
    progress = SharedProgress(emitter)
    taken = 0
    for each in examine(sources, limits, progress):
        series = FrameSeries(examined=each, options=asked, emitter=emitter, first_ordinal=taken)
        sampling = within(asked, taken)
        for picture in Decoding(examined=each, sampling=sampling, limits=limits, progress=progress).pictures():
            series.take(picture)
        series.emit_document()
        taken += len(series.entries)
    progress.finished("decoding")


def within(options: FrameOptions, taken: int) -> SamplingOptions:
    """Return the options of the next source, where `taken` of the job's frames are used up.

    Raises:
        MediaLimitPassed: none is left.

    """
    if taken >= options.max_frames:
        raise MediaLimitPassed("frames", found=taken + 1, allowed=options.max_frames)
    return options.model_copy(update={"max_frames": options.max_frames - taken})


@dataclass(kw_only=True, slots=True)
class FrameSeries:
    """The frames of one source, which become products as they are taken."""

    examined: Examined
    options: FrameOptions
    emitter: Emitter
    first_ordinal: int
    entries: list[FrameEntry] = field(default_factory=list, init=False)
    _size: tuple[int, int] | None = field(default=None, init=False)

    def take(self, picture: Picture) -> None:
        """Encode and emit one picture."""
        content = picture.encoded(self.options)
        product = self._product(picture)
        self.emitter.product(product, content)
        self._size = self._size or _size_of(content)
        self.entries.append(
            FrameEntry(
                ordinal=product.ordinal,
                instant_seconds=picture.instant_seconds,
                page=picture.page,
                filename=product.filename,
                size_bytes=len(content),
            )
        )

    def emit_document(self) -> FramesDocument:
        """Emit and return the `frames` result."""
        width, height = self._size or (None, None)
        instants = [entry.instant_seconds for entry in self.entries]
        document = FramesDocument(
            count=len(self.entries),
            first_ordinal=self.first_ordinal if self.entries else None,
            first_instant_seconds=instants[0] if instants else None,
            last_instant_seconds=instants[-1] if instants else None,
            format=self.options.format,
            width=width,
            height=height,
            size_bytes=sum(entry.size_bytes for entry in self.entries),
            sampling=_said_back(self.options),
            warnings=self.examined.remarks,
        )
        self.emitter.result("frames", document.model_dump(mode="json"), source=self.examined.source.position)
        return document

    def _product(self, picture: Picture) -> Product:
        ordinal = self.first_ordinal + len(self.entries)
        source = self.examined.source
        where = f"{picture.instant_seconds:.3f}s" if picture.page is None else f"page{picture.page}"
        name = f"{stem_of(source.filename)}-{ordinal:05d}-{where}"
        return Product(
            role="frame",
            ordinal=ordinal,
            category=Category.FRAMES,
            filename=f"{name}.{extension_of_format(self.options.format)}",
            media_type=media_type_of(self.options.format),
            source=source.position,
            instant_seconds=picture.instant_seconds,
        )


def _said_back(options: SamplingOptions) -> Sampling:
    every = options.every_seconds
    if not (options.count or options.instants or options.pages or options.keyframes or options.scenes):
        every = every or DEFAULT_EVERY_SECONDS
    return Sampling(
        every_seconds=every,
        count=options.count,
        instants=options.instants,
        pages=options.pages,
        keyframes=options.keyframes or None,
        scenes=options.scenes,
    )


def _size_of(content: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(content)) as image:
        return image.size
