"""Contact sheets in the making: thumbnails gathered from pictures as they are decoded, then drawn and emitted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from media_analysis.analysis.documents import ContactSheetDocument, Remark, SheetEntry, SheetPicture
from media_analysis.analysis.task import Emitter, Product
from media_analysis.analysis.tasks.naming import stem_of
from media_analysis.analysis.tasks.sources import Examined
from media_analysis.media.figures import byte_size
from media_analysis.media.options import PictureOptions, SheetOptions
from media_analysis.media.pictures import Picture, encode, extension_of_format, media_type_of
from media_analysis.media.sheets.heading import heading_of
from media_analysis.media.sheets.sheet import Heading, Sheet, SheetDesign, Thumbnail
from media_analysis.media.spread import Spread
from media_analysis.storage.category import Category


@dataclass(frozen=True, slots=True)
class Shown:
    """A thumbnail and where it comes from."""

    source: int
    thumbnail: Thumbnail
    page: int | None


@dataclass(kw_only=True, slots=True)
class Thumbnails:
    """The thumbnails of one sheet, evenly picked from the pictures offered; memory is bounded by a sheet's pixels."""

    options: SheetOptions
    capacity: int
    sources: list[Examined] = field(default_factory=list, init=False)
    _spread: Spread[Shown] | None = field(default=None, init=False)

    def offer(self, examined: Examined, picture: Picture, *, expected: int | None) -> None:
        """Offer the next picture; `expected` are offered in all, where that is known at the first one."""
        if examined not in self.sources:
            self.sources.append(examined)
        if self._spread is None:
            self._spread = Spread(self.capacity, length=expected)
        self._spread.offer(lambda: self._shown(examined, picture))

    def emit(self, emitter: Emitter) -> SheetEntry | None:
        """Draw the sheet and emit it as product and result; None where there is nothing to show."""
        shown = _distinct(self._spread.taken() if self._spread else ())
        if not shown:
            return None
        heading = _heading(self.sources) if self.options.header else None
        sheet = self._design().draw([each.thumbnail for each in shown], heading)
        picture = PictureOptions(format=self.options.sheet_format, quality=self.options.sheet_quality)
        content = encode(sheet.image, picture)
        product = self._product()
        emitter.product(product, content)
        document = self._document(sheet, shown, len(content))
        emitter.result("contact_sheet", document.model_dump(mode="json"), source=product.source)
        return SheetEntry(ordinal=product.ordinal, filename=product.filename, document=document)

    def _design(self) -> SheetDesign:
        return SheetDesign(
            columns=self.options.columns,
            capacity=self.capacity,
            thumbnail_width=self.options.thumbnail_width,
            timestamps=self.options.timestamps,
        )

    def _shown(self, examined: Examined, picture: Picture) -> Shown:
        width, height = self._design().thumbnail_size(picture.size)
        still = examined.is_still
        thumbnail = Thumbnail(
            image=picture.image(max_width=width, max_height=height),
            instant_seconds=None if still or picture.page else picture.instant_seconds,
            name=examined.source.filename if still else f"page {picture.page}",
        )
        return Shown(examined.source.position, thumbnail, picture.page)

    def _product(self) -> Product:
        first = self.sources[0].source
        alone = len(self.sources) == 1
        name = stem_of(first.filename) if alone else "pictures"
        return Product(
            role="contact_sheet",
            ordinal=first.position,
            category=Category.CONTACT_SHEETS,
            filename=f"{name}-contact-sheet.{extension_of_format(self.options.sheet_format)}",
            media_type=media_type_of(self.options.sheet_format),
            source=first.position if alone else None,
        )

    def _document(self, sheet: Sheet, shown: Sequence[Shown], size_bytes: int) -> ContactSheetDocument:
        return ContactSheetDocument(
            columns=sheet.layout.columns,
            rows=sheet.layout.rows,
            pictures=[
                SheetPicture(source=each.source, instant_seconds=each.thumbnail.instant_seconds, page=each.page)
                for each in shown
            ],
            width=sheet.image.width,
            height=sheet.image.height,
            thumbnail_width=sheet.layout.cell_width,
            thumbnail_height=sheet.layout.cell_height,
            format=self.options.sheet_format,
            size_bytes=size_bytes,
            warnings=_remarks(self.sources),
        )


def _distinct(shown: Iterable[Shown]) -> Sequence[Shown]:
    """Leave out the frame before shown again, as very short videos would."""
    kept: list[Shown] = []
    for each in shown:
        instant = each.thumbnail.instant_seconds
        if instant is None or not kept or kept[-1].thumbnail.instant_seconds != instant:
            kept.append(each)
    return kept


def _remarks(sources: Iterable[Examined]) -> list[Remark]:
    return [remark for examined in sources for remark in examined.remarks]


def _heading(sources: Sequence[Examined]) -> Heading:
    if len(sources) == 1:
        return heading_of(sources[0].source.filename, sources[0].facts)
    size_bytes = sum(examined.source.size_bytes for examined in sources)
    return Heading(title=f"{len(sources)} pictures", facts=[byte_size(size_bytes)])
